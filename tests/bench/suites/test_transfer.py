"""The workload of whole runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.suites.cases import Case
from bench.suites.workloads import prepare
from core.errors import StyleTransferError


@pytest.mark.usefixtures("tiny_vgg")
def test_transfer_workload_checks_that_the_loss_decreases(tmp_path: Path) -> None:
    workload = prepare(Case("transfer", "3", "cpu", 48, 48), tmp_path)
    result = workload.call()
    workload.check(result)
    assert workload.evaluations == result.losses[-1]["evaluations"] == 3
    unchanged = SimpleNamespace(losses=result.losses, record={"delivered": {"loss": result.losses[0]["loss"]}})
    with pytest.raises(StyleTransferError, match="does not reduce the loss"):
        workload.check(unchanged)
