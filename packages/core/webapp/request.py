"""A visitor's transfer request: input images, options, its job in the queue, and the files of its result."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import PIL.Image

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.image.resize import fit_size
from core.runs.progress import Callback, Result, RunFailedError
from core.runs.record import without_folders
from core.style_transfer import stylize
from core.styles import Style
from core.webapp.command_line import StyleFile, command_line
from core.webapp.job_queue import Job, JobQueue
from core.webapp.limits import page_limits
from core.webapp.uploads import DISPLAY_SIDE, SessionDir, UploadedImage, last_bytes

MAX_STEM_BYTES = 200
"""Limit on the name of a result in UTF-8, without its suffix; file systems allow 255 bytes for a name."""

_FOLDERS = re.compile(r"(?<![\w./:])/(?:[^/\s'\":;,()]+/)+")
"""The folders of an absolute path within a sentence."""


@dataclass(frozen=True, eq=False)
class StyleChoice:
    """A style image, its weight relative to the other styles, its region mask, and its style mask."""

    image: UploadedImage
    weight: float
    mask: UploadedImage | None
    style_mask: UploadedImage | None = None

    @property
    def masks(self) -> tuple[UploadedImage, ...]:
        """The masks that the style has."""
        return tuple(mask for mask in (self.mask, self.style_mask) if mask)


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
        stem = "-".join([self.content.path.stem, *(style.image.path.stem for style in self.styles)])
        return last_bytes(stem, MAX_STEM_BYTES).lstrip(".-")

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
            StyleFile(
                style.image.name,
                style.weight,
                style.mask.name if style.mask else None,
                style.style_mask.name if style.style_mask else None,
            )
            for style in self.styles
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
    masks = [mask for style in styles for mask in style.masks]
    names = _names_by_path([content, *(style.image for style in styles), *masks])
    sources = [
        Style(
            (style.image.path,),
            style.weight,
            style.mask.path if style.mask else None,
            mask=style.style_mask.path if style.style_mask else None,
        )
        for style in styles
    ]

    config = config.with_options(max_memory=page_limits().memory)

    def task(callback: Callback, _session: SessionDir = session) -> Result:  # the reference preserves the image files
        def with_names(result: Result) -> Result:
            return replace(result, record=without_folders(_replace_paths(result.record, names)))

        try:
            return with_names(stylize(content.path, sources, config, callback=callback))
        except RunFailedError as error:
            error.result = with_names(error.result)
            error.args = (_FOLDERS.sub("", str(error)),)
            raise
        except StyleTransferError as error:
            raise StyleTransferError(_FOLDERS.sub("", str(error))) from error

    return TransferRequest(queue.submit(task), content, tuple(styles), config)


def _check_output_size(content: UploadedImage, config: TransferConfig) -> None:
    width, height = fit_size(content.size, config.image_size, config.image_size_side)
    limit = page_limits().image_size
    if width * height > limit**2:
        raise UsageError(
            f"the output would have {width}x{height} px, more than this page's limit of {limit}x{limit} px: choose a "
            "smaller image size"
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
