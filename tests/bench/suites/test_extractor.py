"""The extractor workload."""

from pathlib import Path
from typing import Any

import pytest
import torch

from bench.suites.cases import Case, Unavailable
from bench.suites.extractor import EXTRACTORS
from bench.suites.workloads import prepare
from core.errors import StyleTransferError

pytestmark = pytest.mark.usefixtures("tiny_reference")


@pytest.mark.parametrize("backend", ["eager", "channels_last", "torchscript"])
def test_extractor_workload_passes_its_check_and_wrong_features_do_not(backend: str, tmp_path: Path) -> None:
    workload = prepare(Case("extractor", backend, "cpu", 48, 32), tmp_path)
    features = workload.call()
    workload.check(features)
    broken = dict(features)
    broken["relu3_1"] = broken["relu3_1"] * 1.01
    with pytest.raises(StyleTransferError, match=rf"^{backend} failed the correctness check \(relu3_1 .* 1\.0e-02"):
        workload.check(broken)


def test_extractor_workload_without_instructions_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.suites.extractor.supported_precisions", lambda device: ("fp32",))
    assert "bf16" in EXTRACTORS
    with pytest.raises(Unavailable, match="no instructions for bf16"):
        prepare(Case("extractor", "bf16", "cpu", 32, 32), tmp_path)


def test_extractor_workload_without_a_compiler_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_without_compiler(*_: Any, **__: Any) -> Any:
        from torch._inductor.exc import InvalidCxxCompiler

        def call(image: torch.Tensor) -> Any:
            raise RuntimeError("backend='inductor' raised") from InvalidCxxCompiler()

        return call

    monkeypatch.setattr(torch, "compile", compile_without_compiler)
    with pytest.raises(Unavailable, match=r"no C\+\+ compiler"):
        prepare(Case("extractor", "compiled", "cpu", 32, 32), tmp_path)
