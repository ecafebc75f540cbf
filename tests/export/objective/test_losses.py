"""The losses of a graph and their gradients against those of `core.objective` and autograd."""

import pytest
import torch

import core.objective.content
import core.objective.gram
import core.objective.moments
import core.objective.reductions
import core.objective.total_variation
from export.graph.values import Value
from export.objective.losses import (
    covariances,
    detail_mask,
    gram,
    gram_backward,
    mean_square,
    mean_square_grad,
    means,
    moments_backward,
    total_variation,
    total_variation_grad,
)
from support.graphs import computed_exactly
from support.objectives import noise


@pytest.mark.parametrize("size", [(8, 8), (9, 6), (2, 3)])
@pytest.mark.parametrize(
    ("expected", "loss", "gradient"),
    [
        (core.objective.reductions.mean_square, lambda image: mean_square(image, 4), mean_square_grad),
        (core.objective.total_variation.total_variation, total_variation, total_variation_grad),
    ],
    ids=["mean square", "total variation"],
)
def test_losses_equal_those_of_core(size: tuple[int, int], expected, loss, gradient) -> None:
    image = noise(1, 3, *size).requires_grad_()
    value = expected(image)
    (slope,) = torch.autograd.grad(value, image)
    found = computed_exactly(lambda x: {"loss": loss(x), "gradient": gradient(x)}, image.detach().numpy())
    assert found["loss"] == pytest.approx(value.item(), rel=1e-14)
    torch.testing.assert_close(torch.from_numpy(found["gradient"]), slope, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("size", [(8, 9), (1, 1), (2, 3)])
@pytest.mark.parametrize("power", [0.3, 1.0])
def test_the_detail_mask_equals_that_of_core(size: tuple[int, int], power: float) -> None:
    features = noise(1, 4, *size)
    features[..., 3:] *= 0.01
    found = computed_exactly(lambda x: {"mask": detail_mask(x, power)}, features.numpy())["mask"]
    expected = core.objective.content.detail_mask(features, power)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("regions", [0, 2])
def test_gram_matrices_and_their_backward_equal_those_of_core(regions: int) -> None:
    features = noise(1, 4, 5, 3).requires_grad_()
    masks = [noise(regions, 1, 5, 3, seed=2)] if regions else []
    grad = noise(regions or 1, 4, 4, seed=1)
    grad = grad + grad.mT
    matrices = core.objective.gram.gram(features, *masks)
    (expected,) = torch.autograd.grad(matrices, features, grad)

    def build(features: Value, grad: Value, *mask: Value) -> dict[str, Value]:
        return {"gram": gram(features, *mask), "gradient": gram_backward(grad, features, *mask)}

    found = computed_exactly(build, *(one.detach().numpy() for one in (features, grad, *masks)))
    torch.testing.assert_close(torch.from_numpy(found["gram"]), matrices.detach(), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(torch.from_numpy(found["gradient"]), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("regions", [0, 2])
def test_moments_and_their_backward_equal_those_of_core(regions: int) -> None:
    features = noise(1, 4, 5, 3).requires_grad_()
    masks = [noise(regions, 1, 5, 3, seed=2)] if regions else []
    masks = [mask / mask.mean((2, 3), keepdim=True) for mask in masks]
    grad_covariances, grad_means = noise(regions or 1, 4, 4, seed=1), noise(regions or 1, 4, 1, seed=3)
    grad_covariances = grad_covariances + grad_covariances.mT
    mean, covariance = core.objective.moments.mean_and_covariance(core.objective.moments.moments(features, *masks))
    (expected,) = torch.autograd.grad([covariance, mean], features, [grad_covariances, grad_means[..., 0]])

    def build(features: Value, grad_covariances: Value, grad_means: Value, *mask: Value) -> dict[str, Value]:
        mean = means(features, *mask)
        gradient = moments_backward(grad_covariances, grad_means, features, mean, *mask)
        return {"means": mean, "covariances": covariances(features, mean, *mask), "gradient": gradient}

    arguments = (one.detach().numpy() for one in (features, grad_covariances, grad_means, *masks))
    found = {name: torch.from_numpy(value) for name, value in computed_exactly(build, *arguments).items()}
    torch.testing.assert_close(found["means"], mean.detach()[..., None], rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(found["covariances"], covariance.detach(), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(found["gradient"], expected, rtol=1e-13, atol=1e-15)
