"""Run of the benchmark suites by pytest."""

import os
import subprocess
import sys
from pathlib import Path

from bench.machine import available_devices
from core.errors import StyleTransferError, UsageError

PACKAGE = Path(__file__).parent
SUITES = {path.stem.removeprefix("test_"): path for path in sorted((PACKAGE / "suites").glob("test_*.py"))}
"""Files of the suites by name."""

FORMER_SUITE_NAMES = {"optimiser": "optimizer"}

MARKERS = {"quick": "small and not long", "usual": "not large and not long", "full": ""}
"""Marker expressions by length of the run."""

NO_TESTS_COLLECTED = 5
"""Exit status of pytest."""


def run_suites(output: Path, *, length: str, device: str, suite: str | None) -> None:
    """Run the suites, and write the results to `output` as JSON.

    Args:
        output: File to write.
        length: Key of `MARKERS`.
        device: "all", "cpu" or "cuda".
        suite: Key of `SUITES`; None runs all suites.

    Raises:
        UsageError: There is no such suite, or it has no benchmark of that length on that device.
        StyleTransferError: The machine lacks the device, or a benchmark failed; nothing is written then.
    """
    suite = FORMER_SUITE_NAMES.get(suite, suite) if suite else None
    if suite is not None and suite not in SUITES:
        raise UsageError(f"there is no suite {suite!r}: expected one of {', '.join(SUITES)}")
    if device not in ("all", *available_devices()):
        raise StyleTransferError(f"PyTorch finds no {device} device on this machine: use --device cpu")
    files = SUITES.values() if suite is None else [SUITES[suite]]
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    command += ["-c", str(PACKAGE / "pytest.ini"), f"--rootdir={PACKAGE}"]
    command += [f"--benchmark-json={output}", f"--device={device}", "-m", MARKERS[length]]
    command += ["--benchmark-columns=median,min,max,rounds", "--benchmark-sort=name", "--benchmark-group-by=func"]
    command += map(str, files)
    # With the variables of pytest-xdist set, pytest-benchmark would assume a worker and disable itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    status = subprocess.run(command, env=environment, check=False).returncode
    if status == NO_TESTS_COLLECTED:
        raise UsageError("no benchmark matches --suite, --device and the length of the run: choose others")
    if status or not output.stat().st_size:
        raise StyleTransferError("a benchmark failed (see above); no results were written")
