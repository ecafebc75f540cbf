"""Lossless palettization: weights with at most 256 distinct values are stored as byte indices into a palette.

The Oxford weights (see `core.network.weights`) have at most 256 distinct values per kernel, so a byte replaces four.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MAX_PALETTE_SIZE = 256
"""Largest number of values that an index of one byte can distinguish."""

MIN_TENSOR_SIZE = 4096
"""Number of values from which palettization pays off."""


def palettize(model: onnx.ModelProto) -> None:
    """Replace, in place, each large initializer with few distinct values by a palette and byte indices.

    The nodes Cast and Gather restore it. Runtimes fold them into a constant when they load the file, so inference is
    not slower.
    """
    graph = model.graph
    for stored in [*graph.initializer]:
        values = numpy_helper.to_array(stored)
        if stored.data_type != TensorProto.FLOAT or values.size < MIN_TENSOR_SIZE:
            continue
        palette, indices = np.unique(values, return_inverse=True)
        if len(palette) > MAX_PALETTE_SIZE:
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
