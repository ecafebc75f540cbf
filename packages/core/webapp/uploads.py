"""A visitor's pictures: what they upload or draw, kept in a folder of their own, and the samples."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import PIL.Image

from core.arrays import Size
from core.errors import UsageError
from core.image.reading import list_images, read_image, read_size
from core.image.resize import resize
from core.image.writing import to_image

MOST_PIXELS = 40_000_000
"""Of an upload: it is held in memory as 12 bytes a pixel, and more than once while it is read."""
SHOWN_SIDE = 1024
"""Bound on the long side of a picture as the page shows it, in pixels."""


@dataclass(frozen=True, eq=False)
class UploadedImage:
    """A picture that can be read: its file, what the visitor calls it, and how the page shows it."""

    path: Path
    name: str
    size: Size
    shown: PIL.Image.Image


class SessionDir:
    """The files of one visitor; they go when the last one who holds the folder lets go of it."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="style-transfer-page-")
        self._known: dict[str, UploadedImage | UsageError] = {}

    def add(self, key: str, name: str, read: Callable[[], bytes], kind: str) -> UploadedImage:
        """Keep a picture and read it, unless the one with this `key` has been read before.

        Args:
            key: What tells this upload from every other one of the visitor.
            name: What the visitor calls the file.
            read: Gives its bytes.
            kind: What an error calls it, such as "content".

        Raises:
            UsageError: It is no picture, or damaged, too small or too large.
        """
        if key not in self._known:
            path = Path(self._folder.name, str(len(self._known)), safe_name(name))
            path.parent.mkdir()
            path.write_bytes(read())
            try:
                self._known[key] = read_upload(path, path.name, kind)
            except UsageError as error:
                path.unlink()
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, UsageError):
            raise known
        return known


def read_upload(path: Path, name: str, kind: str) -> UploadedImage:
    """Read a picture for the page; errors speak of it by the `name` its visitor knows.

    Raises:
        UsageError: It is no picture, or damaged, too small or too large.
    """
    try:
        size = read_size(path, name=kind)
        if size[0] * size[1] > MOST_PIXELS:
            raise UsageError(
                f"{kind} {path} has {size[0]}x{size[1]} px, and this page takes {MOST_PIXELS // 10**6} megapixels: "
                "scale it down first"
            )
        picture = read_image(path, name=kind)
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), name)) from error
    scale = min(1.0, SHOWN_SIDE / max(picture.size))
    small = (max(1, round(picture.size[0] * scale)), max(1, round(picture.size[1] * scale)))
    alpha = None if picture.alpha is None else resize(picture.alpha, small)
    return UploadedImage(path, name, picture.size, to_image(resize(picture.pixels, small), alpha))


def safe_name(name: str) -> str:
    """A file's name without folders, and without what would have a meaning in `--style a.jpg:0.5 --region b.png=a.jpg`.

    >>> safe_name("../a=b:c.jpg")
    'a-b-c.jpg'
    """
    last = re.split(r"[/\\]", name)[-1]
    cleaned = re.sub(r"[\x00-\x1f\x7f:=,]", "-", last).lstrip(".-")
    return cleaned[-100:] or "picture"


def find_samples() -> Mapping[str, Mapping[str, Path]]:
    """Pictures to begin with, by kind ("content", "style") and name; none where the examples are not at hand."""
    checkout = Path(__file__).parents[3]
    for folder in (Path("examples"), checkout / "examples"):
        if (folder / "content").is_dir() and (folder / "style").is_dir():
            return {kind: _pictures_in(folder / kind) for kind in ("content", "style")}
    return {"content": {}, "style": {}}


def _pictures_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_images(folder)}
