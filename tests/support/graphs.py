"""Values of graphs, computed by ONNX Runtime in float32, or by the reference implementation in float64."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch.nn.functional import avg_pool2d, conv2d, interpolate, max_pool2d

from export.graph.model import build_model
from export.graph.values import Value


def computed(build: Callable[..., Value | Mapping[str, Value]], *arguments: Any) -> Any:
    """Return what `build` computes for arrays: one array, or several by name."""
    arrays = [np.asarray(argument) for argument in arguments]
    inputs = [Value.of_input(array.dtype, [None] * array.ndim) for array in arrays]
    built = build(*inputs)
    outputs = {"result": built} if isinstance(built, Value) else built
    model = build_model({f"input{number}": value for number, value in enumerate(inputs)}, outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {f"input{number}": array for number, array in enumerate(arrays)}
    # A constant input is optimised away.
    feeds = {value.name: feeds[value.name] for value in session.get_inputs()}
    found = dict(zip(outputs, session.run(list(outputs), feeds), strict=True))
    return found["result"] if isinstance(built, Value) else found


def computed_exactly(build: Callable[..., Value | Mapping[str, Value]], *arguments: Any) -> Any:
    """Return the same in the precision of the arrays, also in float64, in which ONNX Runtime has no convolutions."""
    arrays = [np.asarray(argument) for argument in arguments]
    names = [f"input{number}" for number in range(len(arrays))]
    inputs = [Value.of_input(array.dtype, [None] * array.ndim) for array in arrays]
    built = build(*inputs)
    outputs = {"result": built} if isinstance(built, Value) else built
    model = build_model(dict(zip(names, inputs, strict=True)), outputs)
    found = run_exactly(model, dict(zip(names, arrays, strict=True)))
    return found["result"] if isinstance(built, Value) else found


def run_exactly(model: Any, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run a model in the precision of its inputs, with the layers of the network by PyTorch, which is faster."""
    evaluator = ReferenceEvaluator(model, new_ops=[Conv, MaxPool, AveragePool, Resize])
    return dict(zip(evaluator.output_names, evaluator.run(None, dict(feeds)), strict=True))


class _TorchOperator(OpRun):  # type: ignore[misc]
    op_domain = ""


class Conv(_TorchOperator):
    def _run(self, x: Any, weight: Any, bias: Any = None, **attributes: Any) -> Any:
        assert attributes["pads"] == [1, 1, 1, 1]
        tensors = [torch.from_numpy(np.array(array)) for array in (x, weight)]
        return (conv2d(*tensors, None if bias is None else torch.from_numpy(np.array(bias)), padding=1).numpy(),)


class MaxPool(_TorchOperator):
    def _run(self, x: Any, **attributes: Any) -> Any:
        assert attributes["kernel_shape"] == attributes["strides"] == [2, 2]
        return (max_pool2d(torch.from_numpy(x), 2).numpy(),)


class AveragePool(_TorchOperator):
    def _run(self, x: Any, **attributes: Any) -> Any:
        values = torch.from_numpy(np.array(x))
        if attributes["kernel_shape"] == [3, 3]:
            assert (attributes["pads"], attributes["count_include_pad"]) == ([1, 1, 1, 1], 0)
            return (avg_pool2d(values, 3, stride=1, padding=1, count_include_pad=False).numpy(),)
        assert attributes["kernel_shape"] == attributes["strides"] == [2, 2]
        return (avg_pool2d(values, 2).numpy(),)


class Resize(_TorchOperator):
    def _run(self, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, **attributes: Any) -> Any:
        assert (attributes["mode"], [*scales]) == ("nearest", [1, 1, 2, 2])
        return (interpolate(torch.from_numpy(x), scale_factor=2.0, mode="nearest").numpy(),)
