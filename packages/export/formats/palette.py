"""Lossless palettization: weights with at most 256 distinct values are stored as byte indices into a palette.

The Oxford weights (see `core.network.weights`) have at most 256 distinct values per kernel, so a byte replaces four.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.errors import UsageError
from core.network.weight_files import PALETTE, PALETTE_INDICES

MAX_PALETTE_SIZE = 256
"""Largest number of values that an index of one byte can distinguish."""

MIN_TENSOR_SIZE = 4096
"""Number of values from which palettization pays off."""

_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16)


def palettize(model: onnx.ModelProto, *, required: bool = False) -> None:
    """Replace, in place, each large initializer with few distinct values by a palette and byte indices.

    The nodes Cast and Gather restore it. Runtimes fold them into a constant when they load the file, so inference is
    not slower.

    Raises:
        UsageError: It is `required`, and all large initializers have more values.
    """
    for stored in [*model.graph.initializer]:
        values = numpy_helper.to_array(stored)
        if stored.data_type not in _TYPES or values.size < MIN_TENSOR_SIZE:
            continue
        palette, indices = np.unique(values, return_inverse=True)
        if len(palette) <= MAX_PALETTE_SIZE:
            _replace(model.graph, stored, palette, indices.reshape(values.shape).astype(np.uint8))
    if required and not is_palettized(model):
        raise UsageError(
            f"--palette needs weights with at most {MAX_PALETTE_SIZE} distinct values per kernel, and these have more: "
            "use --no-palette, or the weights oxford"
        )


def is_palettized(model: onnx.ModelProto) -> bool:
    """Return whether a palette restores any weights of a model."""
    return any(stored.name.endswith(PALETTE.format("")) for stored in model.graph.initializer)


def _replace(graph: onnx.GraphProto, stored: onnx.TensorProto, palette: np.ndarray, indices: np.ndarray) -> None:
    name = stored.name
    names = PALETTE.format(name), PALETTE_INDICES.format(name), f"{name}.indices"
    graph.initializer.remove(stored)
    graph.initializer.extend(map(numpy_helper.from_array, (palette, indices), names[:2]))
    graph.node.insert(0, helper.make_node("Gather", [names[0], names[2]], [name]))
    graph.node.insert(0, helper.make_node("Cast", [names[1]], [names[2]], to=TensorProto.INT32))
