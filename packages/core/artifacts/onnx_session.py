"""ONNX Runtime sessions: CUDA where it works, else the CPU.

This module does not import PyTorch; it imports ONNX Runtime on first use.
"""

import contextlib
import ctypes
import io
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from core.artifacts.onnx_check import read_checked
from core.artifacts.openvino_session import OPENVINO
from core.errors import StyleTransferError, UsageError, first_line
from core.installation import INSTALL_FULL, INSTALL_LIGHT
from core.memory.host import host_memory

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

# TF32 would cost three digits. The exhaustive search for a convolution algorithm, which is the default, only pays off
# for image sizes that repeat.
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}

_LOG_FATAL = 4
_LOG_WARNING = 2  # the default of ONNX Runtime


def open_session(path: str | os.PathLike[str], device: str = "auto", *, control_flow: bool = False) -> Any:
    """Return an `onnxruntime.InferenceSession` for the model at `path`.

    Args:
        path: An ONNX model.
        device: "cpu", or "auto", "cuda" or "cuda:N" for CUDA with the CPU as fallback. `provider_of` returns the
            provider in use.
        control_flow: Whether to accept a graph with loops and branches, which may run without end.

    Raises:
        UsageError: The model is damaged, not that of an artifact, or needs a newer ONNX Runtime.
        StyleTransferError: ONNX Runtime is not installed.
    """
    ort = _import_onnxruntime()
    model = _read_checked(ort, path, control_flow=control_flow)
    if device != "cpu" and CUDA in ort.get_available_providers() and _has_cuda_device():
        index = device.partition(":")[2] or "0"
        # A provider with a missing library prints to stdout and stderr before it fails.
        with contextlib.redirect_stdout(io.StringIO()), _without_log(ort):
            ort.preload_dlls()
            with contextlib.suppress(Exception):
                providers = [(CUDA, {"device_id": index, **_CUDA_OPTIONS}), CPU]
                return _create(ort, model, providers, _session_options(ort))
    options = _session_options(ort)
    if _limits_memory(ort):
        options.add_session_config_entry("session.use_env_allocators", "1")
    return _create_on_cpu(ort, path, model, options)


def read_metadata(path: str | os.PathLike[str]) -> Mapping[str, str]:
    """Return the metadata entries of the ONNX model at `path`.

    ONNX Runtime loads the graph but executes no part of it: with all graph optimisations disabled it folds no
    constants.

    Raises:
        UsageError: The model is damaged, not that of an artifact, or needs a newer ONNX Runtime.
        StyleTransferError: ONNX Runtime is not installed.
    """
    ort = _import_onnxruntime()
    options = _session_options(ort)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")  # saves a copy of the weights
    options.intra_op_num_threads = 1
    session = _create_on_cpu(ort, path, _read_checked(ort, path, control_flow=True), options)
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return metadata


def run_session(session: Any, outputs: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the named outputs as NumPy arrays, given NumPy arrays as inputs, in any runtime.

    Raises:
        StyleTransferError: The model does not accept these inputs, or memory is insufficient.
    """
    try:
        arrays = session.run(list(outputs), dict(inputs))
    except Exception as error:  # the exceptions of ONNX Runtime have no common base class
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in inputs.items())
        runtime = OPENVINO if provider_of(session) == OPENVINO else "ONNX Runtime"
        raise StyleTransferError(
            f"{runtime} failed with {shapes} ({first_line(error)}): use a smaller image, or an artifact "
            "exported for these inputs"
        ) from error
    return dict(zip(outputs, arrays, strict=True))


def provider_of(session: Any) -> str:
    """Return the execution provider that a session uses, such as "CPUExecutionProvider", or "OpenVINO"."""
    return str(session.get_providers()[0])


def require_device(provider: str, device: str, remedy: str) -> None:
    """Raise StyleTransferError, which ends with `remedy`, if a session runs on the CPU where `device` is another."""
    if device not in ("auto", "cpu") and provider == CPU:
        raise StyleTransferError(
            f"ONNX Runtime finds no {device} device on this machine: use --device auto or --device cpu, or {remedy}"
        )


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise StyleTransferError(
            f"ONNX artifacts need ONNX Runtime, which is not installed: run {INSTALL_FULL}, or {INSTALL_LIGHT} where "
            "PyTorch is not needed"
        ) from error
    return onnxruntime


def _session_options(ort: Any) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    # A model may store weights in other files of any folder below this one. The null device is no folder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.add_session_config_entry("session.load_model_format", "ONNX")  # and no other, which would not be checked
    return options


@cache
def _limits_memory(ort: Any) -> bool:
    """Let all sessions on the CPU share the memory that is available now; return False if it is not known.

    A graph that needs more then fails, instead of exhausting the memory of the machine.
    """
    available = host_memory()
    if available == math.inf:
        return False
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"max_mem": int(available)}))
    return True


def _read_checked(ort: Any, path: str | os.PathLike[str], *, control_flow: bool) -> bytes:
    """Return the content of an ONNX file whose graph has been checked.

    Raises:
        UsageError: The file is damaged, or its graph cannot be that of an artifact.
    """
    try:
        return read_checked(path, control_flow=control_flow)
    except EOFError as error:
        raise _load_error(path, error, ort) from error


def _create(ort: Any, model: bytes, providers: list[Any], options: Any) -> Any:
    # The fallback of ONNX Runtime prints; `open_session` has its own. Given a path, ONNX Runtime would read other files
    # of the same folder if the model names them.
    return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _create_on_cpu(ort: Any, path: str | os.PathLike[str], model: bytes, options: Any) -> Any:
    try:
        return _create(ort, model, [CPU], options)
    except Exception as error:  # the exceptions of ONNX Runtime have no common base class
        raise _load_error(path, error, ort) from error


@contextlib.contextmanager
def _without_log(ort: Any) -> Iterator[None]:
    ort.set_default_logger_severity(_LOG_FATAL)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_LOG_WARNING)


def _has_cuda_device() -> bool:
    """Return whether the CUDA driver finds a device; ONNX Runtime lists its CUDA provider without one too."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _load_error(path: str | os.PathLike[str], error: Exception, ort: Any) -> UsageError:
    if "opset" in str(error).lower() or "IR version" in str(error):
        return UsageError(
            f"{os.fspath(path)} needs a newer ONNX opset than onnxruntime {ort.__version__} supports: "
            "update onnxruntime, or export it with a lower --opset"
        )
    if "External data" in str(error):
        return UsageError(f"{os.fspath(path)} stores weights in other files, which are not read: export it again")
    return UsageError(
        f"{os.fspath(path)} cannot be loaded by onnxruntime {ort.__version__}: it is damaged or not an ONNX model; "
        "export it again"
    )
