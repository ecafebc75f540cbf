"""Single fused layers against PyTorch's layers and autograd, in float64."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

from core.network import fused_layers
from core.network.fused_layers import FusedConvolution, average_pool, make_layer, max_pool, split_terms
from core.network.vjp import save_by_reference


def drawn(*shape: int, seed: int = 0) -> Tensor:
    values = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values.to(memory_format=torch.channels_last)


def convolution() -> nn.Conv2d:
    layer = nn.Conv2d(3, 5, 3, padding=1, dtype=torch.float64)
    layer.weight.data, layer.bias.data = drawn(5, 3, 3, 3, seed=1), torch.linspace(-1, 1, 5, dtype=torch.float64)
    return layer


def gradient_by_autograd(function, features: Tensor, output_gradient: Tensor) -> Tensor:
    features = features.clone().requires_grad_(True)
    return torch.autograd.grad(function(features), features, output_gradient)[0]


@pytest.mark.parametrize("with_relu", [False, True])
def test_convolution_equals_autograd(with_relu: bool) -> None:
    layer, features, gradient = convolution(), drawn(1, 3, 6, 7), drawn(1, 5, 6, 7, seed=2)
    fused = FusedConvolution(layer, torch.float64, first=False, exact=False)
    fused.relu = fused.mask_gradient = with_relu
    output, backward = fused(features, save_by_reference)

    def expected(values: Tensor) -> Tensor:
        found = conv2d(values, layer.weight, layer.bias, padding=1)
        return relu(found) if with_relu else found

    torch.testing.assert_close(output, expected(features))
    torch.testing.assert_close(backward(gradient.clone()), gradient_by_autograd(expected, features, gradient))


@pytest.mark.parametrize(("layer", "function"), [(max_pool, max_pool2d), (average_pool, avg_pool2d)])
@pytest.mark.parametrize("size", [(6, 8), (7, 9)], ids=str)
def test_pooling_equals_autograd(layer, function, size: tuple[int, int]) -> None:
    features, gradient = drawn(1, 4, *size), drawn(1, 4, size[0] // 2, size[1] // 2, seed=2)
    output, backward = layer(features, save_by_reference)
    torch.testing.assert_close(output, function(features, 2))
    torch.testing.assert_close(
        backward(gradient.clone()), gradient_by_autograd(lambda values: function(values, 2), features, gradient)
    )


def test_max_pool_after_relu_masks_the_gradient_of_zeros() -> None:
    features = relu(drawn(1, 4, 7, 9) - 1)
    gradient = drawn(1, 4, 3, 4, seed=2)
    _, backward = fused_layers.max_pool_after_relu(features, save_by_reference)
    maxima = max_pool2d(features, 2)
    assert (maxima == 0).any()
    masked = gradient * (maxima > 0)
    expected = gradient_by_autograd(lambda values: max_pool2d(values, 2), features, masked)
    torch.testing.assert_close(backward(gradient.clone()), expected)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_max_pool_backward_is_the_same_in_chunks_of_rows(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, gradient = drawn(1, 4, 11, 9), drawn(1, 4, 5, 4, seed=2)
    expected = max_pool(features, save_by_reference)[1](gradient.clone())
    monkeypatch.setattr(fused_layers, "VALUES_PER_CHUNK", rows * features.numel() // 5 + 1)
    assert torch.equal(max_pool(features, save_by_reference)[1](gradient.clone()), expected)


def test_layers_save_only_the_outputs_of_relus() -> None:
    saved = []

    def save(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    fused = FusedConvolution(convolution(), torch.float64, first=False, exact=False)
    features = fused(drawn(1, 3, 6, 7), save)[0]
    assert not saved
    features = make_layer(nn.ReLU(), torch.float64, first=False, exact=False)(features, save)[0]
    assert len(saved) == 1
    assert saved[0] is features
    for pooling in (nn.MaxPool2d(2), nn.AvgPool2d(2)):
        make_layer(pooling, torch.float64, first=False, exact=False)(features, save)
    assert len(saved) == 1


def test_split_terms_represents_values_with_twice_the_mantissa() -> None:
    values = drawn(1, 3, 8, 8).float()
    high, low = split_terms(values, torch.bfloat16, (0, 1)).double().split(3, 1)
    error = (high + low - values.double()).abs() / values.double().abs()
    assert error.max() < 2**-16
    assert ((high - values.double()).abs() / values.double().abs()).max() > 2**-10
