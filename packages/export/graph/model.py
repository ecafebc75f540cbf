"""ONNX models from the values of a graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import spox
from numpy.typing import NDArray
from onnx import numpy_helper

from export.graph.values import Value
from export.io_spec import Inputs, TensorSpec, flatten
from export.options import MIN_OPSET


@dataclass(frozen=True)
class Initializers:
    """Arrays that a model stores under their names, such as the weights of a network."""

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    def add(self, name: str, array: NDArray[Any]) -> Value:
        """Return the value of a new array."""
        self.arrays[name], self.values[name] = array, Value.of_input(array.dtype, array.shape)
        return self.values[name]


class InputValues:
    """The inputs of a model as values of its graph.

    Attributes:
        arguments: Values, or lists of values, by the names of parameters.
        by_name: The same values by the names of the inputs.
    """

    def __init__(self, inputs: Inputs, dtype: Any = np.float32) -> None:
        """Make values of `dtype` for the arguments."""
        self.by_name = {spec.name: Value.of_input(dtype, _known_lengths(spec)) for spec in flatten(inputs)}
        self.arguments: dict[str, Any] = {
            name: self.by_name[specs.name]
            if isinstance(specs, TensorSpec)
            else [self.by_name[spec.name] for spec in specs]
            for name, specs in inputs.items()
        }


def build_model(
    inputs: Mapping[str, Value], outputs: Mapping[str, Value], initializers: Initializers | None = None
) -> onnx.ModelProto:
    """Return a model of opset `MIN_OPSET` with these inputs and outputs, by name, in order."""
    stored = initializers or Initializers()
    # spox has no public function for initializers: here they are inputs until the model is built.
    model = spox.build(
        {name: value.var for name, value in {**inputs, **stored.values}.items()},
        {name: value.var for name, value in outputs.items()},
    )
    # spox imports the oldest opset that the operators of a graph allow.
    model.opset_import[0].version = MIN_OPSET
    del model.graph.input[len(inputs) :]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in stored.arrays.items())
    return model


def _known_lengths(spec: TensorSpec) -> list[int | None]:
    """Return the lengths of the axes; the finished model names those that may vary."""
    return [side if isinstance(side, int) else None for side in spec.shape]
