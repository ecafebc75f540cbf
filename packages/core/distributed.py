"""Several ranks that optimise one image together, as torchrun starts them.

Every rank holds the whole image and takes all steps of the optimiser on the same numbers. Of the objective each rank
evaluates only its own tiles, and the ranks sum the results (after Galerne et al., *Scaling Painting Style Transfer*,
arXiv 2212.13459). Collectives must be called by all ranks in the same order. With one process they do nothing. PyTorch
is imported only where there are several ranks.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from core.config.style_losses import style_loss_spec
from core.errors import StyleTransferError, UsageError
from core.installation import require_full
from core.memory.out_of_memory import is_out_of_memory
from core.network.architecture import truncated

if TYPE_CHECKING:
    from torch import Tensor

    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

TIMEOUT = timedelta(minutes=30)
"""How long a collective waits for the other ranks. A rank that has exited is noticed at once; the timeout is for one
that hangs, and must be longer than the main process may take to write large files."""

Key = TypeVar("Key")


class RankDisconnectedError(StyleTransferError):
    """Another rank cannot be reached."""


class ReportedByOtherRank(StyleTransferError):
    """The run failed and another rank reports the error, so that this one only exits with `exit_status`."""

    def __init__(self, exit_status: int) -> None:
        super().__init__("run failed; the error is reported by another rank")
        self.exit_status = exit_status


@dataclass(frozen=True)
class ProcessGroup:
    """The ranks of a run: `rank`, counted from 0, of `world_size`; the `local` numbers are those on one machine."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the group that the environment variables of torchrun describe; without them, one process.

        Raises:
            UsageError: WORLD_SIZE is more than 1 and one of the other variables is missing.
        """
        if environment.get("WORLD_SIZE", "1") == "1":
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        try:
            return cls(*(int(environment[name]) for name in names))
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"WORLD_SIZE is {environment['WORLD_SIZE']!r} without numbers in {', '.join(names)}: "
                "start several processes with torchrun, or unset WORLD_SIZE"
            ) from error

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, which prints and writes files."""
        return self.rank == 0

    def all_reduce_sum(self, values: "Tensor") -> None:
        """Replace `values`, contiguous and of any shape, by their sum over all ranks, bit for bit equal everywhere."""
        if self.world_size > 1:
            with _collective():
                _torch_distributed().all_reduce(values)

    def all_reduce_sums(self, values: Mapping[Key, "Tensor"]) -> dict[Key, "Tensor"]:
        """Return the sums over all ranks of tensors of one dtype, in one collective; all ranks have the same keys."""
        if self.world_size == 1:
            return dict(values)
        import torch

        flat = torch.cat([value.flatten() for value in values.values()])
        self.all_reduce_sum(flat)
        parts = torch.split(flat, [value.numel() for value in values.values()])
        return {key: part.view_as(values[key]) for key, part in zip(values, parts, strict=True)}

    def all_reduce_min(self, values: Sequence[float]) -> list[float]:
        """Return the minimum over all ranks of each number."""
        if self.world_size == 1:
            return list(values)
        import torch

        found = torch.tensor(values, dtype=torch.float64)
        with _collective():
            _torch_distributed().all_reduce(found, op=_torch_distributed().ReduceOp.MIN)
        return [float(value) for value in found]

    def any_rank(self, value: bool) -> bool:
        """Return whether `value` is true on any rank."""
        return self.all_reduce_min([-float(value)]) == [-1.0]

    def check_same_start(self, evaluations: int) -> None:
        """Check that all ranks resume from the same checkpoint, or from none (0 evaluations).

        Raises:
            UsageError: They do not.
        """
        if not self._equal_everywhere(evaluations):
            raise UsageError(
                "the ranks do not find the same checkpoint: store it in a directory that all machines of the run share"
            )

    def check_same_image(self, image: "Tensor") -> None:
        """Check that all ranks have the same `image`, float32 or float64, of any shape.

        Different processors may round differently; the sums of their results would then belong to no image.

        Raises:
            StyleTransferError: The images differ.
        """
        if self.world_size == 1:
            return
        import torch

        bits = image.detach().contiguous().view({4: torch.int32, 8: torch.int64}[image.element_size()])
        # Differences that cancel out in this sum show at one of the next images.
        if not self._equal_everywhere(int(bits.sum(dtype=torch.int64)) % 2**53):
            raise StyleTransferError(
                "ranks have diverged: check that all ranks read identical files and run on identical hardware"
            )

    def _equal_everywhere(self, number: int) -> bool:
        """Return whether `number`, of at most 53 bits, is the same on all ranks."""
        least, most = self.all_reduce_min([number, -number])
        return least == -most

    def check_supports(self, config: "TransferConfig") -> None:
        """Check that the ranks can share a run with `config`.

        Raises:
            UsageError: They cannot.
        """
        if self.world_size == 1:
            return
        if not config.tileable:
            raise UsageError(
                f"--style-loss {config.style_loss} needs the whole image at once, which {self.world_size} processes "
                "cannot share: choose another --style-loss, or start one process"
            )
        if style_loss_spec(config.style_loss).position_targets:
            raise UsageError(
                f"--style-loss {config.style_loss} compares the content with all of a style image, which "
                f"{self.world_size} processes cannot share: choose another --style-loss, or start one process"
            )
        for artifact in ("objective", "painter"):
            if getattr(config, artifact):
                raise UsageError(
                    f"an exported {artifact} evaluates the whole image at once, which {self.world_size} processes "
                    f"cannot share: remove --{artifact}, or start one process"
                )
        if config.device == "mps":
            raise UsageError(
                f"{self.world_size} processes cannot share --device mps: use --device cpu, or start one process"
            )


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the ranks that torchrun started, for the duration of the block; call it in the main thread.

    If one rank fails, all fail: the first to notice raises the error, the others raise `ReportedByOtherRank`.

    Raises:
        UsageError: The environment variables do not say which rank this is.
        StyleTransferError: PyTorch is not installed, the other ranks cannot be reached, or one of them has failed.
    """
    group = ProcessGroup.of(os.environ)
    if group.world_size == 1:
        yield group
        return
    require_full("a run with several processes")
    store = _join(group)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield group
    except (StyleTransferError, KeyboardInterrupt) as error:
        # When one process has exited, torchrun terminates the others, and this may be the one that reports the error.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if _already_reported(store):
            raise ReportedByOtherRank(getattr(error, "exit_status", 1)) from error
        raise
    else:
        signal.signal(signal.SIGTERM, previous)
    finally:
        _torch_distributed().destroy_process_group()


def all_reduced_bytes(size: "Size", config: "TransferConfig", regions: int = 1) -> int:
    """Return the bytes that each rank exchanges for one evaluation at `size` (width, height).

    These are, in float32, the gradient, one number for each content layer, and one statistic for each style layer and
    region, plus a 16-byte checksum that detects ranks whose images have diverged.
    """
    statistic_size = style_loss_spec(config.style_loss).statistic_size
    assert statistic_size is not None, "losses that are not tileable are refused before"
    layers = truncated(config.arch, (*config.content_layers, *config.style_layers))
    statistics = sum(statistic_size(layer.out_channels) for layer in layers if layer.name in config.style_layers)
    return 4 * (3 * size[0] * size[1] + len(config.content_layers) + regions * statistics) + 16


def _join(group: ProcessGroup) -> Any:
    """Initialise torch.distributed and return a key-value store that all ranks share."""
    import torch

    distributed = _torch_distributed()
    backend = "cpu:gloo,cuda:nccl" if distributed.is_nccl_available() and torch.cuda.is_available() else "gloo"
    try:
        store, *_ = next(distributed.rendezvous("env://", timeout=TIMEOUT))
        distributed.init_process_group(
            backend, store=store, rank=group.rank, world_size=group.world_size, timeout=TIMEOUT
        )
        store = distributed.PrefixStore("core.distributed", store)
        # A rank that leaves while another one still connects would be an error of its own there.
        if store.add("joined", 1) == group.world_size:
            store.set("all joined", "")
        store.wait(["all joined"], TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise StyleTransferError(
            f"the {group.world_size} processes cannot reach each other ({str(error).splitlines()[0]}): "
            "start them with torchrun"
        ) from error
    return store


def _already_reported(store: Any) -> bool:
    """Return whether another rank has called this function before."""
    try:
        return bool(store.add("reported", 1) > 1)
    except RuntimeError:  # torchrun, which holds the store, has exited: report twice rather than never
        return False


@contextmanager
def _collective() -> Iterator[None]:
    """Convert errors of collectives.

    Raises:
        RankDisconnectedError: Another rank has exited.
    """
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise RankDisconnectedError(
            "another rank has exited or cannot be reached: start all processes again; with --checkpoint they resume"
        ) from error


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise RankDisconnectedError("the run was terminated, or another rank has exited: nothing was written")


def _torch_distributed() -> Any:
    import torch.distributed

    return torch.distributed
