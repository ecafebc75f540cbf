"""What one visitor asked for: the pictures, the options, its place in the queue, and the way to say it again."""

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
from core.runs.progress import Callback, Result
from core.style_transfer import stylize
from core.styles import Style
from core.webapp.command_line import StyleFile, command_line
from core.webapp.job_queue import Job, JobQueue
from core.webapp.options_form import LARGEST_SIDE
from core.webapp.uploads import SHOWN_SIDE, SessionDir, UploadedImage


@dataclass(frozen=True, eq=False)
class StyleChoice:
    """A style, its weight among the others, and the mask of the region it is meant for."""

    picture: UploadedImage
    weight: float
    region: UploadedImage | None


@dataclass(frozen=True, eq=False)
class Painting:
    """A job with what it was made from."""

    job: Job
    content: UploadedImage
    styles: tuple[StyleChoice, ...]
    config: TransferConfig

    @property
    def stem(self) -> str:
        """The name of the painting's files, without ending."""
        return "-".join([self.content.path.stem, *(style.picture.path.stem for style in self.styles)])

    @cached_property
    def shown(self) -> tuple[PIL.Image.Image, PIL.Image.Image]:
        """The photograph and the finished painting, of one size that suits a page."""
        assert self.job.result is not None, "only a finished painting is shown"
        after = self.job.result.image.copy()
        after.thumbnail((SHOWN_SIDE, SHOWN_SIDE), PIL.Image.Resampling.LANCZOS)
        return self.content.shown.resize(after.size, PIL.Image.Resampling.LANCZOS), after

    def command(self, ending: str) -> str:
        """The command line that paints the same picture."""
        styles = [
            StyleFile(style.picture.name, style.weight, style.region.name if style.region else None)
            for style in self.styles
        ]
        return command_line(self.content.name, styles, self.config, f"{self.stem}.{ending}")

    def file(self, ending: str) -> bytes:
        """The finished painting as a file of that format, its record inside."""
        assert self.job.result is not None, "only a finished painting can be saved"
        with TemporaryDirectory() as folder:
            path = Path(folder, f"{self.stem}.{ending}")
            self.job.result.save(path)
            return path.read_bytes()


def plan_painting(
    queue: JobQueue, folder: SessionDir, content: UploadedImage, styles: Sequence[StyleChoice], config: TransferConfig
) -> Painting:
    """Check what can be checked before, and put the painting into the queue.

    Raises:
        UsageError: It cannot be painted.
        StyleTransferError: The queue is full.
    """
    width, height = fit_size(content.size, config.image_size, config.image_size_side)
    if width * height > LARGEST_SIDE**2:
        raise UsageError(
            f"the painting would have {width}x{height} px, and this page paints up to {LARGEST_SIDE}x{LARGEST_SIDE}: "
            "choose a smaller size"
        )
    regions = [style.region for style in styles if style.region]
    pictures = [content, *(style.picture for style in styles), *regions]
    names = {picture.path: picture.name for picture in pictures}
    if len(set(names.values())) < len(names):
        raise UsageError("two of the pictures have the same name: rename one, so that the record can tell them apart")
    given = [
        Style((style.picture.path,), style.weight, style.region.path if style.region else None) for style in styles
    ]

    def work(callback: Callback, held: SessionDir = folder) -> Result:  # the files stay while it is held
        result = stylize(content.path, given, config, callback=callback)
        told = {str(path.resolve()): name for path, name in names.items()}
        return replace(result, record=_with_names(result.record, told))

    return Painting(queue.submit(work), content, tuple(styles), config)


def _with_names(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The record with every path of this machine as the name that the visitor knows, wherever it stands."""

    def named(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [named(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    return {key: named(value) for key, value in record.items()}
