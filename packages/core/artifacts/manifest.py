"""What an exported artifact says of itself, read without running it and without PyTorch, ONNX or its runtime.

A manifest is JSON inside the artifact: under `KEY` in the metadata of an ONNX model, as an extra file in the
zip archive of a TorchScript (.pt) or torch.export (.pt2) file. A checksum may lie beside the artifact.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from core.artifacts.metadata import DamagedError, archived_text, is_archive, onnx_metadata
from core.errors import UsageError
from core.files import sha256_of

Kind = Literal["extractor", "objective"]
Format = Literal["torchscript", "onnx", "pt2"]
Pooling = Literal["max", "average"]
Precision = Literal["fp32", "fp16"]

KEY = "manifest"
"""Its key in the metadata of an ONNX model."""

EXTRA_FILE = "manifest.json"
"""Its name among the extra files of a TorchScript or torch.export archive."""

MANIFEST_VERSION = 1

_AN = {"extractor": "an extractor", "objective": "an objective"}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an artifact is, what it takes and returns, what it was made from and how exact it is.

    `taps` are all layers it computes, in network order; an objective also says which of them its content and
    its style look at. `weights` holds the `source` and `sha256` of `core.network.weights.Weights`; `preprocessing`
    and `activation_scale` are those of its `Preprocessing`. `inputs` and `outputs` map each name to its
    contract in words: layout, range, dtype and sizes. `versions` names the programs that made it, `parity`
    holds the figures measured at export.
    """

    kind: Kind
    format: Format
    arch: str
    taps: tuple[str, ...]
    content_taps: tuple[str, ...] = ()
    style_taps: tuple[str, ...] = ()
    pooling: Pooling
    precision: Precision
    weights: Mapping[str, str]
    preprocessing: str
    activation_scale: float
    opset: int | None = None
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    versions: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    version: int = MANIFEST_VERSION

    def to_json(self) -> str:
        """One line of JSON, which `from_json` takes back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "the artifact") -> Self:
        """Read what `to_json` wrote; `name` is what an error calls the file it came from.

        Raises:
            UsageError: It is no JSON, lacks something, holds nonsense, or is of another version than ours.
        """
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise UsageError(f"the manifest in {name} is not a JSON object: export it again")
        if values.get("version") != MANIFEST_VERSION:
            raise UsageError(
                f"the manifest in {name} has version {values.get('version')} and this program reads version "
                f"{MANIFEST_VERSION}: export it again with this program"
            )
        if missing := [option.name for option in fields(cls) if option.name not in values]:
            raise UsageError(f"the manifest in {name} lacks {', '.join(missing)}: export it again")
        for key, fits in _FITS.items():
            if not fits(values[key]):
                raise UsageError(f"the manifest in {name} says {key} is {values[key]!r}: export it again")
        taps = {key: tuple(values[key]) for key in ("taps", "content_taps", "style_taps")}
        return cls(**{option.name: values[option.name] for option in fields(cls)} | taps)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


# What each value of a manifest must be; a file from elsewhere may hold anything.
_FITS: Mapping[str, Callable[[Any], bool]] = {
    **{key: _strings for key in ("taps", "content_taps", "style_taps")},
    **{key: _texts for key in ("inputs", "outputs", "versions")},
    "kind": lambda value: value in get_args(Kind),
    "format": lambda value: value in get_args(Format),
    "pooling": lambda value: value in get_args(Pooling),
    "precision": lambda value: value in get_args(Precision),
    **{key: lambda value: isinstance(value, str) for key in ("arch", "preprocessing")},
    "weights": lambda value: _texts(value) and {"source", "sha256"} <= value.keys(),
    "activation_scale": lambda value: isinstance(value, float | int) and value > 0,
    "opset": lambda value: value is None or isinstance(value, int),
    "parity": lambda value: isinstance(value, dict),
}


def read_manifest(path: str | os.PathLike[str], kind: Kind | None = None) -> Manifest:
    """Return the manifest of the artifact at `path`, after comparing the file with its checksum if any.

    Nothing in the file is run or unpickled.

    Raises:
        UsageError: There is no such file, it is not one of ours, it is damaged, or it is not of that `kind`.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no artifact {str(path)!r}: write one with python -m export")
    check_checksum(path)
    zipped = is_archive(path)
    try:
        text = archived_text(path, EXTRA_FILE) if zipped else onnx_metadata(path, KEY)
    except DamagedError as error:
        raise UsageError(f"{path} is damaged or not complete: export it again") from error
    if text is None:
        raise UsageError(f"{path} carries no manifest: expected a file that python -m export wrote")
    manifest = Manifest.from_json(text, str(path))
    if zipped == (manifest.format == "onnx"):
        raise UsageError(f"{path} is not the {manifest.format} that its manifest says: export it again")
    if kind not in (None, manifest.kind):
        raise UsageError(
            f"{path} holds {_AN[manifest.kind]}, where {_AN[kind]} was expected: write one with python -m export {kind}"
        )
    return manifest


def metadata_props(manifest: Manifest) -> dict[str, str]:
    """What goes into the metadata of an ONNX model; `core.network.weights` looks for the preprocessing there."""
    return {KEY: manifest.to_json(), "preprocessing": manifest.preprocessing}


def checksum_path(path: Path) -> Path:
    """Where the checksum of the artifact at `path` is kept."""
    return path.with_name(path.name + ".sha256")


def check_checksum(path: Path) -> None:
    """Compare an artifact with the checksum beside it, if there is one: a line as sha256sum writes it.

    Raises:
        UsageError: They differ.
    """
    beside = checksum_path(path)
    if not beside.exists():
        return
    stated = beside.read_text(encoding="utf-8", errors="replace").split()
    if stated[:1] != [sha256_of(path)]:
        raise UsageError(
            f"{path} does not match its checksum in {beside.name}: it was changed or is not complete, "
            "so export it again"
        )
