"""The pairs of content and style images of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quality.text_lines import read_lines
from core.arrays import Size
from core.errors import UsageError
from core.image.reading import list_images, read_size
from core.image.resize import fit_size

FIELDS = 2
"""Fields of a line of a file of pairs: content and style."""


@dataclass(frozen=True)
class Pair:
    """A content and a style image."""

    content: Path
    style: Path

    @property
    def name(self) -> str:
        """Name of the pictures of this pair, without a suffix."""
        return f"{self.content.stem}--{self.style.stem}"

    def fitted_sizes(self, size: int) -> tuple[Size, Size]:
        """Return the sizes of content and style with a long side of at most `size` pixels, from the file headers.

        Raises:
            UsageError: An image cannot be read, or is too small.
        """
        content, style = read_size(self.content, name="content"), read_size(self.style, name="style")
        return fit_size(content, size, "long"), fit_size(style, size, "long")


def make_pairs(contents: Path, styles: Path, pairs_file: Path | None = None) -> list[Pair]:
    """Return every pair of an image of `contents` and one of `styles`, or those that `pairs_file` lists.

    Args:
        contents: A folder of images, or one image.
        styles: A folder of images, or one image.
        pairs_file: Text file with the names of a content and a style file in every line, separated by a tab or a comma.

    Raises:
        UsageError: There is no image, two pairs have the same name, or a line of the file is invalid.
    """
    found, painted = _images(contents, "CONTENTS"), _images(styles, "STYLES")
    pairs = _listed(pairs_file, found, painted) if pairs_file else [Pair(c, s) for c in found for s in painted]
    check_unique((pair.name for pair in pairs), "pairs", "rename a file, or list a pair once")
    return pairs


def check_unique(names: Iterable[str], what: str, remedy: str) -> None:
    """Raise UsageError if two names are equal apart from their case, which some file systems ignore."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise UsageError(f"two {what} have the name {name!r}: {remedy}")
        seen.add(name.casefold())


def _images(path: Path, argument: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"{argument} is {path}, which does not exist: name a folder of images, or an image")
    if not (images := list_images(path)):
        raise UsageError(f"{argument} is {path}, a folder without images: name a folder with JPEG or PNG files")
    return images


def _listed(path: Path, contents: Sequence[Path], styles: Sequence[Path]) -> list[Pair]:
    expected = "expected lines of a content and a style name"
    lines = read_lines(path, "--pairs", expected)
    pairs = [_pair(line, f"line {number} of {path}", contents, styles) for number, line in enumerate(lines, 1) if line]
    if not pairs:
        raise UsageError(f"--pairs {path} is empty: {expected}")
    return pairs


def _pair(line: str, where: str, contents: Sequence[Path], styles: Sequence[Path]) -> Pair:
    names = [name.strip() for name in line.split("\t" if "\t" in line else ",")]
    if len(names) != FIELDS:
        raise UsageError(
            f"{where} has {len(names)} fields: expected a content and a style, separated by a tab or comma"
        )
    return Pair(_named(names[0], contents, "content", where), _named(names[1], styles, "style", where))


def _named(name: str, images: Sequence[Path], kind: str, where: str) -> Path:
    for path in images:
        if path.name == name:
            return path
    raise UsageError(f"{where} names the {kind} {name!r}, which is none of the {len(images)} {kind} images")
