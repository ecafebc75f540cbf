"""The layers of a network and their backward functions in an ONNX graph.

The graph needs its own backward functions because it may contain standard operators only, so it can use neither
autograd nor the in-place kernels of `core.network.fused`. Tests compare it with both.

Each backward function takes dL/doutput (`grad`) and returns dL/dinput. Values are (N, C, H, W), all of one floating
dtype.
"""

import numpy as np
import spox.opset.ai.onnx.v18 as op

from export.graph.values import Value, int_vector


def convolution(image: Value, weight: Value, bias: Value | None = None) -> Value:
    """Return a 3x3 convolution with stride 1 and padding 1, by `weight` (O, I, 3, 3) and `bias` (O,)."""
    return Value(op.conv(image.var, weight.var, None if bias is None else bias.var, pads=[1, 1, 1, 1]))


def convolution_backward(grad: Value, weight: Value) -> Value:
    """Backward of `convolution`: a convolution with the transposed, flipped kernel.

    The graph computes that kernel from `weight` of the forward pass, so a file contains every kernel once. Runtimes
    fold it into a constant when they load the file.
    """
    return convolution(grad, weight.transposed(1, 0, 2, 3).reversed(2, 3))


def relu(values: Value) -> Value:
    """Return the values, zero where they are negative."""
    return Value(op.relu(values.var))


def relu_backward(grad: Value, output: Value) -> Value:
    """Backward of a ReLU with this `output`."""
    return grad * (output > 0).cast(grad.dtype)


def average_pool(image: Value) -> Value:
    """Return the means of 2x2 windows with stride 2."""
    return Value(op.average_pool(image.var, kernel_shape=[2, 2], strides=[2, 2]))


def average_pool_backward(grad: Value, image: Value) -> Value:
    """Backward of `average_pool` of `image`."""
    return _padded_like(_upsampled(grad / 4), image)


def max_pool(image: Value) -> Value:
    """Return the maxima of 2x2 windows with stride 2."""
    return Value(op.max_pool(image.var, kernel_shape=[2, 2], strides=[2, 2])[0])


def max_pool_backward(grad: Value, image: Value, output: Value) -> Value:
    """Backward of `max_pool` of `image` with this `output`.

    Of equal maxima in a window the first receives the gradient, as in PyTorch. Any division among them would be a valid
    subgradient, but in flat areas, where all values are equal, the result would differ from that of PyTorch.
    """
    height, width = output.side(2), output.side(3)
    windows = Value.constant([[[[4, 3], [2, 1]]]], grad.dtype)
    rank = Value(op.tile(windows.var, int_vector(1, 1, height, width).var))
    covered = image.slice(0, height * 2, 2).slice(0, width * 2, 3)
    score = covered.equals(_upsampled(output)).cast(grad.dtype) * rank
    is_first = score.equals(_upsampled(max_pool(score)))
    return _padded_like(_upsampled(grad) * is_first.cast(grad.dtype), image)


def _upsampled(values: Value) -> Value:
    """Repeat each value in a 2x2 window."""
    factors = Value.constant([1, 1, 2, 2], np.float32).var
    return Value(
        op.resize(
            values.var,
            scales=factors,
            coordinate_transformation_mode="asymmetric",
            mode="nearest",
            nearest_mode="floor",
        )
    )


def _padded_like(grad: Value, image: Value) -> Value:
    """Append zeros for the last row and column of odd sizes, which no pooling window covers."""
    return grad.padded({axis: (0, image.side(axis) - grad.side(axis)) for axis in (2, 3)})
