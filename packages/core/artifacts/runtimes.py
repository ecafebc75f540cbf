"""The runtimes that execute ONNX artifacts without PyTorch.

A runtime is a function that opens a session and one entry of `RUNTIMES`; its name is a value of
`core.config.transfer_config.RuntimeName`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from core.artifacts.onnx_session import CUDA, open_session
from core.artifacts.openvino_session import open_openvino_session
from core.errors import UsageError


class Session(Protocol):
    """A loaded ONNX model: the methods of `onnxruntime.InferenceSession` that this program calls."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> Sequence[Any]:
        """Return the named outputs as NumPy arrays, given NumPy arrays as inputs."""
        ...

    def get_outputs(self) -> Sequence[Any]:
        """Return the outputs, each with the attribute `name`."""
        ...

    def get_providers(self) -> Sequence[str]:
        """Return the name of what computes, in a sequence."""
        ...


@dataclass(frozen=True)
class Runtime:
    """A program that executes ONNX models.

    Attributes:
        packages: Names of its distributions, of which one is installed.
        precisions: Precisions in which it computes.
        open: Returns a session, given a path, a device, one of the precisions, and whether to accept control flow.
    """

    packages: tuple[str, ...]
    precisions: tuple[str, ...]
    open: Callable[[str | os.PathLike[str], str, str, bool], Session]


RUNTIMES: Mapping[str, Runtime] = {
    "onnxruntime": Runtime(
        ("onnxruntime-gpu", "onnxruntime"),
        ("fp32",),
        lambda path, device, _, control_flow: open_session(path, device, control_flow=control_flow),
    ),
    "openvino": Runtime(("openvino",), ("fp32", "bf16"), open_openvino_session),
}
"""The runtimes by their names on the command line."""


@dataclass(frozen=True)
class Execution:
    """A choice of what executes an ONNX model: a key of `RUNTIMES`, and one of the precisions of this runtime.

    Raises:
        UsageError: The runtime does not compute in this precision.
    """

    runtime: str = "onnxruntime"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        """Refuse a precision that the runtime does not have."""
        supported = RUNTIMES[self.runtime].precisions
        if self.precision not in supported:
            others = [
                f", or add --runtime {name}" for name, one in RUNTIMES.items() if self.precision in one.precisions
            ]
            raise UsageError(
                f"--precision is {self.precision}, but {self.runtime} computes in {' or '.join(supported)}: "
                f"remove --precision{''.join(others)}"
            )

    def open(self, path: str | os.PathLike[str], device: str = "auto", *, control_flow: bool = False) -> Session:
        """Return a session for the ONNX model at `path`.

        Args:
            path: An ONNX model.
            device: "auto", "cpu", "cuda" or "cuda:N".
            control_flow: Whether to accept a graph with loops and branches, which may run without end.

        Raises:
            UsageError: The model is damaged, or the runtime does not support the device.
            StyleTransferError: The runtime is not installed, or this machine does not support the precision.
        """
        return RUNTIMES[self.runtime].open(path, device, self.precision, control_flow)

    @property
    def version(self) -> str:
        """The version of the runtime, "" if it is not installed."""
        for package in RUNTIMES[self.runtime].packages:
            with suppress(PackageNotFoundError):
                return version(package)
        return ""

    def describe(self, provider: str) -> dict[str, str]:
        """Return version, device and `provider` of a session for the run record."""
        return {
            self.runtime: self.version,
            "device": "cuda" if provider == CUDA else "cpu",
            "provider": provider,
        }


ONNX_RUNTIME = Execution()
"""The default."""
