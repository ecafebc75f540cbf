"""The losses of the objective and their gradients in an ONNX graph: `core.objective`, without autograd."""

from export.graph.values import Value


def mean_square(difference: Value, rank: int) -> Value:
    """Return the mean of the squares over all axes; `rank` is their number."""
    return _sum_of_squares(difference, rank) / _count(difference)


def mean_square_grad(difference: Value) -> Value:
    """Return the gradient of the mean of the squares of `difference`."""
    return 2 / _count(difference) * difference


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
    if mask is not None:
        products = (products * _flat(mask)).sum(0, keepdims=True)
    return products.like(features)


def total_variation(image: Value) -> Value:
    """Return the mean squared difference of the neighbours in an image (1, 3, H, W)."""
    across, down = _neighbour_differences(image)
    return (_sum_of_squares(across, 4) + _sum_of_squares(down, 4)) / _count(image)


def total_variation_grad(image: Value) -> Value:
    """Return the gradient of the total variation of an image (1, 3, H, W)."""
    across, down = _neighbour_differences(image)
    horizontal = across.padded({3: (1, 0)}) - across.padded({3: (0, 1)})
    return 2 / _count(image) * (horizontal + down.padded({2: (1, 0)}) - down.padded({2: (0, 1)}))


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


def _neighbour_differences(image: Value) -> tuple[Value, Value]:
    """Return the differences of horizontal and of vertical neighbours."""
    end = 2**31 - 1
    across, down = (image.slice(1, end, axis) - image.slice(0, -1, axis) for axis in (3, 2))
    return across, down
