"""Layers of the fused network: each returns its output and its backward function.

Gradients are modified in place. Features are in channels_last.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from core.network.dtypes import is_half
from core.network.vjp import SaveForBackward
from core.network.winograd import WinogradConvolution, is_faster

VALUES_PER_CHUNK = 2**18
"""Values that the backward pass of max pooling processes at a time on the CPU, so that they stay in its caches."""

Backward = Callable[[Tensor], Tensor]
"""From the gradient of a layer's output, which may be overwritten, to the gradient of its input."""

FusedLayer = Callable[[Tensor, SaveForBackward], tuple[Tensor, Backward]]
"""From input features, (N, C, H, W), to output features and the backward function."""


def make_layer(layer: nn.Module, dtype: torch.dtype, *, first: bool, exact: bool) -> FusedLayer:
    """Return the layer in `dtype`. `first` and `exact` concern convolutions: see `FusedConvolution`."""
    if isinstance(layer, nn.Conv2d):
        return FusedConvolution(layer, dtype, first=first, exact=exact)
    layers: dict[type[nn.Module], FusedLayer] = {nn.ReLU: relu, nn.MaxPool2d: max_pool, nn.AvgPool2d: average_pool}
    return layers[type(layer)]


class FusedConvolution:
    """A 3x3 convolution with bias, followed by a ReLU if `relu` is set.

    The backward pass is a convolution with the transposed, spatially flipped kernel. It masks the gradient by the ReLU
    first unless `mask_gradient` is cleared because the next layer has masked it.
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype, *, first: bool, exact: bool) -> None:
        """Copy the weights of `layer` in `dtype`, for the forward and for the backward pass.

        Args:
            layer: The convolution.
            dtype: Of weights and features.
            first: The input is the image. If `dtype` is smaller than that of `layer`, image and kernel are split into
                two terms each: an image rounded to 8 bits of mantissa would hide the smaller steps of the optimizer.
            exact: Round once per output value in half precision, thus do not use Winograd's algorithm.
        """
        weight = layer.weight.detach()
        self._dtype, self._split = dtype, first and dtype.itemsize < weight.itemsize
        kernel = split_terms(weight, dtype, (0, 0, 1)) if self._split else weight
        self._forward = _convolution(kernel, dtype, exact=exact)
        self._backward = _convolution(weight.flip(2, 3).transpose(0, 1), dtype, exact=False)
        self._bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.relu = self.mask_gradient = False

    def __call__(self, features: Tensor, save: SaveForBackward) -> tuple[Tensor, Backward]:
        """Return the output, which is saved if there is a ReLU, and the backward function."""
        if self._split:
            features = split_terms(features, self._dtype, (0, 1, 0))
        output = self._forward(features, self._bias, relu=self.relu)
        if not self.relu:
            return output, self._backward
        output = save(output)
        if not self.mask_gradient:
            return output, self._backward
        return output, lambda gradient: self._backward(_relu_backward(gradient, output))


def relu(features: Tensor, save: SaveForBackward) -> tuple[Tensor, Backward]:
    """A ReLU after a layer into which it cannot be fused."""
    output = save(features.relu())
    return output, lambda gradient: _relu_backward(gradient, output)


def max_pool(features: Tensor, _: SaveForBackward, *, relu: bool = False) -> tuple[Tensor, Backward]:
    """2x2 max pooling; with `relu` the backward pass includes that of a ReLU before the pooling.

    The backward pass recomputes the positions of the maxima: saved, they would take 8 bytes each, a third of all saved
    activations.
    """

    def backward(gradient: Tensor) -> Tensor:
        input_gradient = torch.empty_like(features)
        height = gradient.shape[2]
        step = max(1, height * VALUES_PER_CHUNK // features.numel()) if features.is_cpu else height
        for start in range(0, height, step):
            rows = slice(start, start + step)
            input_rows = slice(2 * start, 2 * (start + step) if start + step < height else None)
            chunk, inputs = gradient[:, :, rows], features[:, :, input_rows]
            maxima, indices = max_pool2d(inputs, 2, return_indices=True)
            if relu:
                chunk = _relu_backward(chunk, maxima)
            torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
                chunk,
                inputs,
                [2, 2],
                [2, 2],
                [0, 0],
                [1, 1],
                False,
                indices,
                grad_input=input_gradient[:, :, input_rows],
            )
        return input_gradient

    return max_pool2d(features, 2), backward


def max_pool_after_relu(features: Tensor, save: SaveForBackward) -> tuple[Tensor, Backward]:
    """2x2 max pooling after a ReLU: only maxima have a gradient, so that the ReLU masks a quarter of the values."""
    return max_pool(features, save, relu=True)


def average_pool(features: Tensor, _: SaveForBackward) -> tuple[Tensor, Backward]:
    """2x2 average pooling."""
    backward = torch.ops.aten.avg_pool2d_backward
    return (
        avg_pool2d(features, 2),
        lambda gradient: backward(gradient, features, [2, 2], [2, 2], [0, 0], False, True, None),
    )


POOLINGS = (max_pool, max_pool_after_relu, average_pool)


def split_terms(values: Tensor, dtype: torch.dtype, terms: tuple[int, ...]) -> Tensor:
    """Split values into a sum of two terms of lower precision, v = v0 + v1, and concatenate terms along the channels.

    v0 is v rounded to `dtype` and v1 the rounded remainder. With (v0, v1, v0) for an image and (w0, w0, w1) for a
    kernel, a convolution computes w0 v0 + w0 v1 + w1 v0, which is w v but for the product of the remainders.
    """
    rounded = values.to(dtype)
    both = rounded, (values - rounded).to(dtype)
    return _channels_last_copy(torch.cat([both[term] for term in terms], 1), dtype)


class _DirectConvolution:
    """A 3x3 convolution with padding 1 by the library of the device."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self._kernel, self._fuses_relu = _channels_last_copy(weight, dtype), weight.is_cpu and _onednn_fuses_relu(dtype)

    def __call__(self, features: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
        if not (relu and self._fuses_relu):
            output = conv2d(features, self._kernel, bias, padding=1)
            return output.relu_() if relu else output
        ones = [1, 1]
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, self._kernel, bias, ones, ones, ones, 1, "relu", [], ""
        )
        return fused


def _convolution(weight: Tensor, dtype: torch.dtype, *, exact: bool) -> _DirectConvolution | WinogradConvolution:
    """Return the fastest convolution; in half precision only a direct one is `exact`."""
    winograd = is_faster(weight, dtype) and not (exact and is_half(dtype))
    return (WinogradConvolution if winograd else _DirectConvolution)(weight, dtype)


def _onednn_fuses_relu(dtype: torch.dtype) -> bool:
    """Return whether oneDNN computes a convolution and its ReLU in one pass on this CPU."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if is_half(dtype):
        name = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}[dtype]
        return bool(getattr(torch.ops.mkldnn, name)())
    return dtype == torch.float32


def _relu_backward(gradient: Tensor, output: Tensor) -> Tensor:
    """Set the gradient to zero in place where the output of the ReLU is zero."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    return gradient


def _channels_last_copy(values: Tensor, dtype: torch.dtype) -> Tensor:
    return values.to(dtype, memory_format=torch.channels_last, copy=True)
