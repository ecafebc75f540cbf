"""The film of a run: an animated WebP by Pillow, or an MP4 by PyAV, of how the painting came about."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from core.arrays import Size
from core.cli.progress_bar import EvaluationInterval
from core.errors import StyleTransferError, UsageError
from core.files import check_writable, replacing

if TYPE_CHECKING:
    from core.runs.progress import Progress

FPS = 12.0
"""Frames a second, unless told otherwise."""
MOST_FRAMES = 150
LONGEST_SIDE = 1920
"""A film holds no more frames than these, unless told which, and no larger ones: they are kept until the end."""
HELD_SECONDS = 1.0
"""How long the finished painting stays."""


class Video:
    """Takes a frame after every `every` evaluations, and in the end writes them with the painting as the last one.

    Every frame has the size of the painting, or fits into a square of `LONGEST_SIDE`. With `every` 0 all steps are
    taken, and of more than `MOST_FRAMES` every other one is given up, as often as it needs.

    Raises:
        UsageError: The name's ending is neither .webp nor .mp4, PyAV is missing for the latter, the place cannot be
            written to, or `fps` is not from 1 to 60.
    """

    def __init__(
        self, path: str | PathLike[str], size: Size, *, fps: float = FPS, every: int = 0, inputs: Sequence[object] = ()
    ) -> None:
        self.path, self._fps = check_writable(path, inputs=inputs), fps
        if self.path.suffix.lower() not in (".webp", ".mp4"):
            raise UsageError(f"--film is {path}: expected a name that ends in .webp or .mp4")
        if self.path.suffix.lower() == ".mp4":
            _require_av(self.path)
        if not (math.isfinite(fps) and 1 <= fps <= 60):
            raise UsageError(f"--film-fps is {fps:g}: expected a number from 1 to 60")
        shrinkage = min(1.0, LONGEST_SIDE / max(size))
        self._size = (round(size[0] * shrinkage), round(size[1] * shrinkage))
        self._frames: list[Image.Image] = []
        self._thinned, self._due = not every, EvaluationInterval(every or 1)

    def add(self, step: "Progress") -> None:
        """Take the picture so far, if it is its turn."""
        if not self._due(step):
            return
        self._frames.append(step.image)
        if self._thinned and len(self._frames) > MOST_FRAMES:
            self._frames = self._frames[::2]
            self._due = self._due.half_as_often()

    def write(self, painting: Image.Image) -> None:
        """Write the film, its last frame the painting.

        Raises:
            StyleTransferError: The file cannot be written.
        """
        frames = [self._fitted(frame) for frame in (*self._frames, painting)]
        with replacing(self.path) as temporary:
            if self.path.suffix.lower() == ".mp4":
                _write_mp4(temporary, frames, self._fps)
            else:
                _write_webp(temporary, frames, self._fps)

    def _fitted(self, frame: Image.Image) -> Image.Image:
        return frame.convert("RGB").resize(self._size, Image.Resampling.LANCZOS)


def _require_av(path: Path) -> None:
    try:
        import av  # noqa: F401 - whether it is there shows before the run, not after it
    except ImportError as error:
        raise UsageError(f"{path} needs PyAV, which is not installed: pip install av, or name a .webp file") from error


def _write_webp(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    durations = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * HELD_SECONDS)]
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=90)


def _write_mp4(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    """H.264 in yuv420p, which browsers and phones play; it halves the colours, so an odd row or column is cut off."""
    import av
    from av.video.reformatter import Colorspace

    width, height = (side // 2 * 2 for side in frames[0].size)
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"crf": "16"}
            stream.codec_context.colorspace = Colorspace.ITU709
            for image in (*frames, *repeat(frames[-1], round(fps * HELD_SECONDS) - 1)):
                whole = av.VideoFrame.from_image(image.crop((0, 0, width, height)))
                frame = whole.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise StyleTransferError(f"cannot write {path}: {error.strerror}; name a .webp file instead") from error
