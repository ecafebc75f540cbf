"""Description of this machine, and its measured limits: matrix products and copies in memory."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
"""Precisions of the benchmarks. TF32 exists on CUDA only: float32 products with a mantissa of 10 bits."""

PACKAGES = (
    "style-transfer-toolkit",
    "torch",
    "torchvision",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "pytest-benchmark",
)
"""Packages whose versions are recorded."""

VECTOR_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")
"""Instruction sets that affect the speed of convolutions."""

ROUNDS = 5
COPY_BYTES = 2**28
MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices: large enough to be bound by arithmetic, small enough for a fraction of a second."""


class Machine(Struct, frozen=True, kw_only=True):
    """A machine and the software installed on it.

    `name` is one line that identifies the machine in reports and comparisons. `threads` is PyTorch's thread count.
    """

    name: str
    versions: Mapping[str, str]
    cpu: str = ""
    cores: int | None = None
    threads: int | None = None
    instruction_sets: tuple[str, ...] = ()
    memory_bytes: int | None = None
    gpu: str | None = None
    cuda: str | None = None
    cudnn: int | None = None
    platform: str = ""


class DeviceLimits(Struct, frozen=True):
    """Measured limits of a device: operations per second by precision, and bytes per second."""

    device: str
    flop_per_second: Mapping[str, float]
    bytes_per_second: float


@cache
def describe_machine() -> Machine:
    """Return the description of this machine."""
    import cpuinfo
    import torch

    processor = cpuinfo.get_cpu_info()
    cpu = str(processor.get("brand_raw") or platform.processor() or platform.machine())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    return Machine(
        name=f"{cpu}, {cores} cores, {threads} threads" + (f", {gpu}" if gpu else ""),
        cpu=cpu,
        cores=cores,
        threads=threads,
        instruction_sets=tuple(flag for flag in VECTOR_FLAGS if flag in processor.get("flags", [])),
        memory_bytes=_physical_memory(),
        gpu=gpu,
        cuda=torch.version.cuda if gpu else None,
        cudnn=torch.backends.cudnn.version() if gpu else None,  # type: ignore[no-untyped-call]
        platform=platform.platform(),
        versions={"python": platform.python_version()} | _installed_versions(),
    )


def available_devices() -> tuple[str, ...]:
    """Return "cpu", and "cuda" if PyTorch finds a CUDA device."""
    import torch

    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def supported_precisions(device: str) -> tuple[str, ...]:
    """Return the precisions to benchmark on a device; on a CPU, bf16 only if it has instructions for it."""
    if device == "cuda":
        return PRECISIONS
    flags = set(describe_machine().instruction_sets)
    return ("fp32", "bf16") if flags & {"avx512_bf16", "amx_bf16", "bf16"} else ("fp32",)


@cache
def matmul_rate(device: str, precision: str) -> float:
    """Measure the floating-point operations per second of a large matrix product, an upper limit of convolutions.

    The result is the fastest of five products of square matrices (side: `MATMUL_SIDE`) after one warm-up.
    """
    import torch

    side = MATMUL_SIDE[device]
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return 2 * side**3 / _fastest_seconds(lambda: left @ right, device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@cache
def copy_rate(device: str) -> float:
    """Measure the bytes per second that a copy within the memory of the device reads and writes together."""
    import torch

    source = torch.zeros(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / _fastest_seconds(lambda: target.copy_(source), device)


def measure_limits() -> list[DeviceLimits]:
    """Measure the limits of every available device."""
    return [
        DeviceLimits(
            device,
            {precision: matmul_rate(device, precision) for precision in supported_precisions(device)},
            copy_rate(device),
        )
        for device in available_devices()
    ]


def full_float32() -> AbstractContextManager[None]:
    """Return a context in which cuDNN convolves in full float32 instead of rounding the factors to TF32."""
    import torch

    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def synchronize(device: str) -> None:
    """Wait until the device has finished all queued work; a CPU has finished when a call returns."""
    if device in ("cuda", "mps"):
        import torch

        (torch.cuda if device == "cuda" else torch.mps).synchronize()


def _fastest_seconds(work: Callable[[], object], device: str) -> float:
    """Return the shortest time of `ROUNDS` synchronised calls after one warm-up call."""
    work()
    synchronize(device)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None


def _installed_versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
