"""What all programs get: the network, the objective with its targets, and copies of the images."""

import numpy as np
import pytest
import torch

from bench.time_to_quality.task import Task, to_pixels
from core.backends.base import default_backend
from support.backends import objective_of
from support.quality_tasks import SHORT, noisy_content


def test_the_network_ends_at_the_last_tap(task: Task) -> None:
    assert [*task.network().layers][-1] == "relu5_1"
    longer = task.network("relu5_4")
    assert [*longer.layers][-1] == "relu5_4"
    assert longer.taps[-1] == "relu5_4"


def test_the_objective_is_that_of_the_toolkit(task: Task) -> None:
    image, network = task.tensor(noisy_content(task)), task.network()
    found = task.objective(network)(image)
    expected = objective_of(default_backend(SHORT), task.content, task.style)(image)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert torch.linalg.norm(found.gradient - expected.gradient) < 1e-4 * torch.linalg.norm(expected.gradient)
    assert task.loss_weights.style.keys() == set(SHORT.style_layers)


def test_programs_cannot_change_the_images_of_the_task(task: Task) -> None:
    before = task.content.copy()
    copied = task.tensor(task.content)
    copied += 1
    delivered = to_pixels(copied.requires_grad_())
    np.testing.assert_array_equal(task.content, before)
    with torch.no_grad():
        copied += 1
    np.testing.assert_allclose(delivered, before + 1)  # values outside [0, 1] are not clipped
