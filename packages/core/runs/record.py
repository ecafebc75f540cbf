"""How a painting came about: as JSON beside it and inside it, and from there back into a configuration."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from core.arrays import Pixels, size_of
from core.config.transfer_config import TransferConfig
from core.files import replacing, sha256_of
from core.image.reading import ImageSource
from core.multiscale.schedule import Scale
from core.optim.types import Evaluation
from core.styles import Style, StyleExemplar

DISTRIBUTION = "style-transfer-toolkit"


def make_record(
    config: TransferConfig,
    *,
    content: Mapping[str, Any],
    styles: Sequence[Mapping[str, Any]],
    backend: Mapping[str, Any],
    scales: Sequence[Scale],
    losses: Sequence[Mapping[str, Any]],
    delivered: Evaluation,
    stopped: bool,
    seconds: float,
) -> dict[str, Any]:
    """Everything needed to run it again and to judge it, as JSON-ready values.

    `delivered` is the loss of the picture as its file holds it, rounded to its bit depth; the losses are those
    of the steps before that.
    """
    return {
        "program": DISTRIBUTION,
        "version": _version(),
        "config": config.to_dict(),
        "content": dict(content),
        "styles": [dict(style) for style in styles],
        "engine": dict(backend),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "scales": [asdict(scale) for scale in scales],
        "stopped": stopped,
        "delivered": {"loss": delivered.loss, **delivered.parts},
        "seconds": round(seconds, 3),
        "losses": list(losses),
    }


def describe_image(source: ImageSource, pixels: Pixels) -> dict[str, Any]:
    """Which picture it was: its path and the checksum of the file, or of its pixels where there is no file."""
    if isinstance(source, str | PathLike):
        path = Path(source)
        found: dict[str, Any] = {
            "path": str(path.resolve()),
            "sha256": sha256_of(path),
        }
    else:
        found = {"path": None, "sha256": hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}
    return found | {"size": size_of(pixels)}


def describe_style(style: Style, exemplar: StyleExemplar) -> dict[str, Any]:
    """Which pictures a style consists of, and how it was wanted."""
    region = None
    if style.region is not None and exemplar.mask is not None:
        region = describe_image(style.region, exemplar.mask)
    return {
        "pictures": [
            describe_image(source, pixels) for source, pixels in zip(style.images, exemplar.images, strict=True)
        ],
        "weight": style.weight,
        "region": region,
        "crop": style.crop,
    }


def differences(config: TransferConfig, about: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """What keeps the run of `record` from being this one: options as flags, pictures, the engine.

    `about` holds the entries "content", "styles" and "engine" of this run's own record, as far as they are to be the
    same, JSON-ready or not. Where the files lie does not matter, what is in them does.
    """
    found = config.differences(record["config"])
    for name, what in (("content", "the content picture"), ("styles", "the styles")):
        if name in about and _without_paths(about[name]) != _without_paths(record[name]):
            found.append(what)
    for name in ("engine", "weights"):
        if "engine" in about and about["engine"].get(name) != record["engine"].get(name):
            found.append(f"the {name}")
    return found


def _without_paths(described: Any) -> Any:
    if isinstance(described, Mapping):
        return {key: _without_paths(value) for key, value in described.items() if key != "path"}
    return [_without_paths(value) for value in described] if isinstance(described, list | tuple) else described


def embedded(record: Mapping[str, Any]) -> str:
    """The record as it goes into a picture: without the losses of every step."""
    return json.dumps({key: value for key, value in record.items() if key != "losses"})


def write_record(path: str | PathLike[str], record: Mapping[str, Any]) -> None:
    """Write the whole record as JSON, all at once or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
