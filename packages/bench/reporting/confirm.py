"""Confirmation of regressions: run the regressed benchmarks again on both sides, and compare again."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.reporting.compare import By, Comparison, compare
from bench.results import load_benchmarks
from core.errors import StyleTransferError, UsageError


def confirm_regressions(
    names: Sequence[str], base_command: str, new_command: str, *, fail_above: float, by: By
) -> Comparison:
    """Run the benchmarks `names` again in the base and in the new version, and return the comparison.

    Args:
        names: Test names of pytest.
        base_command: Command that runs the benchmarks of the base, such as "python -m bench run --quick", without
            `--output`. It may belong to another version of the project, with other files and options: the
            benchmarks are selected by name through pytest's own variable PYTEST_ADDOPTS.
        new_command: Command that runs the benchmarks of the new version.
        fail_above: See `compare`.
        by: See `compare`.

    Raises:
        UsageError: A command cannot be started.
        StyleTransferError: A command failed.
    """
    with TemporaryDirectory() as folder:
        base, new = Path(folder, "base.json"), Path(folder, "new.json")
        _run_selected(base_command, names, base)
        _run_selected(new_command, names, new)
        comparison = compare(load_benchmarks(base), load_benchmarks(new), fail_above=fail_above, by=by)
        return replace(comparison, title=f"second run of the regressed benchmarks, by {by}")


def _run_selected(command: str, names: Sequence[str], output: Path) -> None:
    selection = f"-k {shlex.quote(' or '.join(names))}"
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} {selection}".strip()
    try:
        process = subprocess.run(
            [*shlex.split(command), "--output", str(output)],
            env=os.environ | {"PYTEST_ADDOPTS": options},
            check=False,
        )
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"cannot run the confirmation command {command!r}: {error}") from error
    if process.returncode:
        raise StyleTransferError(f"the confirmation command {command!r} exited with status {process.returncode}")
