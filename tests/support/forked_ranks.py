"""Ranks of one program that are forks of a process with PyTorch, which is much faster than torchrun.

The ranks get the environment variables that torchrun sets, and exchange their addresses through a store that belongs to
none of them, as with torchrun. No one terminates the other ranks if one fails. The network is a tiny one.
"""

import os
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from pytest import MonkeyPatch
from torch.distributed import TCPStore

from core.webapp.server import LOOPBACK
from support.tiny_vgg import use_tiny_vgg

LIMIT = 600
"""Seconds after which a rank counts as hanging."""

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["core.transfer", "core.style_transfer", "core.backends.torch_backend", "torch.distributed"]
)


@dataclass(frozen=True)
class Ended:
    """The exit statuses of the ranks, the negative number of a signal for a killed one; and what they all printed."""

    statuses: list[int | None]
    stdout: str
    stderr: str


class Ranks:
    """Running ranks."""

    def __init__(self, processes: Sequence[BaseProcess], outputs: Path) -> None:
        self._processes, self._outputs = processes, outputs

    def send(self, number: int, *, rank: int) -> None:
        """Send a signal to a rank."""
        os.kill(self._processes[rank].pid or 0, number)

    @property
    def running(self) -> bool:
        return all(process.is_alive() for process in self._processes)

    def wait(self) -> Ended:
        """Wait until all ranks have exited."""
        for process in self._processes:
            process.join(LIMIT)
        printed = {
            name: "".join(path.read_text() for path in sorted(self._outputs.glob(f"*.{name}")))
            for name in ("stdout", "stderr")
        }
        return Ended([process.exitcode for process in self._processes], **printed)


@contextmanager
def forked_ranks(number: int, module: str, *arguments: object) -> Iterator[Ranks]:
    """Start `number` ranks of `python -m module`, and kill those that are left at the end."""
    with TemporaryDirectory() as folder:
        store = TCPStore(LOOPBACK, 0, is_master=True, wait_for_workers=False)
        common = {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
        common |= {"MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
        processes = [
            _FORKS.Process(
                target=_run_rank,
                args=(
                    Path(folder, str(rank)),
                    common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                    module,
                    [str(argument) for argument in arguments],
                ),
            )
            for rank in range(number)
        ]
        # A rank would first import the main module of this process, perhaps a script that Streamlit has left there.
        with MonkeyPatch.context() as patches:
            patches.setitem(sys.modules, "__main__", ModuleType("__main__"))
            for process in processes:
                process.start()
        try:
            yield Ranks(processes, Path(folder))
        finally:
            for process in processes:
                process.kill()
                process.join()


def run_ranks(number: int, module: str, *arguments: object) -> Ended:
    """Run `number` ranks of `python -m module` to their end."""
    with forked_ranks(number, module, *arguments) as ranks:
        return ranks.wait()


def _run_rank(output: Path, environment: Mapping[str, str], module: str, arguments: list[str]) -> None:
    for descriptor, name in enumerate(("stdout", "stderr"), start=1):
        with output.with_suffix(f".{name}").open("w") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    with use_tiny_vgg():
        runpy.run_module(module, run_name="__main__", alter_sys=True)
