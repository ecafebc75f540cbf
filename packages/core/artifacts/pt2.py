"""Interpreter for extractors that torch.export saved, which reads the archive as plain data.

`torch.export.load` is unsafe for untrusted files: it unpickles objects, evaluates expressions and looks up operators
by arbitrary dotted names. An extractor is a straight-line program of a few ATen operators over raw tensors. This
module accepts only these operators and only tensors that are not pickled.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.archives import read_members
from core.artifacts.bounds import MAX_OPERATIONS, check_view, is_small_integer
from core.errors import UsageError
from core.schema import parse_json

_OPERATORS: Mapping[str, Callable[..., Tensor]] = {
    f"torch.ops.{operator}": operator
    for operator in (
        torch.ops.aten.flip.default,
        torch.ops.aten.sub.Tensor,
        torch.ops.aten.div.Tensor,
        torch.ops.aten.mul.Tensor,
        torch.ops.aten.to.dtype,
        torch.ops.aten._to_copy.default,
        torch.ops.aten.conv2d.default,
        torch.ops.aten.relu.default,
        torch.ops.aten.max_pool2d.default,
        torch.ops.aten.avg_pool2d.default,
    )
}

# Exceptions that a malformed program may raise.
_MALFORMED = (LookupError, ValueError, TypeError, AttributeError, RuntimeError)

MAX_JSON = 2**22
"""Limit on the bytes of a program; one that computes all layers of VGG-19 has less than a tenth."""

_READ = ("models/model.json", "data/weights/", "data/constants/")
"""Beginnings of the members that are read."""

# Values of torch._export.serde.schema.ScalarType that an extractor may use.
_DTYPES = {6: torch.float16, 7: torch.float32}


class Program(nn.Module):
    """Straight-line program of a torch.export archive; its tensors are buffers."""

    def __init__(self, path: Path) -> None:
        """Read the archive at `path`.

        Raises:
            UsageError: The archive is damaged, or its program is not that of an extractor.
        """
        super().__init__()
        members = read_members(path, lambda name: name.startswith(_READ))
        try:
            self._read(members)
        except _MALFORMED as error:
            raise UsageError(f"{path} does not contain the program of an extractor: export it again") from error

    def _read(self, members: Mapping[str, bytes]) -> None:
        module = _parse(members["models/model.json"])["graph_module"]
        nodes = module["graph"]["nodes"]
        if len(nodes) > MAX_OPERATIONS:
            raise ValueError(f"{len(nodes)} operations")
        self._nodes = [_Node(node) for node in nodes]
        self._outputs = [
            spec["user_output"]["arg"]["as_tensor"]["name"] for spec in module["signature"]["output_specs"]
        ]
        self._last_used = _last_uses(self._nodes, outputs=self._outputs)
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
        """Return the outputs of the program, in order, for an image (N, 3, H, W)."""
        values = dict(self.named_buffers()) | {self._input: image}
        for node, last_used in zip(self._nodes, self._last_used, strict=True):
            values[node.output] = node(values)
            for name in last_used:  # frees most of the memory
                del values[name]
        return [values[name] for name in self._outputs]


class _Node:
    """Operator with its arguments: constants, and names of tensors computed before."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._operator = _OPERATORS[stored["target"]]
        self._constants: dict[str, Any] = {}
        self._tensors: dict[str, str] = {}
        for argument in stored["inputs"]:
            ((kind, value),) = argument["arg"].items()
            if kind == "as_tensor":
                self._tensors[argument["name"]] = value["name"]
            elif kind == "as_scalar_type":
                self._constants[argument["name"]] = _DTYPES[value]
            elif kind in ("as_int", "as_ints"):
                if not all(map(is_small_integer, value if kind == "as_ints" else [value])):
                    raise ValueError(f"argument {value}")
                self._constants[argument["name"]] = value
            elif kind in ("as_float", "as_bool"):
                self._constants[argument["name"]] = value
            else:
                raise ValueError(f"unsupported argument type {kind}")
        (output,) = stored["outputs"]
        self.inputs = tuple(self._tensors.values())
        self.output: str = output["as_tensor"]["name"]

    def __call__(self, values: Mapping[str, Tensor]) -> Tensor:
        tensors = {argument: values[name] for argument, name in self._tensors.items()}
        return self._operator(**tensors, **self._constants)


def _parse(content: bytes) -> Any:
    if len(content) > MAX_JSON:
        raise ValueError(f"{len(content)} bytes of JSON")
    return parse_json(content)


def _last_uses(nodes: Sequence[_Node], outputs: Sequence[str]) -> list[list[str]]:
    """Return, for each node, the names of the values that it uses last and that are not `outputs`."""
    last = {name: position for position, node in enumerate(nodes) for name in (node.output, *node.inputs)}
    names: list[list[str]] = [[] for _ in nodes]
    for name, position in last.items():
        if name not in outputs:
            names[position].append(name)
    return names


def _tensors(members: Mapping[str, bytes], folder: str, listing: str) -> dict[str, Tensor]:
    """Return the tensors in a folder of the archive, stored as raw little-endian numbers."""
    tensors = {}
    for name, entry in _parse(members[folder + listing])["config"].items():
        if entry["use_pickle"]:
            raise ValueError(f"{name} is pickled")
        meta = entry["tensor_meta"]
        flat = torch.frombuffer(bytearray(members[folder + entry["path_name"]]), dtype=_DTYPES[meta["dtype"]])
        size, stride = ([length["as_int"] for length in meta[key]] for key in ("sizes", "strides"))
        check_view(size, stride, 0, len(flat))
        tensors[name] = flat.as_strided(size, stride)
    return tensors
