"""Reader of TorchScript extractors that checks the whole archive before PyTorch loads any of it.

Loading a TorchScript archive can already run code in it (`__setstate__`), and TorchScript can read and write files
(`torch.save`, `torch.from_file`). An extractor is one class whose only method, `forward`, applies a few operators to
an image and constant tensors. This module accepts only that, and gives PyTorch a new archive that is written from
what was checked: two readers may interpret the same file differently.
"""

import ast
import io
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from core.archives import read_members
from core.artifacts.bounds import MAX_OPERATIONS, check_view, is_small_integer
from core.errors import UsageError, first_line

_OPERATORS = frozenset(
    (
        *("torch.flip", "torch.sub", "torch.div", "torch.mul", "torch.to", "torch.conv2d", "torch.relu"),
        *("torch.max_pool2d", "torch.avg_pool2d", "torch.items", "torch.len", "torch._set_item", "torch.__not__"),
        *("ops.prim.is_cuda", "ops.prim.requires_grad", "ops.prim.dtype", "annotate", "range"),
    )
)

_SYNTAX = (
    *(ast.Assign, ast.Expr, ast.If, ast.For, ast.Return),
    *(ast.Call, ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.Dict),
    *(ast.Load, ast.Store),
)

_NAMES = _OPERATORS | {"torch", "ops", "ops.prim", "CONSTANTS"}
"""The names that a program may read and must not assign."""

_CONSTANT = re.compile(r"CONSTANTS\.c\d{1,4}", re.ASCII)
_TEXT = re.compile(r"[\w.]*", re.ASCII)

_CLASS = """
class Extractor(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.extractor.Extractor, image: Tensor) -> {returned}:
    pass
"""
_RETURNED = re.compile(r"Dict\[str, Tensor\]|Tuple\[Tensor(, Tensor)*\]")
"""What an extractor returns: features by layer, or in the order of the layers."""

_OBJECT = b"\x80\x02c__torch__.extractor\nExtractor\n)\x81}b."
"""A pickled object of `_CLASS`; the constants are stored elsewhere."""

_OPCODES = frozenset(
    (
        *("PROTO", "MARK", "GLOBAL", "BINPUT", "BINGET", "BINUNICODE", "BININT", "BININT1", "BININT2"),
        *("TUPLE", "EMPTY_TUPLE", "BINPERSID", "REDUCE", "NEWFALSE", "STOP"),
    )
)
"""The opcodes of pickled constants. An opcode with a long index would let the unpickler allocate a long table."""

MAX_BYTES = 64 * 1024
"""Limit on the source and on the pickle, which both have less than 16 kB for all layers of VGG-19."""

_MALFORMED = (
    *(LookupError, ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError),
    *(EOFError, pickle.UnpicklingError),
)
"""Exceptions that a malformed source or pickle may raise."""


def load_checked(path: Path, device: str) -> nn.Module:
    """Load the extractor in the TorchScript archive at `path`.

    Raises:
        UsageError: The archive is damaged, or not that of an extractor. Nothing in it was executed.
        RuntimeError: This version of PyTorch cannot load it.
    """
    members = read_members(path)
    try:
        checked = _checked(members)
    except _MALFORMED as error:
        raise UsageError(f"{path} does not contain the program of an extractor: export it again") from error
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in checked.items():
            archive.writestr(f"archive/{name}", content)
    file.seek(0)
    try:
        module: nn.Module = torch.jit.load(file, map_location=device)  # type: ignore[no-untyped-call]
    except (LookupError, ValueError, TypeError) as error:  # such as numbers with more digits than C++ reads
        raise RuntimeError(first_line(error)) from error
    return module


def _checked(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the members of the archive that PyTorch loads."""
    (source,) = (content for name, content in members.items() if name.startswith("code/") and name.endswith(".py"))
    constants = _read_constants(members["constants.pkl"])
    for constant in constants:
        constant.check(members)
    return {
        "version": b"%d\n" % int(members["version"]),
        "byteorder": b"little",
        "data.pkl": _OBJECT,
        "code/__torch__/extractor.py": _checked_class(source).encode(),
        "constants.pkl": _write_constants(constants),
        **{constant.storage.member: members[constant.storage.member] for constant in constants},
    }


def _checked_class(source: bytes) -> str:
    """Return `_CLASS` with the checked statements of the only method in a source."""
    (found,) = ast.parse(_short(source).decode("ascii")).body
    (forward,) = (part for part in getattr(found, "body", ()) if isinstance(part, ast.FunctionDef))
    if forward.name != "forward" or [argument.arg for argument in forward.args.args] != ["self", "image"]:
        raise ValueError(f"method {forward.name}")
    operations = 0
    for node in (part for statement in forward.body for part in ast.walk(statement)):
        if not _is_permitted(node):
            raise ValueError(f"the program contains {type(node).__name__}")
        operations += isinstance(node, ast.Call)
    if operations > MAX_OPERATIONS:
        raise ValueError(f"{operations} operations")
    returned = ast.unparse(forward.returns) if forward.returns else ""
    if not _RETURNED.fullmatch(returned):
        raise ValueError(f"the program returns {returned}")
    tree = ast.parse(_CLASS.format(returned=returned))
    tree.body[0].body[-1].body = forward.body  # type: ignore[attr-defined]
    return ast.unparse(tree) + "\n"


def _is_permitted(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=called, keywords=keywords):
            return not keywords and ast.unparse(called) in _OPERATORS
        case ast.Attribute():
            name = ast.unparse(node)
            return name in _NAMES or bool(_CONSTANT.fullmatch(name))
        case ast.Name(id=name, ctx=ast.Store()):
            return name not in _NAMES
        case ast.Constant(value=value):
            is_word = isinstance(value, str) and bool(_TEXT.fullmatch(value))
            return value is None or isinstance(value, float) or is_small_integer(value) or is_word
        case ast.For(body=body):  # nested loops could take forever
            return not any(isinstance(part, ast.For) for statement in body for part in ast.walk(statement))
    return isinstance(node, _SYNTAX)


class _Storage(NamedTuple):
    """Description of the numbers of a tensor, as PyTorch pickles it."""

    kind: str
    dtype: Any
    name: str
    device: str
    length: int

    @property
    def member(self) -> str:
        return f"constants/{self.name}"


class _Tensor(NamedTuple):
    """Arguments of `torch._utils._rebuild_tensor_v2`."""

    storage: _Storage
    offset: int
    size: Sequence[int]
    stride: Sequence[int]
    requires_grad: bool
    hooks: Mapping[str, Any]

    def check(self, members: Mapping[str, bytes]) -> None:
        """Raise ValueError unless the tensor is a view of the numbers in its member."""
        stored = len(members[self.storage.member])
        if stored != self.storage.length * _ITEM_SIZES[self.storage.dtype]:
            raise ValueError(f"{self.storage.member} has {stored} bytes")
        check_view(self.size, self.stride, self.offset, self.storage.length)


_ITEM_SIZES: Mapping[Any, int] = {torch.FloatStorage: 4, torch.HalfStorage: 2}
_GLOBALS: Mapping[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch", "FloatStorage"): torch.FloatStorage,
    ("torch", "HalfStorage"): torch.HalfStorage,
    ("collections", "OrderedDict"): OrderedDict,
}


class _ConstantsReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _GLOBALS[module, name]

    def persistent_load(self, described: Any) -> Any:
        return _Storage(*described)


class _ConstantsWriter(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return ("storage", value.dtype, value.name, "cpu", value.length) if isinstance(value, _Storage) else None

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, _Tensor):
            return NotImplemented
        hooks: OrderedDict[str, Any] = OrderedDict()
        return torch._utils._rebuild_tensor_v2, (value.storage, value.offset, value.size, value.stride, False, hooks)


def _read_constants(pickled: bytes) -> tuple[_Tensor, ...]:
    for opcode, _, _ in pickletools.genops(_short(pickled)):
        if opcode.name not in _OPCODES:
            raise ValueError(f"opcode {opcode.name}")
    constants = _ConstantsReader(io.BytesIO(pickled)).load()
    if not (isinstance(constants, tuple) and all(isinstance(constant, _Tensor) for constant in constants)):
        raise ValueError("constants.pkl is not a tuple of tensors")
    return constants


def _write_constants(constants: tuple[_Tensor, ...]) -> bytes:
    file = io.BytesIO()
    _ConstantsWriter(file, protocol=2).dump(constants)
    return file.getvalue()


def _short(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise ValueError(f"{len(content)} bytes")
    return content
