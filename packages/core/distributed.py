"""Several processes that paint one picture, as torchrun starts them: which one this is, and what they do together.

Each holds the whole picture and takes all the steps of the optimiser, on the same numbers; of the objective each
computes only its own tiles, and the processes add up what these give (after Galerne et al., *Scaling Painting Style
Transfer*, arXiv 2212.13459). Whatever involves the others is to be called by all of them, in the same order. PyTorch is
imported only where there are several.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from core.errors import StyleTransferError, UsageError
from core.memory.out_of_memory import is_out_of_memory
from core.network.architecture import truncated

if TYPE_CHECKING:
    from torch import Tensor

    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

PATIENCE = timedelta(minutes=30)
"""How long to wait for the others. One that has ended is noticed at once; this is for one that hangs, and must be
longer than the first one may take to write large files."""

Key = TypeVar("Key")


class RankDisconnectedError(StyleTransferError):
    """Another process can no longer be reached."""


class ReportedByOtherRank(StyleTransferError):
    """Another process tells why the run fails, so that nothing is left to say: only how to exit."""

    def __init__(self, exit_status: int) -> None:
        super().__init__("another process of this run tells why it fails")
        self.exit_status = exit_status


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that paint together, `count` of them, this one the one of that `rank`, from 0.

    The `local` numbers are those among the processes of one machine. Alone, a process needs nobody: it adds nothing,
    waits for nothing, and all that it has is agreed upon.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Those that the variables describe which torchrun sets; without them this process alone.

        Raises:
            UsageError: They say that there are several, but not which one this is.
        """
        if environment.get("WORLD_SIZE", "1") == "1":
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        try:
            return cls(*(int(environment[name]) for name in names))
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"WORLD_SIZE is {environment['WORLD_SIZE']!r} without numbers in {', '.join(names)}: "
                "start several processes with torchrun, or unset it"
            ) from error

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def add(self, values: "Tensor") -> None:
        """Replace `values`, contiguous and of any shape, by their sum over all processes, the same bits everywhere."""
        if self.count > 1:
            with _together():
                _distributed().all_reduce(values)

    def sums(self, values: Mapping[Key, "Tensor"]) -> dict[Key, "Tensor"]:
        """What `add` makes of tensors of one kind, under the same keys everywhere, in one go."""
        if self.count == 1:
            return dict(values)
        import torch

        flat = torch.cat([value.flatten() for value in values.values()])
        self.add(flat)
        parts = torch.split(flat, [value.numel() for value in values.values()])
        return {key: part.view_as(values[key]) for key, part in zip(values, parts, strict=True)}

    def least(self, values: Sequence[float]) -> list[float]:
        """Of each number the least that a process has."""
        if self.count == 1:
            return list(values)
        import torch

        found = torch.tensor(values, dtype=torch.float64)
        with _together():
            _distributed().all_reduce(found, op=_distributed().ReduceOp.MIN)
        return [float(value) for value in found]

    def any(self, said: bool) -> bool:
        """Whether one of the processes says so."""
        return self.least([-float(said)]) == [-1.0]

    def require_same_start(self, evaluations: int) -> None:
        """Make sure that all processes go on from the same checkpoint, or from none: 0 evaluations.

        Raises:
            UsageError: They do not.
        """
        if not self._agree(evaluations):
            raise UsageError(
                "the processes do not find the same checkpoint: keep it in a folder that all machines of the run share"
            )

    def require_same_image(self, image: "Tensor") -> None:
        """Make sure that all processes are at the same picture: float32 or float64, of any shape.

        Processors of another kind may round in other ways, and then what is added up would belong to no picture.

        Raises:
            StyleTransferError: They are not.
        """
        if self.count == 1:
            return
        import torch

        bits = image.detach().contiguous().view({4: torch.int32, 8: torch.int64}[image.element_size()])
        # Differences that cancel out in the sum show at one of the next pictures.
        if not self._agree(int(bits.sum(dtype=torch.int64)) % 2**53):
            raise StyleTransferError(
                "the processes have come to different pictures: give all of them the same files, and machines of one "
                "kind"
            )

    def _agree(self, number: int) -> bool:
        """Whether all have the same number, of at most 53 bits."""
        least, most = self.least([number, -number])
        return least == -most

    def require_shareable(self, config: "TransferConfig") -> None:
        """Make sure that the processes can share what `config` asks for.

        Raises:
            UsageError: They cannot.
        """
        if self.count == 1:
            return
        if not config.tileable:
            raise UsageError(
                f"--style-loss {config.style_loss} needs the whole picture at once, which {self.count} processes "
                "cannot share: compare styles by gram or wasserstein, or start one process"
            )
        if config.objective:
            raise UsageError(
                f"an exported objective computes the whole picture at once, which {self.count} processes cannot "
                "share: leave out --objective, or start one process"
            )
        if config.device == "mps":
            raise UsageError(f"{self.count} processes cannot share --device mps: use --device cpu, or start one")


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """The processes that torchrun started with this one, joined for as long as the block runs; in the main thread.

    Where it fails in one of them it fails in all: with its sentence in the first one to notice, with `ReportedByOtherRank` in
    the others.

    Raises:
        UsageError: It is not clear which process this is.
        StyleTransferError: The others are out of reach, or one of them has failed.
    """
    group = ProcessGroup.of(os.environ)
    if group.count == 1:
        yield group
        return
    store = _join(group)
    previous = signal.signal(signal.SIGTERM, _end)
    try:
        yield group
    except (StyleTransferError, KeyboardInterrupt) as error:
        # Once one process has ended torchrun ends the others, and this may be the one that is to tell why.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if _is_told(store):
            raise ReportedByOtherRank(getattr(error, "exit_status", 1)) from error
        raise
    else:
        signal.signal(signal.SIGTERM, previous)
    finally:
        _distributed().destroy_process_group()


def all_reduced_bytes(size: "Size", config: "TransferConfig", regions: int = 1) -> int:
    """How many bytes each process adds to those of the others for one evaluation at `size`, width and height.

    The gradient, a number for each content layer and a matrix for each style layer and each of the `regions`, in
    float32, and 16 bytes by which they see that they are at the same picture.
    """
    means = config.style_loss == "wasserstein"  # a column beside the matrix
    layers = truncated(config.arch, (*config.content_layers, *config.style_layers))
    styles = [layer.out_channels for layer in layers if layer.name in config.style_layers]
    statistics = regions * sum(channels * (channels + means) for channels in styles)
    return 4 * (3 * size[0] * size[1] + len(config.content_layers) + statistics) + 16


def _join(group: ProcessGroup) -> Any:
    """Join the others; what comes back counts for all of them."""
    import torch

    distributed = _distributed()
    backend = "cpu:gloo,cuda:nccl" if distributed.is_nccl_available() and torch.cuda.is_available() else "gloo"
    try:
        store, *_ = next(distributed.rendezvous("env://", timeout=PATIENCE))
        distributed.init_process_group(backend, store=store, rank=group.rank, world_size=group.count, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise StyleTransferError(
            f"the {group.count} processes cannot reach each other ({str(error).splitlines()[0]}): "
            "start them with torchrun"
        ) from error
    return distributed.PrefixStore("core.distributed", store)


def _is_told(store: Any) -> bool:
    """Whether another process has said before this one that it will tell why the run fails."""
    try:
        return bool(store.add("told", 1) > 1)
    except RuntimeError:  # torchrun, which keeps the store, has ended: better told twice than never
        return False


@contextmanager
def _together() -> Iterator[None]:
    """Wait for the others in the block.

    Raises:
        Lost: One of them has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise RankDisconnectedError(
            "another process of this run has ended or cannot be reached: start all of them again, and with "
            "--checkpoint they go on from where they were"
        ) from error


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise RankDisconnectedError("the run was asked to end, or another process of it has ended: nothing was written")


def _distributed() -> Any:
    import torch.distributed

    return torch.distributed
