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
from core.images import PictureSource, Pixels, read_record, size_of
from core.optimise import Evaluation
from core.presets import preset_options
from core.pyramid import Scale
from core.styles import Manner, Style, assign_regions

DISTRIBUTION = "style-transfer-toolkit"
PICTURES = ("content", "style", "output")
"""What a `--config` file may name beside the options of `TransferConfig`, a preset, and the `region` of styles."""


def make_record(
    config: TransferConfig,
    *,
    content: Mapping[str, Any],
    styles: Sequence[Mapping[str, Any]],
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
        "styles": [dict(style) for style in styles],
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


def describe_picture(source: PictureSource, pixels: Pixels) -> dict[str, Any]:
    """Which picture it was: its path and the checksum of the file, or of its pixels where there is no file."""
    if isinstance(source, str | PathLike):
        path = Path(source)
        found: dict[str, Any] = {
            "path": str(path.resolve()),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    else:
        found = {"path": None, "sha256": hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}
    return found | {"size": size_of(pixels)}


def describe_style(style: Style, manner: Manner) -> dict[str, Any]:
    """Which pictures a style consists of, and how it was wanted."""
    region = None
    if style.region is not None and manner.mask is not None:
        region = describe_picture(style.region, manner.mask)
    return {
        "pictures": [
            describe_picture(source, pixels) for source, pixels in zip(style.pictures, manner.pictures, strict=True)
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


def read_options(path: str | PathLike[str]) -> dict[str, Any]:
    """The options in a TOML file, in a JSON record, or in a picture that carries its record.

    Returns keys of `TransferConfig` and of `PICTURES`, the styles as `core.styles.Style`; a preset named in the file
    is already taken apart.

    Raises:
        UsageError: There is no such file, or nothing to be understood in it.
    """
    path = Path(path)
    options = _parse(path)
    if isinstance(options.get("config"), dict):
        options = options["config"] | _recorded(options)
    options = {key.replace("-", "_"): value for key, value in options.items()}
    preset = options.pop("preset", None)
    options = (preset_options(preset) if preset else {}) | options
    if "style" in options or "region" in options:
        options["style"] = _styles(options.pop("style", ()), options.pop("region", ()))
    TransferConfig.from_options({key: value for key, value in options.items() if key not in PICTURES})
    return options


def _recorded(record: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures that a record names and that were files."""
    pictures = {"content": record.get("content", {}).get("path")}
    styles = [
        Style(
            tuple(picture["path"] for picture in style["pictures"]),
            style["weight"],
            style["region"] and style["region"]["path"],
            style["crop"] and tuple(style["crop"]),
        )
        for style in record.get("styles", ())
        if all(picture["path"] for picture in style["pictures"])
    ]
    return {name: where for name, where in pictures.items() if where} | ({"style": styles} if styles else {})


def _styles(given: Any, regions: Any) -> tuple[Style, ...]:
    """From what a file says: texts as on the command line, one or several."""
    texts, masks = ([value] if isinstance(value, str) else value for value in (given, regions))
    return assign_regions([one if isinstance(one, Style) else Style.parse(str(one)) for one in texts], masks)


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
