"""The losses of the objective and their gradients in an ONNX graph: `core.objective`, without autograd."""

import spox.opset.ai.onnx.v18 as op

from core.objective.content import MIN_DETAIL_WEIGHT, SMALLEST_DETAIL, TINY
from export.graph.values import Value, maximum


def mean_square(difference: Value, rank: int) -> Value:
    """Return the mean of the squares over all axes; `rank` is their number."""
    return _sum_of_squares(difference, rank) / _count(difference)


def mean_square_grad(difference: Value) -> Value:
    """Return the gradient of the mean of the squares of `difference`."""
    return 2 / _count(difference) * difference


def detail_mask(features: Value, power: float) -> Value:
    """Return how much the content counts at each position of features (1, C, H, W): (1, 1, H, W).

    The same as `core.objective.content.detail_mask`.
    """
    difference = features - _mean_around(features)
    squares = (difference * difference).sum(1, keepdims=True)
    floor = mean_square(features, 4) * features.side(1).cast(features.dtype) * SMALLEST_DETAIL + TINY
    detail = maximum(_mean_around(squares), floor) ** power
    weights = maximum(detail / _mean(detail), Value.constant(MIN_DETAIL_WEIGHT, features.dtype))
    return weights / _mean(weights)


def gram(features: Value, mask: Value | None = None) -> Value:
    """Return the Gram matrices of features (1, C, H, W): `core.objective.gram.gram`, (1, C, C).

    With masks (R, 1, H, W) of R regions they are (R, C, C).
    """
    flat = _flat(features)
    weighted = flat if mask is None else flat * _flat(mask)
    return weighted @ flat.transposed(0, 2, 1) / _positions(features)


def gram_backward(grad: Value, features: Value, mask: Value | None = None) -> Value:
    """Return dL/dfeatures (1, C, H, W), given a symmetric dL/dgram (1, C, C).

    With masks `grad` is (R, C, C), and the gradient the sum over all regions.
    """
    products = grad * (2 / _positions(features)) @ _flat(features)
    return _over_regions(products, mask).like(features)


def means(features: Value, mask: Value | None = None) -> Value:
    """Return the means of the channels of features (1, C, H, W), (1, C, 1), or with masks (R, 1, H, W) (R, C, 1)."""
    weighted = features if mask is None else features * mask
    return weighted.sum(3).sum(2, keepdims=True) / _positions(features)


def covariances(features: Value, means: Value, mask: Value | None = None) -> Value:
    """Return the covariances of features (1, C, H, W) with these means, (1, C, C), or with masks of mean 1 (R, C, C).

    They equal the Gram matrices minus the products of the means, which would lose digits.
    """
    centred = _flat(features) - means
    weighted = centred if mask is None else centred * _flat(mask)
    return weighted @ centred.transposed(0, 2, 1) / _positions(features)


def moments_backward(
    grad_covariances: Value, grad_means: Value, features: Value, means: Value, mask: Value | None = None
) -> Value:
    """Return dL/dfeatures (1, C, H, W), given a symmetric dL/dcovariances (1, C, C) and dL/dmeans (1, C, 1).

    With masks the gradients are (R, C, C) and (R, C, 1), and the result is the sum over all regions.
    """
    positions = _positions(features)
    products = grad_covariances * (2 / positions) @ (_flat(features) - means) + grad_means / positions
    return _over_regions(products, mask).like(features)


def total_variation(image: Value) -> Value:
    """Return the mean squared difference of the neighbours in an image (1, 3, H, W)."""
    across, down = _neighbour_differences(image)
    return (_sum_of_squares(across, 4) + _sum_of_squares(down, 4)) / _count(image)


def total_variation_grad(image: Value) -> Value:
    """Return the gradient of the total variation of an image (1, 3, H, W)."""
    across, down = _neighbour_differences(image)
    horizontal = across.padded({3: (1, 0)}) - across.padded({3: (0, 1)})
    return 2 / _count(image) * (horizontal + down.padded({2: (1, 0)}) - down.padded({2: (0, 1)}))


def _mean_around(values: Value) -> Value:
    """Return the means of the 3x3 windows around every position, of what lies inside the image."""
    return Value(op.average_pool(values.var, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=0))


def _mean(values: Value) -> Value:
    """Return the mean of values (1, 1, H, W), one axis at a time: see `_sum_of_squares`."""
    return values.mean(3).mean(2).reshape()


def _sum_of_squares(values: Value, rank: int) -> Value:
    """Return the sum of all squares, one axis at a time: a single float32 sum over all axes loses digits."""
    total = values * values
    for remaining in reversed(range(rank)):
        total = total.sum(min(1, remaining))
    return total


def _count(values: Value) -> Value:
    """Return the number of elements as a number of their dtype."""
    return values.size.cast(values.dtype)


def _positions(features: Value) -> Value:
    """Return H·W as a number of the dtype of the features."""
    return (features.side(2) * features.side(3)).cast(features.dtype)


def _flat(features: Value) -> Value:
    """Return (N, C, H, W) as (N, C, H·W)."""
    return features.reshape(0, 0, -1)


def _over_regions(grads: Value, mask: Value | None) -> Value:
    """Return the sum (1, C, H·W) over the regions of gradients (R, C, H·W), weighted by the masks."""
    return grads if mask is None else (grads * _flat(mask)).sum(0, keepdims=True)


def _neighbour_differences(image: Value) -> tuple[Value, Value]:
    """Return the differences of horizontal and of vertical neighbours."""
    across, down = (image.slice(1, axis=axis) - image.slice(0, -1, axis) for axis in (3, 2))
    return across, down
