"""Backward functions of the objective as plain tensor operations, which can be exported.

The ONNX graph needs its own backward functions because it may contain standard operators only, so it can use neither
autograd nor the in-place kernels of `core.network.fused` and the loss modules; tests/export/objective/test_backward.py
compares both.

Each function takes dL/doutput (`grad`) and returns dL/dinput. Tensors are (N, C, H, W), all of one floating dtype.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad


def relu_backward(grad: Tensor, output: Tensor) -> Tensor:
    """Backward of a ReLU with this `output`."""
    return grad * (output > 0)


def conv_backward(grad: Tensor, weight: Tensor) -> Tensor:
    """Backward of a 3x3 convolution with stride 1 and padding 1: a convolution with the transposed, flipped kernel.

    The graph computes that kernel from `weight` (O, I, 3, 3) of the forward pass, so a file contains every kernel once.
    Runtimes fold it into a constant when they load the file.
    """
    return conv2d(grad, weight.transpose(0, 1).flip(2, 3), padding=1)


def average_pool_backward(grad: Tensor, image: Tensor) -> Tensor:
    """Backward of 2x2 average pooling of `image` with stride 2."""
    return _pad_like(_upsample(grad / 4), image)


def max_pool_backward(grad: Tensor, image: Tensor, output: Tensor) -> Tensor:
    """Backward of 2x2 max pooling of `image` with stride 2 and this `output`.

    Of equal maxima in a window the first receives the gradient, as in PyTorch. Any division among them would be a valid
    subgradient, but in flat areas, where all values are equal, the result would differ from that of PyTorch.
    """
    height, width = output.shape[2:]
    rank = torch.tensor([[4.0, 3.0], [2.0, 1.0]], dtype=image.dtype).repeat(height, width)
    score = (image[..., : 2 * height, : 2 * width] == _upsample(output)) * rank
    is_first = score == _upsample(max_pool2d(score, 2))
    return _pad_like(_upsample(grad) * is_first, image)


def mean_square_grad(difference: Tensor) -> Tensor:
    """Gradient of the mean of the squares of `difference`."""
    return 2 / difference.numel() * difference


def gram_backward(grad: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Backward of `core.objective.gram.gram`, for a symmetric `grad` (N, C, C).

    With masks (R, 1, H, W) of R regions `grad` is (R, C, C), and the gradient the sum over all regions.
    """
    flat = features.flatten(2)
    products = 2 / flat.shape[-1] * grad @ flat
    if mask is not None:
        products = (products * mask.flatten(2)).sum(0, keepdim=True)
    return products.view_as(features)


def total_variation_grad(image: Tensor) -> Tensor:
    """Gradient of the total variation of `image`, the mean squared difference between neighbours."""
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    differences = pad(across, (1, 0)) - pad(across, (0, 1)) + pad(down, (0, 0, 1, 0)) - pad(down, (0, 0, 0, 1))
    return 2 / image.numel() * differences


def _upsample(values: Tensor) -> Tensor:
    """Repeat each value in a 2x2 window."""
    return interpolate(values, scale_factor=2.0, mode="nearest")


def _pad_like(grad: Tensor, image: Tensor) -> Tensor:
    """Append zeros for the last row and column of odd sizes, which no pooling window covers."""
    height, width = (image.shape[side] - grad.shape[side] for side in (2, 3))
    return pad(grad, (0, width, 0, height))
