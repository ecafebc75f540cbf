"""Opens an ONNX model in ONNX Runtime: on CUDA where that really works, else on the CPU, and says which.

Does not import PyTorch. ONNX Runtime itself is imported on first use.
"""

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import StyleTransferError, UsageError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

# TF32 would cost three digits; the fast search for a convolution's algorithm suits sizes that rarely repeat.
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}

_FATAL = 4
_WARNING = 2  # ONNX Runtime's own default


def open_session(path: str | os.PathLike[str], device: str = "auto") -> Any:
    """Return an `onnxruntime.InferenceSession` on the model at `path`.

    `device`: "auto" or "cuda" ("cuda:1" for the second one) for CUDA where ONNX Runtime really runs on it,
    else the CPU; "cpu" for the CPU. `provider_of` says what it has become.

    Raises:
        UsageError: The model is damaged, or newer than this ONNX Runtime understands.
        StyleTransferError: ONNX Runtime is not installed.
    """
    ort = _onnxruntime()
    if device != "cpu" and CUDA in ort.get_available_providers() and _has_cuda_driver():
        index = device.partition(":")[2] or "0"
        # A provider that lacks a library writes to both output streams on its way to failing.
        with contextlib.redirect_stdout(io.StringIO()), _silenced(ort):
            ort.preload_dlls()
            with contextlib.suppress(Exception):
                return _create(ort, path, [(CUDA, {"device_id": index, **_CUDA_OPTIONS}), CPU])
    try:
        return _create(ort, path, [CPU])
    except Exception as error:  # ONNX Runtime has a class for every kind of failure, and no base for them
        raise _refusal(path, error, ort) from error


def run_session(session: Any, outputs: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs named, as NumPy arrays, for inputs that are such.

    Raises:
        StyleTransferError: The model does not take these inputs, or the memory does not suffice.
    """
    try:
        arrays = session.run(list(outputs), dict(inputs))
    except Exception as error:  # see `open_session`
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in inputs.items())
        raise StyleTransferError(
            f"ONNX Runtime failed with {shapes} ({str(error).splitlines()[0]}): "
            "use a smaller size, or an artifact made for this"
        ) from error
    return dict(zip(outputs, arrays, strict=True))


def provider_of(session: Any) -> str:
    """Return the execution provider that a session really runs on, such as "CPUExecutionProvider"."""
    return str(session.get_providers()[0])


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise StyleTransferError(
            "ONNX artifacts need onnxruntime, which is not installed: pip install onnxruntime"
        ) from error
    return onnxruntime


def _create(ort: Any, path: str | os.PathLike[str], providers: list[Any]) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    # Without its own fallback, which prints: ours is in `open_session`.
    return ort.InferenceSession(os.fspath(path), options, providers=providers, enable_fallback=0)


@contextlib.contextmanager
def _silenced(ort: Any) -> Iterator[None]:
    ort.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_WARNING)


def _has_cuda_driver() -> bool:
    """Whether there is a CUDA device: ONNX Runtime lists its CUDA provider on machines without one too."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _refusal(path: str | os.PathLike[str], error: Exception, ort: Any) -> UsageError:
    if "opset" in str(error).lower() or "IR version" in str(error):
        return UsageError(
            f"{os.fspath(path)} needs a newer ONNX opset than onnxruntime {ort.__version__} supports: "
            "update onnxruntime, or export it again"
        )
    return UsageError(
        f"{os.fspath(path)} cannot be loaded by onnxruntime {ort.__version__}: "
        "it is damaged or no ONNX model, so export it again"
    )
