"""Uploaded, drawn and sample images, and the directory that holds the files of one visitor."""

import re
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import PIL.Image

from core.arrays import Size
from core.errors import UsageError
from core.image.compositing import without_white
from core.image.reading import list_images, read_image, read_size
from core.image.resize import resize
from core.image.writing import to_image
from core.network.architecture import MIN_SIDE
from core.temporary_folder import temporary_folder

MAX_UPLOAD_PIXELS = 40_000_000
"""Limit on an upload. A decoded image takes 12 bytes per pixel, and decoding needs several copies."""
MAX_NAME_BYTES = 100
"""Limit on the name of an upload in UTF-8; file systems allow 255 bytes, and names of results join several."""
DISPLAY_SIDE = 1024
"""Limit on the long side of an image that the page displays, in pixels."""


@dataclass(frozen=True, eq=False)
class UploadedImage:
    """A validated image: its file, its name for the visitor, its size in pixels, and a small version for display."""

    path: Path
    name: str
    size: Size
    display_image: PIL.Image.Image


class SessionDir:
    """Temporary directory with the files of one visitor; deleted when nothing refers to this object any more.

    Directories of a page that was killed are deleted as well.
    """

    def __init__(self) -> None:
        stack = ExitStack()
        self._directory = stack.enter_context(temporary_folder(Path(gettempdir()), "style-transfer-page-"))
        weakref.finalize(self, stack.close)
        self._images: dict[str, UploadedImage | UsageError] = {}

    def add(self, key: str, name: str, read: Callable[[], bytes], kind: str) -> UploadedImage:
        """Store and read an image, once per `key`: later calls return the same image or raise the same error.

        Args:
            key: Identifies the upload within the session.
            name: File name on the visitor's machine.
            read: Returns the content of the file.
            kind: Role of the image in error messages, such as "content image".

        Raises:
            UsageError: The file is not an image, or it is damaged, too small or too large.
        """
        if key not in self._images:
            path = Path(self._directory, str(len(self._images)), safe_name(name))
            path.parent.mkdir()
            path.write_bytes(read())
            try:
                self._images[key] = read_upload(path, path.name, kind)
            except UsageError as error:
                path.unlink()
                self._images[key] = error
        image = self._images[key]
        if isinstance(image, UsageError):
            raise image
        return image


def read_upload(path: Path, name: str, kind: str) -> UploadedImage:
    """Read an image for the page; error messages contain `name` instead of the path on the server.

    Raises:
        UsageError: The file is not an image, or it is damaged, too small or too large.
    """
    try:
        size = read_size(path, name=kind)
        if size[0] * size[1] > MAX_UPLOAD_PIXELS:
            raise UsageError(
                f"{kind} {path} has {size[0]}x{size[1]} px, more than this page's limit of "
                f"{MAX_UPLOAD_PIXELS // 10**6} megapixels: scale it down first"
            )
        image = read_image(path, name=kind)
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), name)) from error
    scale = min(1.0, DISPLAY_SIDE / max(image.size))
    # Streamlit scales images down further, and fails if less than a pixel of a side would remain.
    width, height = (max(MIN_SIDE, round(side * scale)) for side in image.size)
    display_size = width, height
    pixels, alpha = resize(image.pixels, display_size), None
    if image.alpha is not None:
        alpha = resize(image.alpha, display_size)
        pixels = without_white(pixels, alpha)
    return UploadedImage(path, name, image.size, to_image(pixels, alpha))


@cache
def read_sample(path: Path, kind: str) -> UploadedImage:
    """Read a sample image, once per path and kind.

    Raises:
        UsageError: As `read_upload`.
    """
    return read_upload(path, "/".join(path.parts[-3:]), kind)  # without the folders above `examples`


def safe_name(name: str) -> str:
    """Return a file name of at most `MAX_NAME_BYTES` without directories and control characters.

    The separators of `--style a.jpg:0.5 --region b.png=a.jpg` are replaced too.

    >>> safe_name("../a=b:c.jpg")
    'a-b-c.jpg'
    """
    last = re.split(r"[/\\]", name)[-1]
    cleaned = re.sub(r"[\x00-\x1f\x7f-\x9f:=,]", "-", last)
    return last_bytes(cleaned, MAX_NAME_BYTES).lstrip(".-") or "image"


def last_bytes(text: str, limit: int) -> str:
    """Return the end of a text that has at most `limit` bytes in UTF-8, without incomplete characters.

    >>> last_bytes("猫猫.jpg", 9)
    '猫.jpg'
    """
    return text.encode(errors="replace")[-limit:].decode(errors="ignore")


def find_samples() -> Mapping[str, Mapping[str, Path]]:
    """Return the paths of the sample images by role ("content", "style") and name; empty without `examples/`."""
    examples = _examples_folder()
    return {role: _images_in(examples / role) if examples else {} for role in ("content", "style")}


def find_example() -> tuple[Path, Path] | None:
    """Return the paths of a sample content image and of its result; None without one in `examples/finished/`.

    The name of a result is CONTENT-STYLE.
    """
    examples = _examples_folder()
    if examples and (examples / "finished").is_dir():
        for result in list_images(examples / "finished"):
            for name, content in find_samples()["content"].items():
                if result.stem.startswith(f"{name}-"):
                    return content, result
    return None


def _examples_folder() -> Path | None:
    for folder in (Path("examples"), Path(__file__).parents[3] / "examples"):
        if (folder / "content").is_dir() and (folder / "style").is_dir():
            return folder
    return None


def _images_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_images(folder)}
