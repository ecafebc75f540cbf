"""The configuration of a run from flags, a preset, an effort, and a file: TOML, a run record, or an image with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from msgspec import Struct

from core import schema
from core.artifacts.lookup import artifact_options
from core.config.presets import EVALUATIONS_PER_EPOCH, effort_options, preset_options
from core.config.transfer_config import FILE_OPTIONS, TransferConfig
from core.errors import UsageError
from core.files import check_regular, is_file, reason
from core.image.embedded_record import read_record
from core.installation import has_torch
from core.runs.record import RecordedStyle, RunRecord
from core.styles import Style

CHECKSUMS = "checksums"
"""Key of the result of `read_options` for the SHA-256 of the files that a run record names, by their paths."""

PATH_KEYS = ("content", "style", "region", "style_mask", "output", CHECKSUMS)
"""Keys of the result of `read_options` that are not options of `TransferConfig`."""


MAX_BYTES = 2**26
"""Limit on the size of a file; a record has about 200 bytes for each step of a run."""


class OtherOptions(Struct, frozen=True, kw_only=True):
    """The keys of a `--config` file that are not options of `TransferConfig`.

    A style is written as on the command line; a table has the weight of each style by its path.
    """

    content: str | None = None
    style: str | tuple[str, ...] | dict[str, schema.Positive] = ()
    region: str | tuple[str, ...] = ()
    style_mask: str | tuple[str, ...] = ()
    output: str | None = None
    preset: str | None = None
    effort: str | None = None


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

    Where PyTorch is not installed, the artifacts of the run supply the options that no source contains.

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
        UsageError: A value is invalid, two flags exclude each other, or a file cannot be read.
        StyleTransferError: PyTorch is not installed, and an artifact is missing.
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
    requested = options | given
    from_artifacts = artifact_options(requested) if requested.get("painter") or not has_torch() else {}
    return TransferConfig.from_options(from_artifacts | requested), paths


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
        "style" is a tuple of `core.styles.Style`. "region" and "style_mask" of a TOML file are tuples of MASK=STYLE, as
        on the command line; the styles of a record have their own.

    Raises:
        UsageError: The file cannot be read or parsed, or an option in it is unknown or invalid.
    """
    file = _File() if path is None else _read(Path(path))
    TransferConfig.from_options(_named_options((file.preset,), file.effort) | file.options)
    named = _named_options((preset, file.preset), file.effort if effort is None else effort)
    return named | file.options | file.paths


@dataclass(frozen=True)
class _File:
    """The content of a `--config` file: its options of `TransferConfig`, and its values of `PATH_KEYS`."""

    options: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    effort: str | None = None


def _read(path: Path) -> _File:
    values = _parse(path)
    try:
        if isinstance(values.get("config"), dict):
            record = RunRecord.of(values)
            files = {name: _find(value, path.parent) for name, value in record.config.items() if name in FILE_OPTIONS}
            return _File(record.config | files, _paths_in_record(record, path.parent))
        options = {key.replace("-", "_"): value for key, value in values.items()}
        other = schema.check(options, OtherOptions)
    except ValueError as error:
        raise UsageError(f"--config {path} has an invalid value: {error}") from error
    options = {key: value for key, value in options.items() if key not in OtherOptions.__struct_fields__}
    paths: dict[str, Any] = {"content": other.content, "style": _parse_styles(other.style), "output": other.output}
    paths |= {"region": _as_tuple(other.region), "style_mask": _as_tuple(other.style_mask)}
    return _File(options, {key: value for key, value in paths.items() if value}, other.preset, other.effort)


def _named_options(presets: Sequence[str | None], effort: str | None) -> dict[str, Any]:
    """Return the options of the presets, a later one overriding an earlier one, and of the effort; None for none."""
    options: dict[str, Any] = {}
    for preset in presets:
        options |= {} if preset is None else preset_options(preset)
    return options | ({} if effort is None else effort_options(effort))


def _parse(path: Path) -> dict[str, Any]:
    check_regular(path, f"--config {path}")
    try:
        if path.suffix.lower() == ".toml":
            return schema.parse_toml(schema.decode_text(_read_bytes(path)))
        text = _read_bytes(path) if path.suffix.lower() == ".json" else read_record(path)
        options = schema.parse_json(text or "null")
    except OSError as error:
        raise UsageError(f"cannot read --config {path}: {reason(error)}") from error
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"cannot parse --config {path}: {error}") from error
    if not isinstance(options, dict):
        raise UsageError(
            f"--config {path} contains no options: expected a TOML file, a run record, or an image with a run record"
        )
    return options


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return content


def _paths_in_record(record: RunRecord, folder: Path) -> dict[str, Any]:
    """Return the content image, the styles and the checksums of a run record in `folder`.

    An image that was not a file has no path.
    """
    styles = [_style_of(style, folder) for style in record.styles if all(image.path for image in style.images)]
    checksums = {_find(path, folder): checksum for path, checksum in record.checksums.items()}
    found = {"content": _find(record.content.path, folder), "style": tuple(styles), CHECKSUMS: checksums}
    return {key: value for key, value in found.items() if value}


def _style_of(recorded: RecordedStyle, folder: Path) -> Style:
    images = tuple(_find(image.path, folder) for image in recorded.images)
    region, mask = (_find(file.path, folder) if file else None for file in (recorded.region, recorded.mask))
    return Style(images, recorded.weight, region, recorded.crop, mask)


def _find(path: Any, folder: Path) -> Any:
    """Return the path of a file that a record in `folder` names; other values are returned as they are.

    The record inside an image has only the names of files. They are looked up beside the image, else in the current
    folder.
    """
    beside = folder / str(path)
    return str(beside) if beside.name == path and is_file(beside) else path


def _parse_styles(styles: str | tuple[str, ...] | Mapping[str, float]) -> tuple[Style, ...]:
    """Parse the styles of a TOML file."""
    if isinstance(styles, Mapping):
        return tuple(replace(Style.parse(path), weight=weight) for path, weight in styles.items())
    return tuple(map(Style.parse, _as_tuple(styles)))


def _as_tuple(values: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of a key that may have one value or several."""
    return (values,) if isinstance(values, str) else values


def refuse_regions(paths: Mapping[str, Any], file: object, program: str) -> None:
    """Raise UsageError if a file names regions or style masks, for a `program` that has none.

    `paths` are the values of `PATH_KEYS` in the file.
    """
    if "region" in paths or "style_mask" in paths:
        raise UsageError(f"{file} has regions or style masks, which {program} does not support: remove them")


def _require_absent(flags: Mapping[str, Any], name: str, other_flag: str) -> None:
    if name in flags:
        raise UsageError(f"{other_flag} and --{name} are mutually exclusive: give one of them")
