"""The intermediate images of `--save-every`: their names, and when they are written."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from core.cli.interval import EvaluationInterval
from core.cli.saving import check_replaceable
from core.config.transfer_config import TransferConfig
from core.files import check_distinct, check_writable, is_folder
from core.image.writing import write_image
from core.runs.progress import Progress
from core.runs.record import record_for_embedding

_NUMBERED = re.compile(r".*-(\d{4,18})", re.ASCII | re.DOTALL)


def snapshot_path(output: Path, evaluations: int) -> Path:
    """Return the path of an intermediate image, NAME-0050.png beside NAME.png."""
    return output.with_stem(f"{output.stem}-{evaluations:04d}")


def check_snapshots(output: Path, config: TransferConfig, files: Sequence[object]) -> None:
    """Check that the intermediate images can be written, and that none will replace another image or file of the run.

    Args:
        output: The output of the run.
        config: Decides whether there are such images, and how many evaluations they may count.
        files: The files that the run reads or writes; elements that are not paths are ignored.

    Raises:
        UsageError: The longest name cannot be written, a file of the run has the name of an intermediate image or is a
            link to a file that has, or an image of another program has such a name.
    """
    if not config.save_every:
        return
    check_writable(snapshot_path(output, config.iterations))
    names = {Path(file).name for file in files if isinstance(file, str | PathLike)}
    if is_folder(output.parent):
        names |= {path.name for path in output.parent.iterdir()}
    snapshots = [output.with_name(name) for name in sorted(names) if _is_snapshot(name, output, config.iterations)]
    check_distinct(snapshots, files)
    for path in snapshots:
        check_replaceable(path, "--output")


class SnapshotWriter:
    """Callback that writes the current image every `--save-every` evaluations, with the options of the run."""

    def __init__(self, output: Path, config: TransferConfig) -> None:
        self._output, self._config = output, config
        self._due = EvaluationInterval(config.save_every) if config.save_every else None

    def __call__(self, step: Progress) -> None:
        """Write the image if it is due.

        Raises:
            StyleTransferError: The file cannot be written.
        """
        if self._due is None or not self._due(step):
            return
        write_image(
            snapshot_path(self._output, step.evaluations),
            step.colors,
            alpha=step.alpha,
            bit_depth=self._config.bit_depth,
            quality=self._config.quality,
            record=record_for_embedding({"config": self._config.to_dict()}),  # by which the next run recognises it
        )


def _is_snapshot(name: str, output: Path, iterations: int) -> bool:
    found = _NUMBERED.fullmatch(Path(name).stem)
    return found is not None and int(found[1]) <= iterations and snapshot_path(output, int(found[1])).name == name
