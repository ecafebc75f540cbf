"""Run an artifact in another runtime and compare its outputs with those of ONNX Runtime."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.verify.parity import relative_l2
from runtimes.artifacts import Artifact, Case
from runtimes.environments import last_line, run
from runtimes.hosts.exchange import read_tensors, write_tensors
from runtimes.registry import Runtime

NOT_RUN = 77
"""Exit status of a host that cannot run here, as in Automake; its last line is the reason."""


class HostError(Exception):
    """An artifact that a runtime cannot run; the message is that of the host."""


class NotRun(Exception):
    """An artifact that was not run; the message is the reason."""


def measure(
    runtime: Runtime, artifact: Artifact, file: Path, host: Sequence[str], cases: Sequence[Case], folder: Path
) -> Mapping[str, float]:
    """Return the largest relative L2 difference from ONNX Runtime of each quantity.

    Args:
        runtime: Gives the arguments of the host.
        artifact: Gives the quantities.
        file: The artifact.
        host: The command that starts the host.
        cases: Inputs, and the outputs of ONNX Runtime.
        folder: An empty folder for the job; `version_in` reads the version of the runtime there.

    Raises:
        HostError: The runtime fails.
        NotRun: It cannot run on this machine.
    """
    (folder / "outputs.txt").write_text("\n".join(artifact.outputs) + "\n")
    for case in cases:
        (folder / case.name).mkdir()
        write_tensors(folder / case.name, "inputs", case.inputs)
    try:
        ran = run([*host, file, folder, *runtime.arguments])
    except subprocess.TimeoutExpired as error:
        raise HostError("takes longer than the time limit") from error
    if ran.returncode == NOT_RUN:
        raise NotRun(last_line(ran))
    if ran.returncode:
        raise HostError(f"{ran.stderr}\nexit status {ran.returncode}")
    outputs = {case.name: read_tensors(folder / case.name, "outputs") for case in cases}
    return {
        quantity: max(relative_l2(outputs[case.name][name], case.expected[name]) for case in cases for name in names)
        for quantity, names in artifact.quantities.items()
    }


def version_in(folder: Path) -> str:
    """Return the version of the runtime without its build, "" if the host has not started."""
    file = folder / "version.txt"
    return file.read_text().partition("+")[0] if file.exists() else ""
