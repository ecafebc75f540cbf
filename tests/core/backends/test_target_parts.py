"""The parts of style targets against the losses of PyTorch."""

import numpy as np
import pytest
import torch

from core.backends.target_parts import Part, factors, joined, mean_and_spread, parts_of
from core.objective.moments import MomentsLoss, moments


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def moments_of(features: np.ndarray) -> torch.Tensor:
    return moments(torch.from_numpy(features))


@pytest.mark.parametrize(
    "style",
    [random(1, 3, 4, 5), np.full((1, 3, 4, 5), 2, np.float32), np.zeros((1, 3, 4, 5), np.float32)],
    ids=["noise", "uniform", "zero"],
)
def test_moments_are_relative_to_those_of_the_style(style: np.ndarray) -> None:
    """Those of uniform styles, which have no variance, and may all be zero, to a least variance."""
    image = random(1, 3, 8, 8, seed=1)
    parts = parts_of("moments", moments_of(style).numpy())
    flat = image[0].reshape(3, -1)
    differences = np.cov(flat, bias=True) - parts[0].values, flat.mean(1)[:, None] - parts[1].values
    loss = sum(part.factor * np.mean(difference**2) for part, difference in zip(parts, differences, strict=True))
    assert loss == pytest.approx(float(MomentsLoss().loss(moments_of(image), moments_of(style))), rel=1e-5)
    assert joined(parts).shape == (1, 3, 4)
    assert factors(parts).dtype == np.float32
    assert np.isfinite(factors(parts)).all()


def test_another_target_is_one_part() -> None:
    target = random(1, 3, 3)
    (part,) = parts_of("gram", target)
    assert part.factor == 1
    np.testing.assert_array_equal(joined([part]), target)


def test_a_common_part_and_its_spread_are_the_mean_of_the_losses() -> None:
    """Of two parts with the factors 2 and 6 and the shares 3/4 and 1/4: each has half of the common factor 3."""
    first, second, image = (random(1, 4, 4, seed=seed) for seed in range(3))
    mean, spread = mean_and_spread([Part(first, 2.0), Part(second, 6.0)], [0.75, 0.25])
    assert mean.factor == 3
    np.testing.assert_allclose(mean.values, (first + second) / 2, rtol=1e-6)
    direct = 1.5 * np.mean((image - first) ** 2) + 1.5 * np.mean((image - second) ** 2)
    assert 3 * np.mean((image - mean.values) ** 2) + spread == pytest.approx(direct, rel=1e-5)
