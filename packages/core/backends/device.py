"""Choose the device and the precision of PyTorch, and find out how much memory there is."""

import torch

from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import StyleTransferError
from core.memory.host import host_memory
from core.memory.plan import Memory
from core.network.dtypes import HALF_PRECISIONS


def choose_precision(config: TransferConfig, device: torch.device) -> str:
    """Return the precision of `config`; for `auto`, the fastest one that `device` has instructions for.

    That is bfloat16, or float16 on older CUDA devices, else float32. Exported artifacts compute in float32.

    Raises:
        StyleTransferError: The device does not support the precision of `config`.
    """
    if config.extractor or config.objective or config.painter:
        return "fp32"
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    missing = (
        capability < (8, 0)
        if config.precision == "tf32"
        else device.type == "mps" and config.precision in HALF_PRECISIONS
    )
    if missing:
        raise StyleTransferError(f"{device} does not support --precision {config.precision}: use auto or fp32")
    if config.precision != "auto":
        return config.precision
    if capability >= (8, 0) or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()):
        return "bf16"
    return "fp16" if capability >= (7, 0) else "fp32"


def memory_for(device: torch.device, config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Memory:
    """Return the memory to plan with on `device`: the available memory, or the limit of `config`.

    With several ranks it is that of the rank with the least; the ranks of one machine share the memory of the host.
    """
    host = host_memory() / group.local_world_size
    if device.type != "cuda":  # MPS shares the memory of the host
        return Memory.of(config, *group.all_reduce_min([host]))
    free, _ = torch.cuda.mem_get_info(device)
    return Memory.of(config, *group.all_reduce_min([host, free + torch.cuda.memory_reserved(device)]))


def choose_device(name: str, group: ProcessGroup = SINGLE_PROCESS) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `mps`; with CUDA, every rank of a machine has its own device.

    Raises:
        StyleTransferError: The device is missing.
    """
    several = group.world_size > 1
    mps = torch.backends.mps.is_available() and not several
    present = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}
    kind = next(kind for kind, there in present.items() if there) if name == "auto" else name
    if not present[kind]:
        raise StyleTransferError(
            f"PyTorch {torch.__version__} finds no {name} device on this machine: use --device auto or --device cpu"
        )
    return _device_of_rank(group) if kind == "cuda" and several else torch.device(kind)


def _device_of_rank(group: ProcessGroup) -> torch.device:
    if group.local_world_size > (devices := torch.cuda.device_count()):
        raise StyleTransferError(
            f"there are {group.local_world_size} processes but {devices} CUDA devices: start one process per device, "
            "or use --device cpu"
        )
    torch.cuda.set_device(group.local_rank)  # the default device of tensors that name none
    return torch.device("cuda", group.local_rank)
