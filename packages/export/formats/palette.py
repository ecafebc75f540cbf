"""Smaller files without losing a bit: weights that take few values are stored as indices into a list of these.

The Oxford weights (see `core.network.weights`) take at most 256 values a kernel, so a byte in place of four suffices.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MOST_VALUES = 256
"""What an index of one byte can tell apart."""

LEAST_SIZE = 4096
"""Numbers in a tensor for which it is worth the trouble."""


def compress(model: onnx.ModelProto) -> None:
    """Replace, in place, each large initializer that takes few values by a list of them and bytes of indices.

    Two nodes, Cast and Gather, restore it. Runtimes fold constants when they load a file, so that it is done
    once and computing is no slower.
    """
    graph = model.graph
    for stored in [*graph.initializer]:
        values = numpy_helper.to_array(stored)
        if stored.data_type != TensorProto.FLOAT or values.size < LEAST_SIZE:
            continue
        palette, indices = np.unique(values, return_inverse=True)
        if len(palette) > MOST_VALUES:
            continue
        name = stored.name
        graph.initializer.remove(stored)
        graph.initializer.extend(
            [
                numpy_helper.from_array(palette, f"{name}.palette"),
                numpy_helper.from_array(indices.reshape(values.shape).astype(np.uint8), f"{name}.bytes"),
            ]
        )
        graph.node.insert(0, helper.make_node("Gather", [f"{name}.palette", f"{name}.indices"], [name]))
        graph.node.insert(0, helper.make_node("Cast", [f"{name}.bytes"], [f"{name}.indices"], to=TensorProto.INT32))
