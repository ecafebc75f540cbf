"""Workloads are checked before they are timed, by a check that fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.suites import reference
from bench.suites.cases import Case, Unavailable
from bench.suites.workloads import EXTRACTORS, OPTIMISERS, prepare
from core.errors import StyleTransferError
from core.optim.types import Evaluation


@pytest.mark.parametrize("backend", ["eager", "channels_last", "torchscript"])
def test_an_extractor_is_proven_before_it_is_timed(backend: str, tmp_path: Path) -> None:
    work = prepare(Case("extractor", backend, "cpu", 48, 32), tmp_path)
    features = work.call()
    work.check(features)
    broken = {tap: values.clone() for tap, values in features.items()}
    broken["relu3_1"] *= 1.01
    with pytest.raises(StyleTransferError, match=rf"{backend} is wrong.*relu3_1 differs by 1.0e-02"):
        work.check(broken)
    del broken["relu3_1"]
    with pytest.raises(StyleTransferError, match="expected"):
        work.check(broken)


def test_an_objective_is_proven_before_it_is_timed(tmp_path: Path) -> None:
    work = prepare(Case("objective", "eager", "cpu", 48, 32), tmp_path)
    there = work.call()
    work.check(there)
    for broken in (
        Evaluation(there.loss * 1.01, there.gradient, {}),
        Evaluation(there.loss, there.gradient * 0, {}),
        Evaluation(float("nan"), there.gradient, {}),
    ):
        with pytest.raises(StyleTransferError, match="its speed means nothing"):
            work.check(broken)


def test_the_reference_at_large_sizes_is_the_one_that_is_exact_at_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = reference._evaluation("cpu", 64, 48)
    monkeypatch.setattr(reference, "EXACT_PIXELS", 0)
    single = reference._evaluation.__wrapped__("cpu", 64, 48)
    assert single["loss"] == pytest.approx(exact["loss"], rel=1e-5)
    assert torch.allclose(torch.tensor(single["gradient"]), torch.tensor(exact["gradient"]), rtol=0, atol=1e-2)


@pytest.mark.parametrize("backend", OPTIMISERS)
def test_a_step_is_one_that_lowers_the_loss(backend: str, tmp_path: Path) -> None:
    work = prepare(Case("optimiser", backend, "cpu", 32, 32), tmp_path)
    losses = []
    for _ in range(3):
        step = work.call()
        work.check(step)
        losses.append(step.loss)
    assert losses[2] < losses[0]
    with pytest.raises(StyleTransferError, match="does not lower the loss"):
        work.check(SimpleNamespace(loss=float("nan")))


def test_a_painting_is_better_than_its_start(tmp_path: Path) -> None:
    work = prepare(Case("transfer", "3", "cpu", 48, 48), tmp_path)
    result = work.call()
    work.check(result)
    assert work.evaluations == len(result.losses) == 3
    unchanged = SimpleNamespace(losses=result.losses, record={"delivered": {"loss": result.losses[0]["loss"]}})
    with pytest.raises(StyleTransferError, match="no better than its start"):
        work.check(unchanged)


def test_what_a_processor_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.suites.workloads.precisions_of", lambda device: ("fp32",))
    assert "bf16" in EXTRACTORS
    with pytest.raises(Unavailable, match="no instructions for bf16"):
        prepare(Case("extractor", "bf16", "cpu", 32, 32), tmp_path)


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(*_: Any, **__: Any) -> Any:
        from torch._inductor.exc import InvalidCxxCompiler

        def call(image: torch.Tensor) -> Any:
            raise RuntimeError("backend='inductor' raised") from InvalidCxxCompiler()

        return call

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(Unavailable, match=r"no C\+\+ compiler"):
        prepare(Case("extractor", "compiled", "cpu", 32, 32), tmp_path)
