"""Parts of painters, run by ONNX Runtime."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import spox

from export.painter.values import Value


def computed(build: Callable[..., Value | Mapping[str, Value]], *arguments: Any) -> Any:
    """Return what `build` computes for arrays: one array, or several by name."""
    arrays = [np.asarray(argument) for argument in arguments]
    inputs = [Value.of_input(array.dtype, [None] * array.ndim) for array in arrays]
    built = build(*inputs)
    outputs = {"result": built} if isinstance(built, Value) else built
    model = spox.build(
        {f"input{number}": value.var for number, value in enumerate(inputs)},
        {name: value.var for name, value in outputs.items()},
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {f"input{number}": array for number, array in enumerate(arrays)}
    # A constant input is optimised away.
    feeds = {value.name: feeds[value.name] for value in session.get_inputs()}
    found = dict(zip(outputs, session.run(list(outputs), feeds), strict=True))
    return found["result"] if isinstance(built, Value) else found
