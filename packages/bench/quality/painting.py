"""The pictures of the toolkit: each one is made in a fresh process, which gives its peak memory, and made only once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.quality.grid import Pair
from bench.quality.programs import Configuration
from bench.suites.peak_memory import ProcessUsage, run_process
from core import schema
from core.errors import UsageError
from core.files import check_writable, replacing
from core.image.embedded_record import read_record
from core.image.reading import read_image
from core.runs.record import RunRecord, describe_files, describe_inputs, differences
from core.styles import Style, read_style

Transfer = Callable[[list[str]], ProcessUsage]
"""Runs `core.transfer` with these options and returns what the process used."""


@dataclass(frozen=True)
class Job:
    """A picture of the toolkit, which may exist already."""

    pair: Pair
    configuration: Configuration
    picture: Path

    def is_finished(self) -> bool:
        """Return whether the picture exists; a run that was interrupted leaves an unfinished one.

        Raises:
            UsageError: There is a picture, but it was made from other images or with other options.
        """
        if not self.picture.exists():
            check_writable(self.picture)
            return False
        record = self._read_record()
        if changed := differences(self.configuration.config, self._inputs(), record):
            what = ", ".join(changed)
            raise UsageError(f"{self.picture} differs from this run in {what}: choose another folder, or delete it")
        return not record["stopped"]

    def paint(self, transfer: Transfer) -> None:
        """Make the picture, and write what the process used into a file beside it.

        Raises:
            StyleTransferError: The process failed.
        """
        images = [f"--content={self.pair.content}", f"--style={self.pair.style}", f"--output={self.picture}"]
        usage = transfer([*images, *self.configuration.options, "--quiet"])
        with replacing(self._usage_file) as temporary:
            temporary.write_bytes(msgspec.json.encode(usage) + b"\n")

    def seconds(self) -> float:
        """Return the duration of the run in seconds, without the start of the process, from the record."""
        return float(self._read_record()["seconds"])

    def peak_memory_bytes(self) -> int | None:
        """Return the peak memory of the process; None if the file beside the picture is missing or damaged."""
        usage = _read_usage(self._usage_file)
        return None if usage is None else usage.peak_memory_bytes

    def _read_record(self) -> dict[str, Any]:
        text = read_record(self.picture) or "{}"
        try:
            record: dict[str, Any] = schema.parse_json(text)
            RunRecord.of(record)
            schema.check(record.get("seconds"), schema.NonNegative)
        except ValueError:
            record = {}
        if not {"config", "content", "styles", "stopped", "seconds"} <= record.keys():
            raise UsageError(f"{self.picture} is no picture of this program: choose another folder, or delete it")
        return record

    @property
    def _usage_file(self) -> Path:
        return self.picture.with_suffix(".json")

    def _inputs(self) -> dict[str, Any]:
        style = Style((self.pair.style,))
        content = read_image(self.pair.content, name="content").pixels
        inputs = describe_inputs(self.pair.content, content, [style], [read_style(style)])
        return inputs | describe_files(self.configuration.config)


def wrote(path: Path) -> bool:
    """Return whether a file is one that `Job.paint` writes: a picture of this program, or the file beside it."""
    try:
        return _read_usage(path) is not None or read_record(path) is not None
    except UsageError:
        return False


def run_transfer(options: list[str]) -> ProcessUsage:
    """Run `python -m core.transfer` with these options in a fresh process."""
    return run_process(["-m", "core.transfer", *options])


def paint_missing(jobs: Sequence[Job], transfer: Transfer, on_progress: Callable[[str], None]) -> None:
    """Make the pictures that are not finished. All existing pictures are checked first.

    Raises:
        UsageError: A picture was made from other images or with other options.
        StyleTransferError: A process failed; finished pictures remain.
    """
    missing = [job for job in jobs if not job.is_finished()]
    for number, job in enumerate(missing, 1):
        on_progress(f"{number} of {len(missing)}: {job.picture}")
        job.paint(transfer)


def _read_usage(path: Path) -> ProcessUsage | None:
    """Return what the file beside a picture contains; None if it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProcessUsage)
    except (OSError, msgspec.MsgspecError):
        return None
