"""Runs of `core.transfer` that are killed, or meet a full disk, at a chosen file operation.

Each run is a fork of a process that has imported PyTorch and replaced the network by a tiny one, so that it is fast.
The file operations below its folder are counted as Python reports them (audit events), and checkpoints are written as
often as `--checkpoint-every` says, so that a run is always ended at the same place, however fast the machine is.
"""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import core.runs.checkpoint
import core.transfer
from support.tiny_vgg import use_tiny_vgg

OPERATIONS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
"""Audit events that change a folder, besides "open" for writing."""

NEED_SPACE = ("open", "os.mkdir", "os.rename")
"""Audit events that fail on a full disk."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: by a signal, or with an exit status; its output; and how many file operations it reached."""

    status: int
    stdout: str
    stderr: str
    operations: int


class ForkedRuns:
    """Starts runs in forks of another process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, folder: Path, *arguments: object, kill: int = 0, full: int = 0, largest_file: int = 0) -> Ended:
        """Run `core.transfer` with these arguments.

        Args:
            folder: File operations below it are counted, from 1.
            arguments: The arguments of the command line.
            kill: The operation before which the run is killed; 0 for none.
            full: The operation from which on the disk of `folder` is full; 0 for none.
            largest_file: Limit on the size of every file in bytes; 0 for none.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        case = {"folder": str(folder), "arguments": [str(one) for one in arguments]}
        self._process.stdin.write(json.dumps(case | {"kill": kill, "full": full, "largest_file": largest_file}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def forked_runs() -> Iterator[ForkedRuns]:
    """Yield the means to start such runs."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    try:
        yield ForkedRuns(process)
    finally:
        process.communicate()


def _serve() -> None:
    torch.set_num_threads(1)
    core.runs.checkpoint.MIN_PAUSE_RATIO = 0
    with use_tiny_vgg():
        for line in sys.stdin:
            sys.stdout.write(json.dumps(_run(**json.loads(line))) + "\n")
            sys.stdout.flush()


def _run(folder: str, arguments: list[str], kill: int, full: int, largest_file: int) -> dict[str, Any]:
    files = [os.memfd_create(name) for name in ("stdout", "stderr", "operations")]
    child = os.fork()
    if child == 0:
        try:
            for number, file in enumerate(files[:2], start=1):
                os.dup2(file, number)
            _count_operations(folder, kill, full, files[2])
            if largest_file:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
            core.transfer.app(arguments)
        except SystemExit as error:
            os._exit(int(error.code or 0))
        except BaseException:  # noqa: BLE001 - the fork must end here in any case
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    texts = [os.pread(file, 10**6, 0).decode() for file in files]
    for file in files:
        os.close(file)
    return {"status": status, "stdout": texts[0], "stderr": texts[1], "operations": len(texts[2])}


def _count_operations(folder: str, kill: int, full: int, counter: int) -> None:
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in OPERATIONS) or not str(arguments[0]).startswith(folder):
            return
        count += 1
        os.write(counter, b".")
        if count == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if full and count >= full and event in NEED_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)


if __name__ == "__main__":
    _serve()
