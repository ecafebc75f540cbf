"""The run record: how an image was made, as JSON in the image file or beside it."""

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
from core.config.transfer_config import WITHOUT_EFFECT_ON_RESULT, TransferConfig
from core.files import replacing, sha256_of
from core.image.reading import ImageSource
from core.multiscale.schedule import Scale
from core.styles import Style, StyleExemplar

DISTRIBUTION = "style-transfer-toolkit"


def make_record(
    config: TransferConfig,
    *,
    inputs: Mapping[str, Any],
    backend: Mapping[str, Any],
    schedule: Sequence[Scale],
    losses: Sequence[Mapping[str, Any]],
    delivered: Mapping[str, float],
    stopped: bool,
    seconds: float,
) -> dict[str, Any]:
    """Return the record of a run, JSON-ready: what is needed to repeat the run and to judge its result.

    Args:
        config: The options.
        inputs: The images, from `describe_inputs`.
        backend: From `core.backends.base.Backend.describe`.
        schedule: The scales.
        losses: The losses after every step.
        delivered: The loss and its terms at the image as its file stores it; if the run failed, those of its last step.
        stopped: Whether the run ended early.
        seconds: Duration of the run.
    """
    return {
        "program": DISTRIBUTION,
        "version": _version(),
        "config": config.to_dict(),
        **inputs,
        "backend": dict(backend),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "scales": [asdict(scale) for scale in schedule],
        "stopped": stopped,
        "delivered": dict(delivered),
        "seconds": round(seconds, 3),
        "losses": list(losses),
    }


def describe_inputs(
    content: ImageSource, pixels: Pixels, styles: Sequence[Style], exemplars: Sequence[StyleExemplar]
) -> dict[str, Any]:
    """Return the entries "content" and "styles" of a record; `pixels` and `exemplars` are the images that were read."""
    return {
        "content": _describe_image(content, pixels),
        "styles": [_describe_style(style, exemplar) for style, exemplar in zip(styles, exemplars, strict=True)],
    }


def differences(
    config: TransferConfig,
    about: Mapping[str, Any],
    record: Mapping[str, Any],
    ignored: Sequence[str] = WITHOUT_EFFECT_ON_RESULT,
) -> list[str]:
    """Return how a run differs from that of `record`: options as flags, images, backend.

    `about` holds the entries "content", "styles" and "backend" of the run that must be equal; a missing entry is not
    compared. Paths are not compared, checksums are. Options in `ignored` may differ.
    """
    record = upgraded(record)
    found = config.differences(record["config"], ignored)
    for name, what in (("content", "the content image"), ("styles", "the styles")):
        if name in about and _without_paths(about[name]) != _without_paths(record[name]):
            found.append(what)
    if "backend" in about:
        for name, what in (("name", "the backend"), ("weights", "the weights")):
            if about["backend"].get(name) != record["backend"].get(name):
                found.append(what)
    return found


def upgraded(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` with the present names and options.

    Version 0.1 named the backend "engine" and the images "pictures", and had neither a reference size nor padding.
    """
    record = dict(record)
    if "config" in record:
        record["config"] = {"reference_size": 0, "content_scaling": 2.0, "padding": 0, **record["config"]}
    if "engine" in record:
        engine = dict(record.pop("engine"))
        record["backend"] = {"name": engine.pop("engine", None), **engine}
    if "styles" in record:
        record["styles"] = [
            {("images" if name == "pictures" else name): value for name, value in style.items()}
            for style in record["styles"]
        ]
    return record


def record_for_embedding(record: Mapping[str, Any]) -> str:
    """Return the record as JSON for an image file, without the losses of every step."""
    return json.dumps({key: value for key, value in record.items() if key != "losses"})


def write_record(path: str | PathLike[str], record: Mapping[str, Any]) -> None:
    """Write the whole record as JSON; the file is complete or not written at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def _describe_image(source: ImageSource, pixels: Pixels) -> dict[str, Any]:
    """Return the path of an image and the checksum of its file, or of its pixels where there is no file."""
    if isinstance(source, str | PathLike):
        path = Path(source)
        found: dict[str, Any] = {"path": str(path.resolve()), "sha256": sha256_of(path)}
    else:
        found = {"path": None, "sha256": hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}
    return found | {"size": size_of(pixels)}


def _describe_style(style: Style, exemplar: StyleExemplar) -> dict[str, Any]:
    region = None
    if style.region is not None and exemplar.mask is not None:
        region = _describe_image(style.region, exemplar.mask)
    return {
        "images": [
            _describe_image(source, pixels) for source, pixels in zip(style.images, exemplar.images, strict=True)
        ],
        "weight": style.weight,
        "region": region,
        "crop": style.crop,
    }


def _without_paths(described: Any) -> Any:
    if isinstance(described, Mapping):
        return {key: _without_paths(value) for key, value in described.items() if key != "path"}
    return [_without_paths(value) for value in described] if isinstance(described, list | tuple) else described


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
