"""Total variation: a penalty on differences between neighbouring pixels."""

from torch import Tensor

from core.objective.reductions import sum_of_squares


def total_variation(image: Tensor) -> Tensor:
    """Return the mean squared difference of horizontal and vertical neighbours of an image (N, C, H, W) in [0, 1]."""
    horizontal = image[..., :, 1:] - image[..., :, :-1]
    vertical = image[..., 1:, :] - image[..., :-1, :]
    return (sum_of_squares(horizontal) + sum_of_squares(vertical)) / image.numel()
