"""The configuration of a run from flags, a preset, an effort, and a file: TOML, a run record, or an image with one."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from core.config.presets import EVALUATIONS_PER_EPOCH, effort_options, preset_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_regular, reason
from core.image.embedded_record import read_record
from core.runs.record import upgraded
from core.styles import Style, assign_regions

PATH_KEYS = ("content", "style", "output")
"""Keys of a `--config` file that name images.

The other keys are `preset`, `effort`, `region` and those of `TransferConfig`.
"""


def resolve_config(
    flags: Mapping[str, Any],
    *,
    preset: str | None = None,
    effort: str | None = None,
    config_file: Path | None = None,
    epochs: int | None = None,
    cuda: bool = False,
) -> tuple[TransferConfig, dict[str, Any]]:
    """Merge the sources of options: flags override the file, the file overrides the effort, and that the preset.

    Args:
        flags: Values of the command line by the names of `TransferConfig`; None where an option is not given.
        preset: A preset in `core.config.presets`.
        effort: An effort in `core.config.presets`.
        config_file: A file for `read_options`.
        epochs: Length of the run in epochs, instead of the flag `iterations`.
        cuda: Run on CUDA, instead of the flag `device`.

    Returns:
        The configuration, and the file's values of `PATH_KEYS`.

    Raises:
        UsageError: A value is invalid, two flags exclude each other, or the file cannot be read.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if epochs is not None:
        _require_absent(given, "iterations", "--epochs")
        if epochs < 1:
            raise UsageError(f"--epochs is {epochs}: expected a whole number of at least 1")
        given["iterations"] = epochs * EVALUATIONS_PER_EPOCH
    if cuda:
        _require_absent(given, "device", "--cuda")
        given["device"] = "cuda"
    options = read_options(config_file, preset=preset, effort=effort)
    paths = {name: options.pop(name) for name in PATH_KEYS if name in options}
    return TransferConfig.from_options(options | given), paths


def read_options(
    path: str | PathLike[str] | None, *, preset: str | None = None, effort: str | None = None
) -> dict[str, Any]:
    """Read the options in a TOML file, a run record (JSON), or an image that contains its run record.

    Args:
        path: The file; None for the options of the preset and the effort alone.
        preset: A preset that the file overrides, also by a preset of its own.
        effort: An effort in place of that of the file. Options in the file override it.

    Returns:
        Values by the names of `TransferConfig` and `PATH_KEYS`. Presets and efforts are replaced by their options, and
        "style" is a tuple of `core.styles.Style` with their regions.

    Raises:
        UsageError: The file cannot be read or parsed, or an option in it is unknown or invalid.
    """
    options = {} if path is None else _parse(Path(path))
    if isinstance(options.get("config"), dict):
        options = options["config"] | _paths_in_record(options)
    options = {key.replace("-", "_"): value for key, value in options.items()}
    own_preset, own_effort = options.pop("preset", None), options.pop("effort", None)
    if "style" in options or "region" in options:
        options["style"] = _parse_styles(options.pop("style", ()), options.pop("region", ()))
    own = _named_options((own_preset,), own_effort) | options
    TransferConfig.from_options({key: value for key, value in own.items() if key not in PATH_KEYS})
    return _named_options((preset, own_preset), own_effort if effort is None else effort) | options


def _named_options(presets: Sequence[str | None], effort: str | None) -> dict[str, Any]:
    """Return the options of the presets, a later one overriding an earlier one, and of the effort; None for none."""
    options: dict[str, Any] = {}
    for preset in presets:
        options |= {} if preset is None else preset_options(preset)
    return options | ({} if effort is None else effort_options(effort))


def _parse(path: Path) -> dict[str, Any]:
    check_regular(path, f"--config {path}")
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".toml":
            return tomllib.loads(data.decode())
        text = data.decode() if path.suffix.lower() == ".json" else read_record(path)
        options = json.loads(text or "null")
    except OSError as error:
        raise UsageError(f"cannot read --config {path}: {reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"cannot parse --config {path}: {error}") from error
    if not isinstance(options, dict):
        raise UsageError(
            f"--config {path} contains no options: expected a TOML file, a run record, or an image with a run record"
        )
    return options


def _paths_in_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content image and the styles of a run record; an image that was not a file has no path there."""
    record = upgraded(record)
    content = record.get("content", {}).get("path")
    styles = [
        Style(
            tuple(image["path"] for image in style["images"]),
            style["weight"],
            style["region"] and style["region"]["path"],
            style["crop"] and tuple(style["crop"]),
        )
        for style in record.get("styles", ())
        if all(image["path"] for image in style["images"])
    ]
    return ({"content": content} if content else {}) | ({"style": styles} if styles else {})


def _parse_styles(styles: Any, regions: Any) -> tuple[Style, ...]:
    """Parse one value or several, written as on the command line; values that are a `Style` stay as they are."""
    styles, regions = ([value] if isinstance(value, str) else value for value in (styles, regions))
    parsed = [style if isinstance(style, Style) else Style.parse(str(style)) for style in styles]
    return assign_regions(parsed, regions)


def _require_absent(flags: Mapping[str, Any], name: str, other_flag: str) -> None:
    if name in flags:
        raise UsageError(f"{other_flag} and --{name} are mutually exclusive: give one of them")
