"""What this machine is, and the limits that speeds are judged by: measured, not looked up."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
"""What is computed in. TF32 is CUDA's alone: float32 whose products carry ten bits of mantissa."""

PACKAGES = (
    "style-transfer-toolkit",
    "torch",
    "torchvision",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "pytest-benchmark",
)

VECTOR_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")
"""Instruction sets that decide how fast a convolution can be."""

ROUNDS = 5
COPIED_BYTES = 2**28
GEMM_SIDE = {"cpu": 2048, "cuda": 8192}
"""Large enough that a product is bound by arithmetic alone, small enough for a fraction of a second."""


@cache
def describe_machine() -> dict[str, Any]:
    """This machine and what is installed on it, JSON-ready.

    `name` is one line for people; runs whose names differ were measured on different machines. `threads` are
    those PyTorch computes with.
    """
    import cpuinfo
    import torch

    processor = cpuinfo.get_cpu_info()
    cpu = str(processor.get("brand_raw") or platform.processor() or platform.machine())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    return {
        "name": f"{cpu}, {cores} cores, {threads} threads" + (f", {gpu}" if gpu else ""),
        "cpu": cpu,
        "cores": cores,
        "threads": threads,
        "instruction_sets": [flag for flag in VECTOR_FLAGS if flag in processor.get("flags", [])],
        "memory_bytes": _physical_memory(),
        "gpu": gpu,
        "cuda": torch.version.cuda if gpu else None,
        "cudnn": torch.backends.cudnn.version() if gpu else None,  # type: ignore[no-untyped-call]
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | _installed(),
    }


def devices() -> tuple[str, ...]:
    """The devices that are here: "cpu", and "cuda" where there is one."""
    import torch

    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


@cache
def product_rate(device: str, precision: str) -> float:
    """Floating-point operations a second in a large matrix product: what a convolution cannot exceed.

    The fastest of five products of square matrices, 2048 on a side on the CPU and 8192 on CUDA, after one to warm up.
    """
    import torch

    side = GEMM_SIDE[device]
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return 2 * side**3 / _fastest_seconds(lambda: left @ right, device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@cache
def copy_rate(device: str) -> float:
    """Bytes a second that a copy within the device's memory reads and writes together."""
    import torch

    source = torch.zeros(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / _fastest_seconds(lambda: target.copy_(source), device)


def precisions_of(device: str) -> tuple[str, ...]:
    """The precisions worth measuring on a device: on a CPU half precision only where it has instructions for it."""
    if device == "cuda":
        return PRECISIONS
    has = describe_machine()["instruction_sets"]
    return ("fp32", "bf16") if {"avx512_bf16", "amx_bf16", "bf16"} & set(has) else ("fp32",)


def limits() -> list[dict[str, Any]]:
    """The measured limits of every device here: operations a second by precision, and bytes a second."""
    return [
        {
            "device": device,
            "flop_per_second": {precision: product_rate(device, precision) for precision in precisions_of(device)},
            "bytes_per_second": copy_rate(device),
        }
        for device in devices()
    ]


def _fastest_seconds(work: Callable[[], object], device: str) -> float:
    """The shortest time of five calls of `work`, each waited for, after one to warm up."""
    work()
    synchronise(device)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - started)
    return min(times)


def exactly() -> AbstractContextManager[None]:
    """Convolutions on CUDA in full float32, where cuDNN would otherwise round their factors to TF32."""
    import torch

    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def synchronise(device: str) -> None:
    """Wait until the device has done all it was given; a CPU has by the time a call returns."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
