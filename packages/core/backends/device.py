"""Where PyTorch computes, in which precision, and how much memory there is."""

import torch

from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import StyleTransferError
from core.memory.host import host_memory
from core.memory.plan import Memory
from core.network.dtypes import HALF_PRECISIONS


def choose_precision(config: TransferConfig, device: torch.device) -> str:
    """The precision that `config` asks for, or for `auto` the fastest that serves on `device`.

    That is bfloat16 where there are instructions for it, and on older CUDA devices float16. Artifacts have their own,
    float32.

    Raises:
        StyleTransferError: The device cannot compute in the one asked for.
    """
    if config.extractor or config.objective:
        return "fp32"
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    missing = (
        capability < (8, 0)
        if config.precision == "tf32"
        else device.type == "mps" and config.precision in HALF_PRECISIONS
    )
    if missing:
        raise StyleTransferError(f"{device} cannot compute with --precision {config.precision}: use auto or fp32")
    if config.precision != "auto":
        return config.precision
    if capability >= (8, 0) or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()):
        return "bf16"
    return "fp16" if capability >= (7, 0) else "fp32"


def memory_for(device: torch.device, config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Memory:
    """The memory to plan with on `device`: what is free, or what `config` allows.

    For each of several processes, that of the one which has least; those of one machine share the host's.
    """
    host = host_memory() / group.local_count
    if device.type != "cuda":  # MPS shares the host's
        return Memory.of(config, *group.least([host]))
    free, _ = torch.cuda.mem_get_info(device)
    return Memory.of(config, *group.least([host, free + torch.cuda.memory_reserved(device)]))


def choose_device(name: str, group: ProcessGroup = SINGLE_PROCESS) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`; with CUDA one for each of the processes of a machine.

    Raises:
        StyleTransferError: The one asked for is not there.
    """
    several = group.count > 1
    mps = torch.backends.mps.is_available() and not several
    present = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}
    kind = next(kind for kind, there in present.items() if there) if name == "auto" else name
    if not present[kind]:
        raise StyleTransferError(
            f"PyTorch {torch.__version__} finds no {name} device on this machine: use --device auto or --device cpu"
        )
    return _own_device(group) if kind == "cuda" and several else torch.device(kind)


def _own_device(group: ProcessGroup) -> torch.device:
    """The CUDA device of this process."""
    if group.local_count > (there := torch.cuda.device_count()):
        raise StyleTransferError(
            f"there are {group.local_count} processes for {there} CUDA devices: start one for each, or use --device cpu"
        )
    torch.cuda.set_device(group.local_rank)  # where things go that name no device
    return torch.device("cuda", group.local_rank)
