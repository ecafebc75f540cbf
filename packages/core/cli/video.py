"""Video of a run, one frame per step: an animated WebP written by Pillow, or an MP4 written by PyAV."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat
from os import PathLike
from pathlib import Path

from PIL import Image

from core.arrays import Size
from core.cli.interval import EvaluationInterval
from core.errors import StyleTransferError, UsageError
from core.files import check_writable, replacing
from core.runs.progress import Progress

DEFAULT_FPS = 12.0
MAX_FRAMES = 150
"""Largest number of frames unless the interval is given: frames stay in memory until the end of the run."""
MAX_SIDE = 1920
"""Largest width and height of a frame, in pixels."""
LAST_FRAME_SECONDS = 1.0
"""How long the video shows its last frame."""


class Video:
    """Collects frames during a run and writes them at its end, with the output image as the last frame.

    Args:
        path: The video file, .webp or .mp4.
        size: Width and height of the output image in pixels. Frames have this size, or fit into a square of `MAX_SIDE`.
        fps: Frames per second, from 1 to 60.
        every: Evaluations from one frame to the next. With 0 every step gives a frame; of more than `MAX_FRAMES`
            every other frame is dropped, as often as needed.
        inputs: Paths that the video must not overwrite.

    Raises:
        UsageError: The file name ends in neither .webp nor .mp4, PyAV is not installed but needed, the file cannot be
            written, or `fps` is out of range.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        size: Size,
        *,
        fps: float = DEFAULT_FPS,
        every: int = 0,
        inputs: Sequence[object] = (),
    ) -> None:
        self.path, self._fps = check_writable(path, inputs=inputs), fps
        if self.path.suffix.lower() not in (".webp", ".mp4"):
            raise UsageError(f"--video is {path}: expected a file name that ends in .webp or .mp4")
        if self.path.suffix.lower() == ".mp4":
            _require_av(self.path)
        if not (math.isfinite(fps) and 1 <= fps <= 60):
            raise UsageError(f"--video-fps is {fps:g}: expected a number from 1 to 60")
        factor = min(1.0, MAX_SIDE / max(size))
        self._size = (round(size[0] * factor), round(size[1] * factor))
        self._frames: list[Image.Image] = []
        self._limited, self._due = not every, EvaluationInterval(every or 1)

    def add(self, progress: Progress) -> None:
        """Add the current image as a frame if the interval has ended."""
        if not self._due(progress):
            return
        self._frames.append(progress.image)
        if self._limited and len(self._frames) > MAX_FRAMES:
            self._frames = self._frames[::2]
            self._due = self._due.doubled()

    def write(self, output: Image.Image) -> None:
        """Write the video file with `output` as its last frame.

        Raises:
            StyleTransferError: The file cannot be written.
        """
        frames = [self._resized(frame) for frame in (*self._frames, output)]
        with replacing(self.path) as temporary:
            if self.path.suffix.lower() == ".mp4":
                _write_mp4(temporary, frames, self._fps)
            else:
                _write_webp(temporary, frames, self._fps)

    def _resized(self, frame: Image.Image) -> Image.Image:
        return frame.convert("RGB").resize(self._size, Image.Resampling.LANCZOS)


def _require_av(path: Path) -> None:
    try:
        import av  # noqa: F401 - a missing package is reported before the run, not after it
    except ImportError as error:
        raise UsageError(f"{path} needs PyAV, which is not installed: pip install av, or name a .webp file") from error


def _write_webp(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    durations = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * LAST_FRAME_SECONDS)]
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=90)


def _write_mp4(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    """Write H.264 in yuv420p, which browsers and phones play; an odd last row or column is cropped for it."""
    import av
    from av.video.reformatter import Colorspace

    width, height = (side // 2 * 2 for side in frames[0].size)
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"crf": "16"}
            stream.codec_context.colorspace = Colorspace.ITU709
            for image in (*frames, *repeat(frames[-1], round(fps * LAST_FRAME_SECONDS) - 1)):
                rgb = av.VideoFrame.from_image(image.crop((0, 0, width, height)))
                frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise StyleTransferError(f"cannot write {path}: {error.strerror}; name a .webp file instead") from error
