"""Peak memory, of a workload or of a whole command, always of a fresh process: `python -m bench.memory CASE FOLDER`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.suites.cases import Case
from core.errors import StyleTransferError


@dataclass(frozen=True)
class Finished:
    """A process that has ended: its wall time and the largest resident set it ever had."""

    seconds: float
    peak_memory_bytes: int


def run_process(arguments: Sequence[str]) -> Finished:
    """Run this Python with `arguments` to its end.

    Raises:
        StyleTransferError: It failed; the sentence ends with the last line it wrote.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "bench.launch", *arguments], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise StyleTransferError(f"python {' '.join(arguments)} ended with {ran.returncode}: {last}")
    return Finished(**json.loads(ran.stdout))


def peak_memory(case: Case, artifacts: Path) -> int:
    """The largest resident set of a fresh process that does the workload once, in bytes."""
    return run_process(["-m", "bench.memory", json.dumps(asdict(case)), str(artifacts)]).peak_memory_bytes


def main(case: str, artifacts: str) -> None:
    """Do one workload once, unchecked: the reference would be the peak."""
    from bench.suites.workloads import prepare

    prepare(Case(**json.loads(case)), Path(artifacts)).call()


if __name__ == "__main__":
    main(*sys.argv[1:])
