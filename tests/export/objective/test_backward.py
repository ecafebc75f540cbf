"""The exportable backward functions against autograd and against the backward functions of `core`."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.network.weights import load_weights
from core.objective.gram import gram
from core.objective.reductions import mean_square
from core.objective.total_variation import total_variation
from export.objective.backward import (
    average_pool_backward,
    conv_backward,
    gram_backward,
    max_pool_backward,
    mean_square_grad,
    relu_backward,
    total_variation_grad,
)
from export.objective.module import ObjectiveModule
from support.backends import objective_of
from support.objectives import noise, relative_difference


@pytest.mark.parametrize("size", [(8, 8), (9, 6), (7, 5), (2, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_backward_functions_equal_autograd(size: tuple[int, int], ties: bool) -> None:
    # Rounded values are often equal within a window: the first of equal maxima must receive the gradient.
    image = (noise(1, 4, *size) * 3).round() if ties else noise(1, 4, *size)
    image = image.requires_grad_()
    weight = noise(6, 4, 3, 3, seed=1) - 0.5
    functions = [
        (torch.relu(image - 0.5), relu_backward),
        (conv2d(image, weight, padding=1), lambda grad, output: conv_backward(grad, weight)),
        (avg_pool2d(image, 2), lambda grad, output: average_pool_backward(grad, image)),
        (max_pool2d(image, 2), lambda grad, output: max_pool_backward(grad, image, output)),
        (mean_square(image), lambda grad, output: grad * mean_square_grad(image)),
        (total_variation(image), lambda grad, output: grad * total_variation_grad(image)),
    ]
    for output, backward in functions:
        grad = noise(*output.shape, seed=2) - 0.5
        (expected,) = torch.autograd.grad(output, image, grad, retain_graph=True)
        torch.testing.assert_close(backward(grad, output), expected, rtol=1e-13, atol=1e-15)


def test_gram_backward_equals_autograd() -> None:
    features = noise(1, 4, 5, 3).requires_grad_()
    grad = noise(1, 4, 4, seed=1)
    (expected,) = torch.autograd.grad(gram(features), features, grad + grad.mT)
    torch.testing.assert_close(gram_backward(grad + grad.mT, features), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_backward_equals_the_fused_network_and_losses_of_core(pooling: str, tiny_vgg: None) -> None:
    """The optimisation loop uses the fused backward of `core.network` and `core.objective`."""
    config = TransferConfig(device="cpu", precision="fp32", pooling=pooling, tv_weight=0.5)
    module = ObjectiveModule(load_weights("vgg19"), config.content_layers, config.style_layers, pooling)
    content, image = (noise(1, 3, 48, 41, seed=seed).float() for seed in (0, 1))
    style = noise(1, 3, 37, 52, seed=2).float()
    backend = TorchBackend(config)
    expected = objective_of(backend, content.numpy(), style.numpy())(image)
    scale = load_weights("vgg19").preprocessing.activation_scale
    content_features, style_features = module.extractor(content), module.extractor(style)
    loss, gradient, *_ = module(
        image,
        [content_features[tap] for tap in module.content_taps],
        [gram(style_features[tap]) for tap in module.style_taps],
        torch.tensor([weight / scale**2 for weight in config.content_weights.values()]),
        torch.tensor([weight / scale**4 for weight in config.style_weights.values()]),
        torch.tensor([config.tv_weight]),
    )
    assert loss.item() == pytest.approx(expected.loss, rel=1e-5)
    assert relative_difference(gradient, expected.gradient) < 1e-4
