"""The baseline pastiche: its own code, on the objective of the task."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.suites.cases import Unavailable
from bench.time_to_quality.evaluator import make_evaluator
from bench.time_to_quality.pastiche_baseline import pastiche_artist, pastiche_run, prepare_pastiche
from bench.time_to_quality.task import Task
from core.arrays import Pixels
from core.errors import StyleTransferError
from core.image.writing import quantize
from support.images import pixels_of
from support.quality_tasks import delivered, noisy_content, with_evaluations


@pytest.fixture(scope="module")
def pastiche(real_task: Task) -> tuple[Any, Any, Tensor, Tensor]:
    """The module, its artist, and the content and style as it reads them."""
    module = importlib.import_module("pastiche.pastiche")
    return module, *pastiche_artist(real_task, module)


def to_caffe(pixels: Pixels) -> Tensor:
    """Convert RGB in [0, 1] to the format of pastiche: BGR from 0 to 255 minus the mean of ImageNet."""
    mean = np.array([103.939, 116.779, 123.68], np.float32).reshape(1, 3, 1, 1)
    return torch.from_numpy(255 * pixels[:, ::-1] - mean)


def test_pastiche_computes_the_loss_and_gradient_of_the_evaluator(real_task: Task, pastiche: tuple[Any, ...]) -> None:
    """An independent oracle: another network and other losses with the same published weights."""
    _, artist, *_ = pastiche
    image = noisy_content(real_task)
    parts = make_evaluator(real_task)(image)
    before = artist.pastiche.data.clone()
    artist.pastiche.data = to_caffe(image)
    loss = artist._calc_loss()
    (gradient,) = torch.autograd.grad(loss, artist.pastiche)
    artist.pastiche.data = before
    assert loss.item() == pytest.approx(sum(parts.values()), rel=1e-5)
    assert min(parts.values()) > 0.01 * loss.item()  # so that an error in either part shows

    expected = real_task.objective(real_task.network())(real_task.tensor(image)).gradient
    same_units = 255 * gradient.flip(1)
    assert torch.linalg.vector_norm(same_units - expected) < 5e-3 * torch.linalg.vector_norm(expected)


def test_pastiche_run_steps_by_the_code_of_pastiche(real_task: Task, pastiche: tuple[Any, ...], tmp_path: Path) -> None:
    module, artist, content, style = pastiche
    evaluator = make_evaluator(real_task)
    losses = {}
    run = pastiche_run(with_evaluations(real_task, 6), module, artist, content, style)
    for evaluations, pixels in delivered(run):
        losses[evaluations] = sum(evaluator(quantize(pixels)).values())
        module.save_image(artist.pastiche, tmp_path / "saved.png")
        saved = pixels_of(tmp_path / "saved.png").astype(int)
        rounded = np.rint(255 * quantize(pixels)[0].transpose(1, 2, 0)).astype(int)
        assert np.abs(saved - rounded).max() <= 1  # halves may be rounded either way
        assert (saved != rounded).mean() < 1e-3
    assert list(losses) == [*range(7)]
    assert artist.optimizer.state[artist.pastiche]["func_evals"] == 6
    assert losses[0] == pytest.approx(sum(evaluator(real_task.content).values()), rel=1e-5)
    assert losses[6] < losses[0]


def test_prepare_pastiche_without_the_package_is_unavailable(real_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pastiche.pastiche", None)
    with pytest.raises(Unavailable, match=r"pip install pastiche==1\.6\.0"):
        prepare_pastiche(real_task)


def test_prepare_pastiche_reports_an_error_of_the_package(real_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*images: object, **options: object) -> None:
        raise AttributeError("'Image' object has no attribute 'getdata'")

    monkeypatch.setattr("pastiche.pastiche.PasticheArtist", fail)
    with pytest.raises(
        StyleTransferError, match=r"^pastiche fails on this machine \(AttributeError: 'Image' object has no"
    ):
        prepare_pastiche(real_task)
