"""How a painting came about: as JSON beside it and inside it, and from there back into a configuration."""

import hashlib
import json
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from core.config import TransferConfig
from core.errors import UsageError
from core.files import reason, replacing
from core.images import Picture, PictureSource, read_record
from core.optimise import Evaluation
from core.presets import preset_options
from core.pyramid import Scale

DISTRIBUTION = "style-transfer-toolkit"
PICTURES = ("content", "style", "output")
"""What a `--config` file may name beside the options of `TransferConfig` and a preset."""


def make_record(
    config: TransferConfig,
    *,
    content: Mapping[str, Any],
    style: Mapping[str, Any],
    engine: Mapping[str, Any],
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
        "style": dict(style),
        "engine": dict(engine),
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


def describe_picture(source: PictureSource, picture: Picture) -> dict[str, Any]:
    """Which picture it was: its path and the checksum of the file, or of its pixels where there is no file."""
    described: dict[str, Any] = {"size": picture.size}
    if isinstance(source, str | PathLike):
        path = Path(source)
        return {
            "path": str(path.resolve()),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        } | described
    return {"path": None, "sha256": hashlib.sha256(picture.pixels.tobytes()).hexdigest()} | described


def embedded(record: Mapping[str, Any]) -> str:
    """The record as it goes into a picture: without the losses of every step."""
    return json.dumps({key: value for key, value in record.items() if key != "losses"})


def write_record(path: str | PathLike[str], record: Mapping[str, Any]) -> None:
    """Write the whole record as JSON, all at once or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def read_options(path: str | PathLike[str]) -> dict[str, Any]:
    """The options in a TOML file, in a JSON record, or in a picture that carries its record.

    Returns keys of `TransferConfig` and of `PICTURES`; a preset named in the file is already taken apart.

    Raises:
        UsageError: There is no such file, or nothing to be understood in it.
    """
    path = Path(path)
    options = _parse(path)
    if isinstance(options.get("config"), dict):
        pictures = {name: options[name].get("path") for name in ("content", "style") if name in options}
        options = options["config"] | {name: where for name, where in pictures.items() if where}
    options = {key.replace("-", "_"): value for key, value in options.items()}
    preset = options.pop("preset", None)
    options = (preset_options(preset) if preset else {}) | options
    TransferConfig.from_options({key: value for key, value in options.items() if key not in PICTURES})
    return options


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".toml":
            return tomllib.loads(data.decode())
        text = data.decode() if path.suffix.lower() == ".json" else read_record(path)
        options = json.loads(text or "null")
    except OSError as error:
        raise UsageError(f"cannot read --config {path}: {reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"--config {path} cannot be understood: {error}") from error
    if not isinstance(options, dict):
        raise UsageError(f"--config {path} holds no options: expected a TOML file, a record, or a picture with one")
    return options


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
