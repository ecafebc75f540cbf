"""The workload of each suite."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.suites.cases import Case, Workload
from bench.suites.extractor import extractor_workload
from bench.suites.objective import objective_workload
from bench.suites.optimizer import optimizer_workload
from bench.suites.transfer import transfer_workload

WORKLOADS: Mapping[str, Callable[[Case, Path], Workload]] = {
    "extractor": extractor_workload,
    "objective": objective_workload,
    "growth": objective_workload,
    "optimizer": optimizer_workload,
    "transfer": transfer_workload,
}


def prepare(case: Case, artifacts: Path) -> Workload:
    """Prepare the workload of a case; exported artifacts are written to the folder `artifacts` and reused from there.

    Raises:
        Unavailable: This machine cannot run it.
    """
    return WORKLOADS[case.suite](case, artifacts)
