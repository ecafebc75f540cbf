"""The layers of a graph and their backward functions against PyTorch and its autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from export.graph.layers import (
    average_pool,
    average_pool_backward,
    convolution,
    convolution_backward,
    max_pool,
    max_pool_backward,
    relu,
    relu_backward,
)
from export.graph.values import Value
from support.graphs import computed_exactly
from support.objectives import noise

WEIGHT, BIAS = noise(6, 4, 3, 3, seed=1) - 0.5, noise(6, seed=3)

Layer = tuple[Callable[[Tensor], Tensor], Callable[[Value], Value], Callable[[Value, Value, Value], Value]]
"""A layer by PyTorch, in a graph, and its backward function of dL/doutput, input and output."""


def constant(values: Tensor) -> Value:
    return Value.constant(values.numpy(), values.numpy().dtype)


LAYERS: dict[str, Layer] = {
    "convolution": (
        lambda image: conv2d(image, WEIGHT, BIAS, padding=1),
        lambda image: convolution(image, constant(WEIGHT), constant(BIAS)),
        lambda grad, image, output: convolution_backward(grad, constant(WEIGHT)),
    ),
    "relu": (
        lambda image: torch.relu(image - 0.5),
        lambda image: relu(image - 0.5),
        lambda grad, image, output: relu_backward(grad, output),
    ),
    "average pooling": (
        lambda image: avg_pool2d(image, 2),
        average_pool,
        lambda grad, image, output: average_pool_backward(grad, image),
    ),
    "max pooling": (lambda image: max_pool2d(image, 2), max_pool, max_pool_backward),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("size", [(8, 8), (9, 6), (7, 5), (2, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_layers_equal_those_of_pytorch(name: str, size: tuple[int, int], ties: bool) -> None:
    # Rounded values are often equal within a window: the first of equal maxima must receive the gradient.
    image = (noise(1, 4, *size) * 3).round() if ties else noise(1, 4, *size)
    in_pytorch, in_graph, backward = LAYERS[name]
    image.requires_grad_()
    output = in_pytorch(image)
    grad = noise(*output.shape, seed=2) - 0.5
    (expected,) = torch.autograd.grad(output, image, grad)

    def build(grad: Value, image: Value) -> dict[str, Value]:
        output = in_graph(image)
        return {"output": output, "gradient": backward(grad, image, output)}

    found = computed_exactly(build, grad.numpy(), image.detach().numpy())
    torch.testing.assert_close(torch.from_numpy(found["output"]), output.detach(), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(torch.from_numpy(found["gradient"]), expected, rtol=1e-13, atol=1e-15)
