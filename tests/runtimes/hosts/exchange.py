"""The job of a host: run an artifact on given inputs and write its outputs.

A host is a program in the environment of one runtime, without this project. It is called with the artifact, the folder
of the job and arguments of its own. The folder contains `outputs.txt`, the names of the outputs in order, and one
folder per case with the tensors `inputs`. The host writes the tensors `outputs` to the folder of each case, and the
version of the runtime to `version.txt`.

Tensors are two files that are easy to read in every language: each line of NAME.txt is the name and the sides of a
tensor, and NAME.bin contains the values of all, little-endian. Values are float32, or int64 where :int64 follows the
name.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], Any]
"""Returns the outputs for the inputs: a mapping by name, or a sequence in order."""


def read_tensors(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return the tensors `name` of a case by their names."""
    tensors, start = {}, 0
    content = (folder / f"{name}.bin").read_bytes()
    for line in (folder / f"{name}.txt").read_text().splitlines():
        key, *sides = line.split()
        key, _, dtype = key.partition(":")
        shape = tuple(map(int, sides))
        values = np.frombuffer(content, dtype or "float32", int(np.prod(shape)), start)
        tensors[key] = values.reshape(shape)
        start += values.nbytes
    return tensors


def write_tensors(folder: Path, name: str, tensors: Arrays) -> None:
    """Write tensors to a case, as `read_tensors` reads them; other numbers than int64 become float32."""
    lines = []
    with (folder / f"{name}.bin").open("wb") as file:
        for key, tensor in tensors.items():
            values = np.asarray(tensor)
            is_integer = values.dtype == np.int64
            lines.append(" ".join(map(str, (f"{key}:int64" if is_integer else key, *values.shape))))
            file.write(np.ascontiguousarray(values, "<i8" if is_integer else "<f4").tobytes())
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def do_job(load: Callable[..., Run], version: str, *, each_size: bool = False) -> None:
    """Do the job that the command line names.

    Args:
        load: Called with the artifact, the inputs of a case, the names of the outputs and the arguments of the host;
            returns the function that runs the artifact.
        version: Version of the runtime.
        each_size: Whether a loaded artifact is specialised for the sizes of its inputs, so that each case loads it.
    """
    artifact, job, *arguments = sys.argv[1:]
    names = (Path(job) / "outputs.txt").read_text().split()
    (Path(job) / "version.txt").write_text(version)
    run: Run | None = None
    for case in sorted(path.parent for path in Path(job).glob("*/inputs.txt")):
        inputs = read_tensors(case, "inputs")
        if run is None or each_size:
            run = load(artifact, inputs, names, *arguments)
        write_tensors(case, "outputs", by_name(names, run(inputs)))


def not_run(reason: str) -> NoReturn:
    """End the host because the runtime cannot run on this machine."""
    sys.stderr.write(reason)
    sys.exit(77)


def by_name(names: Sequence[str], outputs: Any) -> dict[str, np.ndarray]:
    """Return the outputs by name, in the order of `names`."""
    found = outputs if isinstance(outputs, Mapping) else dict(zip(names, outputs, strict=True))
    return {name: np.asarray(found[name]) for name in names}
