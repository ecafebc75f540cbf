"""The backward pass written out: what autograd does for the objective, as plain operations that can be exported.

Each function takes the gradient of the loss with respect to a layer's output and returns the one with respect
to its input. Tensors are (N, C, H, W), all of one floating type.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad


def through_relu(gradient: Tensor, output: Tensor) -> Tensor:
    """Of a ReLU; its output tells as well as its input where it let anything pass."""
    return gradient * (output > 0)


def through_convolution(gradient: Tensor, weight: Tensor) -> Tensor:
    """Of a 3x3 convolution with stride 1 and padding 1: a convolution with the kernel turned around.

    The turned kernel is computed in the graph, from the weight (O, I, 3, 3) the forward pass uses, so that a
    file holds every kernel once; a runtime does it once, when it loads the file.
    """
    return conv2d(gradient, weight.transpose(0, 1).flip(2, 3), padding=1)


def through_average(gradient: Tensor, image: Tensor) -> Tensor:
    """Of a 2x2 mean with stride 2; `image` is what it pooled."""
    return _like(_doubled(gradient / 4), image)


def through_maximum(gradient: Tensor, image: Tensor, output: Tensor) -> Tensor:
    """Of a 2x2 maximum with stride 2; `image` is what it pooled, `output` what came out.

    Of equal values in a window the first takes it all, as in PyTorch. Sharing it out would be no less of a
    gradient, but then flat areas, where everything is equal, would get another picture than PyTorch's.
    """
    height, width = output.shape[2:]
    rank = torch.tensor([[4.0, 3.0], [2.0, 1.0]], dtype=image.dtype).repeat(height, width)
    score = (image[..., : 2 * height, : 2 * width] == _doubled(output)) * rank
    first = score == _doubled(max_pool2d(score, 2))
    return _like(_doubled(gradient) * first, image)


def of_mean_square(difference: Tensor) -> Tensor:
    """Of the mean of the squares of `difference`, with respect to it."""
    return 2 / difference.numel() * difference


def of_gram(gradient: Tensor, features: Tensor) -> Tensor:
    """Of the Gram matrix of `features`, divided by the positions; `gradient` (N, C, C) is symmetric."""
    flat = features.flatten(2)
    return (2 / flat.shape[-1] * gradient @ flat).view_as(features)


def of_total_variation(image: Tensor) -> Tensor:
    """Of `core.objective.losses.total_variation`."""
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    pulls = pad(across, (1, 0)) - pad(across, (0, 1)) + pad(down, (0, 0, 1, 0)) - pad(down, (0, 0, 0, 1))
    return 2 / image.numel() * pulls


def _doubled(values: Tensor) -> Tensor:
    """Every value four times, in a square."""
    return interpolate(values, scale_factor=2.0, mode="nearest")


def _like(gradient: Tensor, image: Tensor) -> Tensor:
    """With the last row and column of odd sizes, which no pooling window reaches."""
    height, width = (image.shape[side] - gradient.shape[side] for side in (2, 3))
    return pad(gradient, (0, width, 0, height))
