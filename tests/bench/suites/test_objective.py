"""The objective workload."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.suites.cases import Case, Unavailable
from bench.suites.workloads import prepare
from core.errors import StyleTransferError

pytestmark = pytest.mark.usefixtures("tiny_reference")


@pytest.mark.parametrize("backend", ["eager", "fused", "torchscript"])
def test_objective_workload_passes_its_check_and_wrong_values_do_not(backend: str, tmp_path: Path) -> None:
    workload = prepare(Case("objective", backend, "cpu", 48, 32), tmp_path)
    evaluation = workload.call()
    workload.check(evaluation)
    for broken in (
        replace(evaluation, loss=evaluation.loss * 1.01),
        replace(evaluation, gradient=evaluation.gradient * 0),
        replace(evaluation, loss=float("nan")),
    ):
        with pytest.raises(StyleTransferError, match=f"^{backend} failed the correctness check"):
            workload.check(broken)


def test_objective_workload_without_instructions_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.suites.objective.supported_precisions", lambda device: ("fp32",))
    with pytest.raises(Unavailable, match="no instructions for bf16"):
        prepare(Case("objective", "fused_bf16", "cpu", 32, 32), tmp_path)
