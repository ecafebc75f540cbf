"""OpenVINO sessions for ONNX models, on the CPU.

This module does not import PyTorch; it imports OpenVINO on first use.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from core.artifacts.onnx_check import read_checked
from core.errors import StyleTransferError, UsageError, first_line

OPENVINO = "OpenVINO"
"""The provider of these sessions, in place of an execution provider of ONNX Runtime."""

_HINTS = {"fp32": "f32", "bf16": "bf16"}
"""OpenVINO's names of the precisions. Its own default is bf16 where the CPU supports it."""


class OpenVinoSession:
    """A model that OpenVINO compiled, with the methods of `onnxruntime.InferenceSession` that this program calls."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Return the named outputs as NumPy arrays, given NumPy arrays as inputs."""
        values = self._model(dict(inputs))
        return [values[name].copy() for name in outputs]  # the next run overwrites the arrays of OpenVINO

    def get_outputs(self) -> list[Any]:
        """Return the outputs, each with the attribute `name`; one that is a value of the graph too has several."""
        return [_Output(name) for output in self._model.outputs for name in output.names]

    def get_providers(self) -> list[str]:
        """Return the name that stands for an execution provider."""
        return [OPENVINO]


class _Output:
    def __init__(self, name: str) -> None:
        self.name = name


def open_openvino_session(
    path: str | os.PathLike[str], device: str = "auto", precision: str = "fp32", control_flow: bool = False
) -> OpenVinoSession:
    """Return a session for the model at `path`.

    Args:
        path: An ONNX model.
        device: "auto" or "cpu".
        precision: "fp32", or "bf16" for convolutions and products in bfloat16; inputs and outputs are float32.
        control_flow: Whether to accept a graph with loops and branches, which may run without end.

    Raises:
        UsageError: The model is damaged, or the device is not the CPU.
        StyleTransferError: OpenVINO is not installed, or the CPU does not support the precision.
    """
    if device not in ("auto", "cpu"):
        raise UsageError(f"--device is {device}, and OpenVINO runs on the CPU here: use --device auto or cpu")
    core = openvino_core()
    if precision.upper() not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise StyleTransferError(f"this CPU has no {precision} instructions: remove --precision {precision}")
    try:
        content = read_checked(path, control_flow=control_flow)
    except EOFError as error:
        raise UsageError(f"{os.fspath(path)} is damaged: export it again") from error
    try:
        # Given a path, OpenVINO would read other files of the same folder if the model names them.
        model = core.read_model(content)
        return OpenVinoSession(core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": _HINTS[precision]}))
    except RuntimeError as error:
        raise UsageError(
            f"{os.fspath(path)} cannot be loaded by OpenVINO ({first_line(error)}): export it again"
        ) from error


@cache
def openvino_core() -> Any:
    """Return the `openvino.Core` of this process, for which OpenVINO must be installed.

    The process has a single core object: each one sets a stack for signal handlers, and two that end in the order of
    their creation leave the stack of the first, already freed, so that the next Ctrl-C would end the process without
    writing the image.

    Raises:
        StyleTransferError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise StyleTransferError(
            "--runtime openvino needs OpenVINO, which is not installed: pip install openvino"
        ) from error
    return openvino.Core()
