"""The names of the intermediate images of `--save-every`."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from core.config.transfer_config import TransferConfig
from core.files import check_distinct, check_writable, is_folder

_NUMBERED = re.compile(r".*-(\d{4,18})", re.ASCII | re.DOTALL)


def snapshot_path(output: Path, evaluations: int) -> Path:
    """Return the path of an intermediate image, NAME-0050.png beside NAME.png."""
    return output.with_stem(f"{output.stem}-{evaluations:04d}")


def check_snapshots(output: Path, config: TransferConfig, files: Sequence[object]) -> None:
    """Check that the intermediate images can be written, and that none will replace a file of the run.

    Args:
        output: The output of the run.
        config: Decides whether there are such images, and how many evaluations they may count.
        files: The files that the run reads or writes; elements that are not paths are ignored.

    Raises:
        UsageError: The longest name cannot be written, or a file has the name of an intermediate image or is a link to
            a file that has.
    """
    if not config.save_every:
        return
    check_writable(snapshot_path(output, config.iterations))
    names = {Path(file).name for file in files if isinstance(file, str | PathLike)}
    if is_folder(output.parent):
        names |= {path.name for path in output.parent.iterdir()}
    check_distinct([output.with_name(name) for name in names if _is_snapshot(name, output, config.iterations)], files)


def _is_snapshot(name: str, output: Path, iterations: int) -> bool:
    found = _NUMBERED.fullmatch(Path(name).stem)
    return found is not None and int(found[1]) <= iterations and snapshot_path(output, int(found[1])).name == name
