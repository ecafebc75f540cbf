"""The job of a host: run an artifact on given inputs and write its outputs.

A host is a program in the environment of one runtime, without this project. It is called with the artifact, the folder
of the job and arguments of its own. The folder contains `outputs.txt`, the names of the outputs in order, and one
folder per case with the tensors `inputs`. The host writes the tensors `outputs` to the folder of each case, and the
version of the runtime to `version.txt`.

Tensors are two files that are easy to read in every language: each line of NAME.txt is the name and the sides of a
tensor, and NAME.bin contains the values of all, float32, little-endian.
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
    """Return the tensors `name` of a case by their names, float32."""
    tensors, start = {}, 0
    values = np.fromfile(folder / f"{name}.bin", "<f4")
    for line in (folder / f"{name}.txt").read_text().splitlines():
        key, *sides = line.split()
        shape = tuple(map(int, sides))
        size = int(np.prod(shape))
        tensors[key] = values[start : start + size].reshape(shape)
        start += size
    return tensors


def write_tensors(folder: Path, name: str, tensors: Arrays) -> None:
    """Write tensors to a case, as `read_tensors` reads them."""
    lines = [" ".join(map(str, (key, *np.shape(values)))) for key, values in tensors.items()]
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    with (folder / f"{name}.bin").open("wb") as file:
        for values in tensors.values():
            file.write(np.ascontiguousarray(values, "<f4").tobytes())


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
