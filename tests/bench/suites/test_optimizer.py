"""The optimiser workload."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.suites.cases import Case, Unavailable
from bench.suites.optimizer import OPTIMIZERS
from bench.suites.workloads import prepare
from core.errors import StyleTransferError


@pytest.mark.parametrize("backend", OPTIMIZERS)
def test_optimizer_workload_lowers_the_loss_in_every_call(backend: str, tmp_path: Path) -> None:
    workload = prepare(Case("optimizer", backend, "cpu", 32, 32), tmp_path)
    losses = []
    for _ in range(3):
        step = workload.call()
        workload.check(step)
        losses.append(step.loss)
    assert losses[2] < losses[0]
    with pytest.raises(StyleTransferError, match="failed the correctness check"):
        workload.check(SimpleNamespace(loss=float("nan")))


def test_optimizer_workload_of_numpy_is_unavailable_on_cuda(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="NumPy computes on the CPU only"):
        prepare(Case("optimizer", "lbfgs-numpy", "cuda", 32, 32), tmp_path)
