"""The example images that a page offers."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from core.errors import UsageError
from core.image.reading import read_image
from core.image.resize import fit_size, resize
from core.image.writing import to_image

MAX_COUNT = 6
"""Images per role; the page shows them in rows of three."""

SIZE = 512
"""Long side in pixels."""

JPEG_QUALITY = 88


def copy_examples(page: Path, examples: Path) -> dict[str, list[str]]:
    """Copy the first images of `examples/content` and `examples/style`, resized, to the page.

    Returns:
        Their paths relative to the page, by role ("content" and "style").

    Raises:
        UsageError: A folder is missing, a file is not an image, or two have the same name without the suffix.
    """
    paths: dict[str, list[str]] = {}
    for role in ("content", "style"):
        source = examples / role
        if not source.is_dir():
            raise UsageError(f"{examples} has no folder {role}: expected folders of images named content and style")
        destination = page / "examples" / role
        destination.mkdir(parents=True)
        chosen = sorted(path for path in source.iterdir() if not path.name.startswith("."))[:MAX_COUNT]
        _check_names(chosen)
        for path in chosen:
            _write_example(path, destination / f"{path.stem}.jpg")
        paths[role] = [f"examples/{role}/{path.stem}.jpg" for path in chosen]
    return paths


def _check_names(images: Sequence[Path]) -> None:
    """Raise UsageError if the files of two images would have one name, also where case is ignored."""
    first: dict[str, Path] = {}
    for path in images:
        other = first.setdefault(path.stem.casefold(), path)
        if other != path:
            raise UsageError(f"{other} and {path.name} would both be {other.stem}.jpg in the page: rename one of them")


def _write_example(source: Path, destination: Path) -> None:
    image = read_image(source, name="example")
    resized = resize(image.pixels, fit_size(image.size, SIZE, "long"))
    encoded = BytesIO()
    to_image(resized).save(encoded, "JPEG", quality=JPEG_QUALITY)
    destination.write_bytes(encoded.getvalue())
