"""Continue images beyond their edges by reflection.

The convolutions of the network continue every layer with zeros. The features there differ from all others, so that a
style loss copies the edges of the style image to the edges of the output. The network therefore reads reflected images.
Everything here works on NumPy arrays and torch tensors alike, without host synchronisation on CUDA.
"""

from core.arrays import Array, empty, flipped


def reflect(image: Array, margin: int) -> Array:
    """Return (1, C, H + 2 margin, W + 2 margin): the image (1, C, H, W) between its reflections at all edges.

    The outermost pixels are not repeated, so that `margin` must be smaller than H and W.
    """
    if margin == 0:
        return image
    _, channels, height, width = image.shape
    padded = empty((1, channels, height + 2 * margin, width + 2 * margin), image)
    padded[..., margin:-margin, margin:-margin] = image
    for view in (padded[..., margin:-margin].swapaxes(2, 3), padded):
        view[..., :margin] = flipped(view[..., margin + 1 : 2 * margin + 1])
        view[..., -margin:] = flipped(view[..., -2 * margin - 1 : -margin - 1])
    return padded


def reflect_backward(gradient: Array, margin: int) -> Array:
    """Return dL/dimage (1, C, H, W), given dL/dreflected of the shape that `reflect` returns, which is overwritten."""
    if margin == 0:
        return gradient
    for view in (gradient, gradient[..., margin:-margin].swapaxes(2, 3)):
        view[..., margin + 1 : 2 * margin + 1] += flipped(view[..., :margin])
        view[..., -2 * margin - 1 : -margin - 1] += flipped(view[..., -margin:])
    return gradient[..., margin:-margin, margin:-margin]
