"""A visitor's transfer request: input images, options, its job in the queue, and the files of its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import PIL.Image

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.resize import fit_size
from core.runs.progress import Callback, Result, RunFailedError
from core.style_transfer import stylize
from core.styles import Style
from core.webapp.command_line import StyleFile, command_line
from core.webapp.job_queue import Job, JobQueue
from core.webapp.uploads import DISPLAY_SIDE, SessionDir, UploadedImage

MAX_OUTPUT_SIDE = 4096
"""Limit on the output: `MAX_OUTPUT_SIDE` squared pixels."""


@dataclass(frozen=True, eq=False)
class StyleChoice:
    """A style image, its weight relative to the other styles, and its region mask."""

    image: UploadedImage
    weight: float
    mask: UploadedImage | None


@dataclass(frozen=True, eq=False)
class TransferRequest:
    """A job together with its input images and options."""

    job: Job
    content: UploadedImage
    styles: tuple[StyleChoice, ...]
    config: TransferConfig

    @property
    def stem(self) -> str:
        """Name of the output files without suffix."""
        return "-".join([self.content.path.stem, *(style.image.path.stem for style in self.styles)])

    @cached_property
    def comparison(self) -> tuple[PIL.Image.Image, PIL.Image.Image]:
        """The content image and the result at the same display size."""
        assert self.job.result is not None, "only finished jobs have a result"
        after = self.job.result.image.copy()
        after.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE), PIL.Image.Resampling.LANCZOS)
        return self.content.display_image.resize(after.size, PIL.Image.Resampling.LANCZOS), after

    def command(self, suffix: str) -> str:
        """Return the command line that computes the same result."""
        styles = [
            StyleFile(style.image.name, style.weight, style.mask.name if style.mask else None) for style in self.styles
        ]
        return command_line(self.content.name, styles, self.config, f"{self.stem}.{suffix}")

    def result_file(self, suffix: str) -> bytes:
        """Return the result, with its run record, as an image file of the format that the suffix names."""
        assert self.job.result is not None, "only finished jobs have a result"
        with TemporaryDirectory() as folder:
            path = Path(folder, f"{self.stem}.{suffix}")
            self.job.result.save(path)
            return path.read_bytes()


def submit_request(
    queue: JobQueue, session: SessionDir, content: UploadedImage, styles: Sequence[StyleChoice], config: TransferConfig
) -> TransferRequest:
    """Check the output size and the file names, then submit the transfer to the queue.

    Raises:
        UsageError: The output would be too large, or two images have the same name.
        StyleTransferError: The queue is full.
    """
    _check_output_size(content, config)
    masks = [style.mask for style in styles if style.mask]
    names = _names_by_path([content, *(style.image for style in styles), *masks])
    sources = [Style((style.image.path,), style.weight, style.mask.path if style.mask else None) for style in styles]

    def task(callback: Callback, _session: SessionDir = session) -> Result:  # the reference preserves the image files
        def with_names(result: Result) -> Result:
            return replace(result, record=_replace_paths(result.record, names))

        try:
            return with_names(stylize(content.path, sources, config, callback=callback))
        except RunFailedError as error:
            error.result = with_names(error.result)
            raise

    return TransferRequest(queue.submit(task), content, tuple(styles), config)


def _check_output_size(content: UploadedImage, config: TransferConfig) -> None:
    width, height = fit_size(content.size, config.image_size, config.image_size_side)
    if width * height > MAX_OUTPUT_SIDE**2:
        raise UsageError(
            f"the output would have {width}x{height} px, more than this page's limit of "
            f"{MAX_OUTPUT_SIDE}x{MAX_OUTPUT_SIDE} px: choose a smaller image size"
        )


def _names_by_path(images: Sequence[UploadedImage]) -> dict[str, str]:
    names = {str(image.path.resolve()): image.name for image in images}
    if len(set(names.values())) < len(names):
        raise UsageError("two images have the same file name, so the run record would be ambiguous: rename one")
    return names


def _replace_paths(value: Any, names: Mapping[str, str]) -> Any:
    """Return a run record in which the visitor's file names replace the paths on this machine."""
    if isinstance(value, Mapping):
        return {key: _replace_paths(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_paths(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
