"""Peak memory of a command or a workload, in a fresh process: `python -m bench.suites.peak_memory CASE FOLDER`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.suites.cases import Case
from core.errors import StyleTransferError


@dataclass(frozen=True)
class ProcessUsage:
    """Wall time and largest resident set of a finished process."""

    seconds: float
    peak_memory_bytes: int


def run_process(arguments: Sequence[str]) -> ProcessUsage:
    """Run this Python with `arguments` and return its wall time and peak memory.

    Raises:
        StyleTransferError: The process failed; the message ends with the last line of its stderr.
    """
    process = subprocess.run(
        [sys.executable, "-m", "bench.launch", *arguments], capture_output=True, text=True, check=False
    )
    if process.returncode:
        last_line = (process.stderr.strip().splitlines() or ["no error message"])[-1]
        raise StyleTransferError(f"python {' '.join(arguments)} exited with status {process.returncode}: {last_line}")
    return ProcessUsage(**json.loads(process.stdout))


def peak_memory(case: Case, artifacts: Path) -> int:
    """Return the largest resident set, in bytes, of a fresh process that runs the workload of `case` once."""
    return run_process(["-m", "bench.suites.peak_memory", json.dumps(asdict(case)), str(artifacts)]).peak_memory_bytes


def main(case: str, artifacts: str) -> None:
    """Run one workload once. Its output is not checked, because the reference would raise the peak."""
    from bench.suites.workloads import prepare

    prepare(Case(**json.loads(case)), Path(artifacts)).call()


if __name__ == "__main__":
    main(*sys.argv[1:])
