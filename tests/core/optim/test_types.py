"""Steps convert their arrays; an evaluation is finite if all of it is."""

import numpy as np
import pytest
import torch

from core.errors import StyleTransferError
from core.optim.types import Evaluation, Step, evaluate_start, is_finite, root_mean_square


def test_converted_applies_to_the_image_and_every_array() -> None:
    step = Step(3, np.zeros(4), 1.0, {"all": 1.0}, {"gradient": np.ones(4)}, {"number": 2})
    found = step.converted(torch.from_numpy)
    assert isinstance(found.image, torch.Tensor)
    assert isinstance(found.arrays["gradient"], torch.Tensor)
    assert (found.evaluations, found.loss, found.parts, found.numbers) == (3, 1.0, {"all": 1.0}, {"number": 2})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_is_finite_checks_loss_and_gradient(value: float) -> None:
    assert is_finite(Evaluation(1.0, np.ones(3), {}))
    assert not is_finite(Evaluation(value, np.ones(3), {}))
    assert not is_finite(Evaluation(1.0, np.array([1, value, 1]), {}))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_root_mean_square(kind) -> None:
    assert root_mean_square(kind(np.array([[3.0, 4.0], [0.0, 0.0]]))) == pytest.approx(2.5)


def test_evaluate_start_raises_for_a_gradient_that_is_not_finite() -> None:
    with pytest.raises(StyleTransferError, match=r"not finite \(loss 1.0\): check the input images"):
        evaluate_start(lambda image: Evaluation(1.0, image * np.nan, {}), np.ones(3))
