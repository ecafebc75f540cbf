"""Manifests of exported artifacts, read without PyTorch and without executing the artifact.

A manifest is JSON inside the artifact: the entry `KEY` of the metadata of an ONNX model, or an extra file in the zip
archive of a TorchScript (.pt), torch.export (.pt2) or AOTInductor (.aoti.pt2) file. A SHA-256 checksum file beside the
artifact is optional.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from core import schema
from core.archives import read_members
from core.artifacts.onnx_session import read_metadata
from core.errors import UsageError
from core.files import check_regular, exists, is_file, reason, sha256_of
from core.network.architecture import Pooling, canonical_layer_name

Kind = Literal["extractor", "objective", "painter"]
Format = Literal["torchscript", "onnx", "pt2", "aoti"]
Precision = Literal["fp32", "fp16", "int8"]
OutputType = Literal["dict", "tuple"]
Tap = Annotated[str, Meta(max_length=20)]
Side = Annotated[int, Meta(ge=1, le=2**16)]

KEY = "manifest"
"""Key of the manifest in the metadata of an ONNX model."""

MASK_PREFIX = "mask/"
"""How the names of the inputs of an objective for the masks of regions start."""

EXTRA_FILE = "manifest.json"
"""Name of the manifest among the extra files of an archive."""

EXTRA_MEMBER = f"extra/{EXTRA_FILE}"
"""Name of the manifest in an archive, without the folder that contains all members."""

MANIFEST_VERSION = 3

_SINCE_VERSION_3 = ("content_detail",)
_SINCE_VERSION_2 = ("output_type", "palette", "batch", "size", "license", "credit", "content_sha256")
_MISSING_FIELDS = {1: (*_SINCE_VERSION_2, *_SINCE_VERSION_3), 2: _SINCE_VERSION_3, MANIFEST_VERSION: ()}
"""Fields that manifests of each version, all of which are read, do not have; their defaults describe the artifacts."""

MAX_MANIFEST_BYTES = 2**20
"""Largest manifest that is read; those of this program have a few kilobytes."""

_CHECKSUM_CHARACTERS = 64
"""Hexadecimal digits of a SHA-256, with which a checksum file begins."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Description of an artifact: network, inputs, outputs, origin and measured accuracy.

    Attributes:
        kind: "extractor" (image to features), "objective" (image, targets and weights to loss and gradient) or
            "painter" (content and style image to the result).
        format: File format.
        arch: "vgg16" or "vgg19".
        taps: All layers whose features are computed, in network order.
        content_taps: Layers of the content loss; empty for an extractor.
        style_taps: Layers of the style loss; empty for an extractor.
        style_loss: Name of the style loss; empty for an extractor.
        content_detail: `content_detail` of `core.config.transfer_config.TransferConfig` in an objective or painter.
        pooling: Pooling of the network.
        precision: Number type of the stored weights; with "int8" also that of the activations.
        weights: `source`, without folders, and `sha256` of `core.network.weights.Weights`.
        preprocessing: Name of the `core.network.weights.Preprocessing`, which the artifact contains.
        activation_scale: `activation_scale` of that preprocessing.
        license: Licence of the weights.
        credit: Authors of the weights.
        opset: ONNX opset; None for the other formats.
        palette: Whether an ONNX file stores weights as byte indices into a palette.
        output_type: What a program of PyTorch returns: a dictionary by name, or a tuple in the order of `outputs`; None
            for ONNX, whose outputs have names.
        batch: The only batch size that the artifact accepts; None for any.
        size: The only height and width that the artifact accepts; None for any.
        inputs: Dtype, shape, range and meaning of each input, by name.
        outputs: The same for each output.
        settings: The options of `core.config.transfer_config.TransferConfig` in a painter; empty for other artifacts.
        versions: Versions of Python and of the packages that wrote the artifact.
        parity: Differences from eager PyTorch, measured at export, and the tolerances that were applied.
        content_sha256: `core.artifacts.content.content_sha256` of the exported file; empty if not recorded.
        version: Version of this schema.
    """

    kind: Kind
    format: Format
    arch: Literal["vgg16", "vgg19"]
    taps: Annotated[tuple[Tap, ...], Meta(min_length=1)]
    content_taps: tuple[Tap, ...] = ()
    style_taps: tuple[Tap, ...] = ()
    style_loss: Annotated[str, Meta(max_length=100)] = ""
    content_detail: Annotated[float, Meta(ge=0, le=1)] = 0.0
    pooling: Pooling
    precision: Precision
    weights: Mapping[str, str]
    preprocessing: Literal["caffe", "caffe-rgb", "torchvision"]
    activation_scale: Annotated[float, Meta(ge=1e-3, le=1e3)]
    license: str = "unknown"
    credit: str = "unknown"
    opset: Annotated[int, Meta(ge=1, le=1000)] | None = None
    palette: bool = False
    output_type: OutputType | None = None
    batch: Side | None = None
    size: tuple[Side, Side] | None = None
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, str | Mapping[str, schema.Finite]] = field(default_factory=dict)
    content_sha256: str = ""
    version: int = MANIFEST_VERSION

    def __post_init__(self) -> None:
        """Check the names of layers, and that the weights are named."""
        layers = (*self.taps, *self.content_taps, *self.style_taps)
        if unknown := [tap for tap in layers if tap != canonical_layer_name(tap, self.arch)]:
            raise UsageError(f"unknown layer {unknown[0]!r}")
        if not {"source", "sha256"} <= self.weights.keys():
            raise UsageError("weights lack source or sha256")

    @property
    def has_regions(self) -> bool:
        """Whether the styles of an objective apply to regions: it then has an input for the masks of every layer."""
        return any(name.startswith(MASK_PREFIX) for name in self.inputs)

    def to_json(self) -> str:
        """Return the manifest as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "the artifact") -> Self:
        """Parse the output of `to_json`; error messages call the source `name`.

        Raises:
            UsageError: The text is not a JSON object, a field is missing or invalid, or the version differs.
        """
        try:
            values = schema.parse_json(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise UsageError(f"the manifest in {name} is not a JSON object: export it again")
        version = values.get("version")
        if not isinstance(version, int) or version not in _MISSING_FIELDS:
            raise UsageError(
                f"the manifest in {name} has version {version!r:.20} and this program reads versions 1 to "
                f"{MANIFEST_VERSION}: export it again with this program"
            )
        optional = _MISSING_FIELDS[version]
        if version == 1:
            values = {"style_loss": "gram" if values.get("kind") == "objective" else "", **values}
        if missing := [one.name for one in fields(cls) if one.name not in (*values, *optional)]:
            raise UsageError(f"the manifest in {name} lacks {', '.join(missing)}: export it again")
        try:
            return schema.check(values, cls)
        except ValueError as error:
            raise UsageError(f"the manifest in {name} is invalid: {error}; export it again") from error


def read_manifest(path: str | os.PathLike[str], kind: Kind | None = None) -> Manifest:
    """Return the manifest of the artifact at `path`, after verifying the checksum file if there is one.

    Nothing in the file is executed or unpickled.

    Raises:
        UsageError: The file is missing, damaged, without a manifest, or not of this `kind`.
    """
    path = Path(path)
    check_regular(path, f"artifact {path}")
    if not is_file(path):
        raise UsageError(f"there is no artifact {str(path)!r}: write one with python -m export")
    check_checksum(path)
    zipped = _is_zip_archive(path)
    text = _extra_file(path) if zipped else read_metadata(path).get(KEY)
    if text is None:
        raise UsageError(f"{path} carries no manifest: expected a file that python -m export wrote")
    manifest = Manifest.from_json(text, str(path))
    if zipped == (manifest.format == "onnx"):
        raise UsageError(f"{path} is not a file of the format in its manifest, {manifest.format}: export it again")
    if kind not in (None, manifest.kind):
        raise UsageError(
            f"{path} holds {_with_article(manifest.kind)}, where {_with_article(kind)} was expected: write one with "
            f"python -m export {kind}"
        )
    return manifest


def metadata_props(manifest: Manifest) -> dict[str, str]:
    """Return the metadata entries of an ONNX artifact; `core.network.weights` reads `preprocessing` from them."""
    return {KEY: manifest.to_json(), "preprocessing": manifest.preprocessing}


def describe_shape(manifest: Manifest) -> str:
    """Return the image sizes and batches that an artifact accepts, such as "any size, batch 2"."""
    size = "any size" if manifest.size is None else "{} x {} pixels".format(*manifest.size)
    return size if manifest.batch is None else f"{size}, batch {manifest.batch}"


def checksum_path(path: Path) -> Path:
    """Return the path of the checksum file of the artifact at `path`."""
    return path.with_name(path.name + ".sha256")


def check_checksum(path: Path) -> None:
    """Compare an artifact with its checksum file, a line in the format of `sha256sum`, if there is one.

    Raises:
        UsageError: They differ, or the checksum file cannot be read.
    """
    checksum_file = checksum_path(path)
    if not exists(checksum_file):
        return
    check_regular(checksum_file, f"checksum file {checksum_file}")
    try:
        with checksum_file.open("rb") as file:
            expected = file.read(_CHECKSUM_CHARACTERS)
    except OSError as error:
        raise UsageError(
            f"cannot read checksum file {checksum_file}: {reason(error)}; check its permissions"
        ) from error
    if expected != sha256_of(path).encode():
        raise UsageError(
            f"{path} does not match its checksum in {checksum_file.name}: it was changed or is incomplete; "
            "export it again"
        )


def _with_article(noun: str | None) -> str:
    return f"{'an' if str(noun).startswith(('a', 'e', 'i', 'o')) else 'a'} {noun}"


def _is_zip_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _extra_file(path: Path) -> bytes | None:
    """Return the manifest in an archive; None if it has none."""
    content = read_members(path, lambda member: member == EXTRA_MEMBER).get(EXTRA_MEMBER)
    if content is not None and len(content) > MAX_MANIFEST_BYTES:
        raise UsageError(f"{path} has a manifest of {len(content)} bytes: expected at most {MAX_MANIFEST_BYTES}")
    return content
