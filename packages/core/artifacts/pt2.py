"""Runs an extractor that torch.export saved, reading its archive as data: numbers, and a list of operators.

`torch.export.load` is not for files from elsewhere: it unpickles objects, evaluates expressions written as
text and looks up operators by any dotted name. An extractor needs none of that. Its program is a straight
line of a few operators over raw tensors, which is all that is understood here.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import UsageError

_OPERATORS: Mapping[str, Callable[..., Tensor]] = {
    f"torch.ops.{operator}": operator
    for operator in (
        torch.ops.aten.flip.default,
        torch.ops.aten.sub.Tensor,
        torch.ops.aten.div.Tensor,
        torch.ops.aten.mul.Tensor,
        torch.ops.aten.to.dtype,
        torch.ops.aten.conv2d.default,
        torch.ops.aten.relu.default,
        torch.ops.aten.max_pool2d.default,
        torch.ops.aten.avg_pool2d.default,
    )
}

# What a file may raise that is not what it should be.
_NONSENSE = (zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError, RuntimeError)

# torch._export.serde.schema.ScalarType; only what an extractor may hold.
_DTYPES = {6: torch.float16, 7: torch.float32}


class Program(nn.Module):
    """The straight-line program of an archive: its tensors as buffers, its nodes run one after the other."""

    def __init__(self, path: Path) -> None:
        """Read the archive at `path`.

        Raises:
            UsageError: It is damaged, or its program is none that an extractor could have.
        """
        super().__init__()
        try:
            with zipfile.ZipFile(path) as archive:
                self._read({name.partition("/")[2]: archive.read(name) for name in archive.namelist()})
        except _NONSENSE as error:
            raise UsageError(f"{path} does not hold the program of an extractor: export it again") from error

    def _read(self, members: Mapping[str, bytes]) -> None:
        module = json.loads(members["models/model.json"])["graph_module"]
        self._nodes = [_Node(node) for node in module["graph"]["nodes"]]
        self._outputs = [
            spec["user_output"]["arg"]["as_tensor"]["name"] for spec in module["signature"]["output_specs"]
        ]
        self._done_with = _last_uses(self._nodes, keep=self._outputs)
        stored = {
            **_tensors(members, "data/weights/", "model_weights_config.json"),
            **_tensors(members, "data/constants/", "model_constants_config.json"),
        }
        for spec in module["signature"]["input_specs"]:
            ((kind, content),) = spec.items()
            if kind == "user_input":
                self._input = content["arg"]["as_tensor"]["name"]
            else:
                self.register_buffer(content["arg"]["name"], stored[content[f"{kind}_name"]])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the outputs of the program, in their order."""
        values = dict(self.named_buffers()) | {self._input: image}
        for node, done in zip(self._nodes, self._done_with, strict=True):
            values[node.output] = node(values)
            for name in done:  # most of the memory is in what nobody will look at again
                del values[name]
        return [values[name] for name in self._outputs]


class _Node:
    """One operator and its arguments, some of which are names of values computed before."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._operator = _OPERATORS[stored["target"]]
        self._values: dict[str, Any] = {}
        self._tensors: dict[str, str] = {}
        for argument in stored["inputs"]:
            ((kind, value),) = argument["arg"].items()
            if kind == "as_tensor":
                self._tensors[argument["name"]] = value["name"]
            elif kind == "as_scalar_type":
                self._values[argument["name"]] = _DTYPES[value]
            elif kind in ("as_int", "as_ints", "as_float", "as_bool"):
                self._values[argument["name"]] = value
            else:
                raise ValueError(f"{kind} is no argument of an extractor's operators")
        (output,) = stored["outputs"]
        self.inputs = tuple(self._tensors.values())
        self.output: str = output["as_tensor"]["name"]

    def __call__(self, computed: Mapping[str, Tensor]) -> Tensor:
        tensors = {argument: computed[name] for argument, name in self._tensors.items()}
        return self._operator(**tensors, **self._values)


def _last_uses(nodes: Sequence[_Node], keep: Sequence[str]) -> list[list[str]]:
    """For each of `nodes`, the names that no later one and no output (`keep`) needs."""
    last = {name: position for position, node in enumerate(nodes) for name in (node.output, *node.inputs)}
    return [
        [name for name, used in last.items() if used == position and name not in keep] for position in range(len(nodes))
    ]


def _tensors(members: Mapping[str, bytes], folder: str, listing: str) -> dict[str, Tensor]:
    """The tensors of a folder of the archive, stored as raw little-endian numbers."""
    tensors = {}
    for name, entry in json.loads(members[folder + listing])["config"].items():
        if entry["use_pickle"]:
            raise ValueError(f"{name} is pickled")
        meta = entry["tensor_meta"]
        flat = torch.frombuffer(bytearray(members[folder + entry["path_name"]]), dtype=_DTYPES[meta["dtype"]])
        size, stride = ([length["as_int"] for length in meta[key]] for key in ("sizes", "strides"))
        tensors[name] = flat.as_strided(size, stride)
    return tensors
