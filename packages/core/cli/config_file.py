"""Options from TOML files, run records and images that carry a record."""

import json
import tomllib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from core.config.presets import EVALUATIONS_PER_EPOCH, preset_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import reason
from core.image.embedded_record import read_record
from core.styles import Style, assign_regions

PICTURES = ("content", "style", "output")
"""What a `--config` file may name beside the options of `TransferConfig`, a preset, and the `region` of styles."""


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


def resolve(
    given: Mapping[str, Any],
    *,
    preset: str | None = None,
    config_file: Path | None = None,
    epochs: int | None = None,
    cuda: bool = False,
) -> tuple[TransferConfig, dict[str, Any]]:
    """The configuration, and the pictures a file names: defaults, then preset, then file, then flags.

    Raises:
        UsageError: Something cannot be understood, or two flags contradict each other.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    if epochs is not None:
        _exclusive("--epochs", "iterations", flags)
        if epochs < 1:
            raise UsageError(f"--epochs is {epochs}: expected a whole number of at least 1")
        flags["iterations"] = epochs * EVALUATIONS_PER_EPOCH
    if cuda:
        _exclusive("--cuda", "device", flags)
        flags["device"] = "cuda"
    options = preset_options(preset) if preset else {}
    options |= read_options(config_file) if config_file else {}
    pictures = {name: options.pop(name) for name in PICTURES if name in options}
    return TransferConfig.from_options(options | flags), pictures


def _exclusive(flag: str, other: str, flags: Mapping[str, Any]) -> None:
    if other in flags:
        raise UsageError(f"{flag} and --{other} were both given and say the same thing: give one of them")
