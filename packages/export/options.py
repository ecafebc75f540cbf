"""Formats of artifacts, and the options with which they are written. Importing this module does not import PyTorch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from core.artifacts.manifest import Format, Kind, OutputType, Precision
from core.config.options import flag_of, shown
from core.errors import UsageError
from core.network.architecture import MIN_SIDE

MIN_OPSET = 18
"""Supported by every runtime in use, and sufficient for VGG and its backward pass."""

MAX_SIDE = 2**16

_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How an artifact is written.

    Attributes:
        opset: ONNX opset, from `MIN_OPSET` to the newest of the installed package onnx.
        palette: Store weights as byte indices into a palette. None: the default of the kind, where weights allow it.
        size: The only height and width of the images, in pixels; None for any.
        batch: The only number of images at a time; None for any.
        outputs: What a program of PyTorch returns.

    Raises:
        UsageError: A value is out of range.
    """

    opset: int = MIN_OPSET
    palette: bool | None = None
    size: tuple[int, int] | None = None
    batch: int | None = None
    outputs: OutputType = "dict"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.opset != MIN_OPSET:
            _check_opset(self.opset)
        if self.size is not None:
            _check_size(self.size)
        if self.batch is not None and not _is_between(1, self.batch, MAX_SIDE):
            raise UsageError(
                f"--batch is {shown(self.batch)}: expected 'dynamic' or a whole number from 1 to {MAX_SIDE}"
            )

    @property
    def lengths(self) -> Mapping[str, int]:
        """The lengths of the axes "batch", "height" and "width" that are fixed."""
        size = {} if self.size is None else dict(zip(("height", "width"), self.size, strict=True))
        return size if self.batch is None else {"batch": self.batch, **size}


def parse_size(text: str) -> tuple[int, int]:
    """Return the height and width in a text such as 480x640.

    Raises:
        UsageError: The text is none.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"--size is {text!r:.50}: expected HEIGHTxWIDTH, such as 480x640")
    return int(found[1]), int(found[2])


def parse_batch(text: str) -> int | None:
    """Return a batch size, None for "dynamic".

    Raises:
        UsageError: The text is neither.
    """
    if text == "dynamic":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UsageError(f"--batch is {text!r:.50}: expected 'dynamic' or a whole number from 1 to {MAX_SIDE}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class FormatSpec:
    """A kind of artifact in one format.

    Attributes:
        kind: Kind of artifact.
        format: Format.
        suffix: How the name of a file ends from which the format is inferred.
        options: Options of the command beyond those of the network.
        precisions: Values of --precision.
        gradients: Whether gradients reach the image.
        runtimes: What runs it.
    """

    kind: Kind
    format: Format
    suffix: str
    options: tuple[str, ...]
    precisions: tuple[Precision, ...] = ("fp32",)
    gradients: str
    runtimes: str

    def check(self, options: ExportOptions, precision: Precision = "fp32") -> None:
        """Check that the options that differ from their defaults apply to this format.

        Raises:
            UsageError: One does not, or the precision does not exist in this format.
        """
        for option in fields(options):
            flag = flag_of(option.name)
            if getattr(options, option.name) != option.default and flag not in self.options:
                raise UsageError(
                    f"{flag} does not apply to the {self.kind} in the format {self.format}: remove it, or use another "
                    "format (see python -m export formats)"
                )
        if precision not in self.precisions:
            raise UsageError(
                f"--precision is {precision}, and the {self.kind} in the format {self.format} exists in "
                f"{' and '.join(self.precisions)}: choose another precision or format"
            )


FORMATS = (
    FormatSpec(
        kind="extractor",
        format="onnx",
        suffix=".onnx",
        options=("--taps", "--precision", "--opset", "--palette", "--size", "--batch"),
        precisions=("fp32", "fp16", "int8"),
        gradients="no",
        runtimes="ONNX Runtime (Python, C++, Node, browser), OpenVINO, tract, TVM, OpenCV; with --no-palette also MNN, "
        "pnnx, onnx2torch",
    ),
    FormatSpec(
        kind="extractor",
        format="torchscript",
        suffix=".pt",
        options=("--taps", "--precision", "--outputs"),
        precisions=("fp32", "fp16"),
        gradients="yes",
        runtimes="LibTorch (C++), PyTorch; with --outputs tuple also pnnx and coremltools",
    ),
    FormatSpec(
        kind="extractor",
        format="pt2",
        suffix=".pt2",
        options=("--taps", "--precision", "--outputs", "--size", "--batch"),
        precisions=("fp32", "fp16"),
        gradients="yes",
        runtimes="PyTorch and its compilers: AOTInductor, ExecuTorch, LiteRT, coremltools",
    ),
    FormatSpec(
        kind="extractor",
        format="aoti",
        suffix=".aoti.pt2",
        options=("--taps", "--outputs", "--size", "--batch"),
        gradients="no",
        runtimes="PyTorch and LibTorch of the same version, on CPUs of the same kind; needs a C++ compiler to export; "
        "native code",
    ),
    FormatSpec(
        kind="objective",
        format="onnx",
        suffix=".onnx",
        options=("--content-layers", "--style-layers", "--style-loss", "--regions", "--opset", "--palette", "--size"),
        gradients="computed by the graph",
        runtimes="ONNX Runtime (Python, C++, Node, browser), OpenVINO, tract; with --size also TVM, OpenCV",
    ),
    FormatSpec(
        kind="painter",
        format="onnx",
        suffix=".onnx",
        options=("--pixels", "--preset", "--effort", "--opset", "--palette"),
        gradients="used by the graph",
        runtimes="ONNX Runtime (Python, C++, Node, browser), OpenVINO",
    ),
)
"""All artifacts that `python -m export` writes."""


def format_spec(kind: Kind, format: Format) -> FormatSpec:
    """Return the specification of a kind of artifact in a format.

    Raises:
        UsageError: The kind does not exist in this format.
    """
    for spec in FORMATS:
        if (spec.kind, spec.format) == (kind, format):
            return spec
    formats = [spec.format for spec in FORMATS if spec.kind == kind]
    raise UsageError(f"the {kind} does not exist in the format {format}: use {' or '.join(formats)}")


def _check_size(size: Any) -> None:
    sides = size if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or not all(_is_between(MIN_SIDE, side, MAX_SIDE) for side in sides):
        found = "x".join(map(shown, sides)) or shown(size)
        raise UsageError(f"--size is {found}: expected a height and a width from {MIN_SIDE} to {MAX_SIDE} pixels")


def _is_between(low: int, value: Any, high: int) -> bool:
    return isinstance(value, int) and low <= value <= high


def _check_opset(opset: int) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not _is_between(MIN_OPSET, opset, newest):
        raise UsageError(
            f"--opset is {shown(opset)}: expected a whole number from {MIN_OPSET} to {newest}, the newest that onnx "
            f"{onnx.__version__} supports"
        )
