"""The content loss: mean squared difference of features (Gatys et al., arXiv 1508.06576, equation 1)."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from core.objective.reductions import as_float32, mean_square

MIN_DETAIL_WEIGHT = 0.6
"""Lower bound of the weights of positions, before they are divided by their mean again."""

SMALLEST_DETAIL = 1e-9
"""Lower bound of the detail of a position, relative to the mean square of a feature: below it is rounding."""

TINY = 1e-12
"""Lower bound of the detail of a black image, whose features may all be 0."""

CHANNELS_AT_ONCE = 32
"""Number of channels whose detail is computed at a time, so that large images need little memory."""


def content_loss(features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean squared difference of features and target, both (N, C, H, W), as a scalar tensor.

    `mask` (1, 1, H, W), with mean 1, weights the positions. Gatys et al. halve the sum instead of dividing it by the
    number of values. The mean gives one weight the same meaning at every image size.
    """
    difference = as_float32(features) - target
    return mean_square(difference if mask is None else difference.mul_(mask.sqrt()))


def content_backward(
    grad: Tensor, features: Tensor, grad_loss: Tensor, target: Tensor, mask: Tensor | None = None
) -> None:
    """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/d(content loss) as a scalar tensor.

    `features` and `target` are (1, C, H, W); `mask` is that of `content_loss`.
    """
    difference = (as_float32(features) - target).mul_(2 / features.numel() * grad_loss)
    # Adding tensors of different dtypes takes several times as long as converting first.
    grad += (difference if mask is None else difference.mul_(mask)).to(grad.dtype)


def detail_mask(features: Tensor, power: float) -> Tensor:
    """Return how much the content loss counts at each position of the content image: (1, 1, H, W), with mean 1.

    The detail of a position is the squared distance of its feature from the mean of the 3 x 3 features around it,
    averaged over such a window. The weight is the detail to the given power. With a positive power, skies and other
    flat places may take over the strokes of the style, and faces and houses are kept.

    Args:
        features: Features (1, C, H, W) of the content image.
        power: Between 0, for equal weights, and 1.
    """
    squares = sum(
        map(_squared_difference, torch.split(features, CHANNELS_AT_ONCE, dim=1)), start=features.new_zeros(())
    )
    floor = SMALLEST_DETAIL * mean_square(features) * features.shape[1] + TINY
    detail = torch.maximum(_mean_around(squares), floor) ** power
    weights = (detail / detail.mean()).clamp(min=MIN_DETAIL_WEIGHT)
    return weights / weights.mean()


def _squared_difference(features: Tensor) -> Tensor:
    """Return the squared difference of features and the mean around them, summed over the channels: (1, 1, H, W)."""
    features = as_float32(features)
    return (features - _mean_around(features)).square_().sum(1, keepdim=True)


def _mean_around(values: Tensor) -> Tensor:
    return avg_pool2d(values, 3, stride=1, padding=1, count_include_pad=False)
