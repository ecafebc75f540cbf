"""The run record: how an image was made, as JSON in the image file or beside it."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path, PurePath
from typing import Annotated, Any

import numpy as np
import PIL
from msgspec import Meta, Struct

from core import schema
from core.arrays import Pixels, size_of
from core.config.options import flag_of
from core.config.transfer_config import FILE_OPTIONS, WITHOUT_EFFECT_ON_RESULT, TransferConfig
from core.errors import UsageError
from core.files import reason, replacing, sha256_of, sha256_of_bytes
from core.image.reading import ImageSource
from core.installation import DISTRIBUTION
from core.multiscale.schedule import Scale
from core.styles import Style, StyleExemplar

_PATH_ENTRIES = ("path", "source", *FILE_OPTIONS)
"""Entries of a record that may be paths."""


class RecordedFile(Struct, frozen=True, kw_only=True):
    """A file that a run read, or an image that was not a file and has no path; `size` is that of an image in pixels."""

    path: str | None = None
    sha256: str = ""
    size: tuple[schema.Count, schema.Count] | None = None

    @property
    def identity(self) -> object:
        """What is equal for two files with the same content."""
        return self.sha256, self.size


class RecordedStyle(Struct, frozen=True, kw_only=True):
    """A style of a run: see `core.styles.Style`."""

    images: Annotated[tuple[RecordedFile, ...], Meta(min_length=1)]
    weight: schema.Positive
    region: RecordedFile | None = None
    crop: tuple[schema.Count, schema.Count, schema.Count, schema.Count] | None = None
    mask: RecordedFile | None = None

    @property
    def identity(self) -> object:
        """What is equal for two styles of the same images."""
        region, mask = (file and file.identity for file in (self.region, self.mask))
        return [image.identity for image in self.images], self.weight, region, self.crop, mask


class RecordedBackend(Struct, frozen=True, kw_only=True):
    """The part of the description of a backend that decides the result of a run."""

    name: str | None = None
    weights: dict[str, str] | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """The part of a record that is read: what is needed to repeat a run, and to compare it with another."""

    config: dict[str, Any]
    content: RecordedFile = RecordedFile()
    styles: tuple[RecordedStyle, ...] = ()
    files: Mapping[str, RecordedFile] = {}
    backend: RecordedBackend = RecordedBackend()
    stopped: bool = False

    @classmethod
    def of(cls, values: Any) -> "RunRecord":
        """Check a parsed record, possibly of an earlier version.

        Raises:
            ValueError: A field is missing or invalid.
        """
        return schema.check(upgraded(values) if isinstance(values, Mapping) else values, cls)

    @property
    def inputs(self) -> dict[str, object]:
        """What is equal for two runs with the same inputs, by the entries of the record."""
        return {
            "content": self.content.identity,
            "styles": [style.identity for style in self.styles],
            "files": {name: file.identity for name, file in self.files.items()},
        }

    @property
    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each file that the run read, by its path."""
        images = [image for style in self.styles for image in (*style.images, style.region, style.mask)]
        files = [file for file in (self.content, *images, *self.files.values()) if file is not None]
        return {file.path: file.sha256 for file in files if file.path and file.sha256}


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


def describe_files(config: TransferConfig) -> dict[str, Any]:
    """Return the entry "files" of a record: path and checksum of each file that an option names.

    Raises:
        UsageError: A file cannot be read.
    """
    return {"files": {name: _describe_file(path, name) for name, path in config.files.items()}}


def differences(
    config: TransferConfig,
    about: Mapping[str, Any],
    record: Mapping[str, Any],
    ignored: Sequence[str] = WITHOUT_EFFECT_ON_RESULT,
) -> list[str]:
    """Return how a run differs from that of `record`: options as flags, images, files, backend.

    `about` holds the entries "content", "styles", "files" and "backend" of the run that must be equal; a missing entry
    is not compared. Paths are not compared, checksums are. Options in `ignored` may differ.

    Raises:
        ValueError: A field of `record` is missing or invalid.
    """
    own, other = RunRecord.of({"config": {}, **about}), RunRecord.of(record)
    found = config.differences(other.config, ignored)
    for name, what in (("content", "the content image"), ("styles", "the styles"), ("files", "files of options")):
        if name in about and own.inputs[name] != other.inputs[name]:
            found.append(what)
    if "backend" in about:
        for name, what in (("name", "the backend"), ("weights", "the weights")):
            if without_folders(getattr(own.backend, name)) != without_folders(getattr(other.backend, name)):
                found.append(what)
    return found


def upgraded(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` with the present names and options.

    Version 0.1 named the backend "engine" and the images "pictures", and had neither a reference size nor padding. It
    had one weight of total variation for all scales, and the content counted the same everywhere.
    """
    record = dict(record)
    if isinstance(record.get("config"), dict):
        former = {"reference_size": 0, "content_detail": 0.0, "content_scaling": 2.0, "tv_scaling": 0.0, "padding": 0}
        record["config"] = former | record["config"]
    if isinstance(record.get("engine"), dict):
        engine = dict(record.pop("engine"))
        record["backend"] = {"name": engine.pop("engine", None), **engine}
    if isinstance(record.get("styles"), list):
        record["styles"] = [_upgraded_style(style) for style in record["styles"]]
    return record


def _upgraded_style(style: Any) -> Any:
    if not isinstance(style, dict):
        return style
    return {("images" if name == "pictures" else name): value for name, value in style.items()}


def record_for_embedding(record: Mapping[str, Any]) -> str:
    """Return the record as JSON for an image file, without the losses of every step and without folders.

    An image is published more readily than a record, and the names of folders contain those of users.
    """
    return json.dumps(without_folders({key: value for key, value in record.items() if key != "losses"}))


def without_folders(value: Any) -> Any:
    """Return a record, or a part of one, in which file names replace the paths of files."""
    if isinstance(value, Mapping):
        return {
            key: PurePath(item).name if key in _PATH_ENTRIES and isinstance(item, str) else without_folders(item)
            for key, item in value.items()
        }
    return [without_folders(item) for item in value] if isinstance(value, list | tuple) else value


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
        found = {"path": None, "sha256": sha256_of_bytes(pixels.tobytes())}
    return found | {"size": size_of(pixels)}


def _describe_style(style: Style, exemplar: StyleExemplar) -> dict[str, Any]:
    masks = {"region": (style.region, exemplar.mask), "mask": (style.mask, exemplar.style_mask)}
    return {
        "images": [
            _describe_image(source, pixels) for source, pixels in zip(style.images, exemplar.images, strict=True)
        ],
        "weight": style.weight,
        "crop": style.crop,
        **{
            name: None if source is None or pixels is None else _describe_image(source, pixels)
            for name, (source, pixels) in masks.items()
        },
    }


def _describe_file(path: Path, option: str) -> dict[str, Any]:
    try:
        return {"path": os.path.realpath(path), "sha256": sha256_of(path)}
    except OSError as error:
        raise UsageError(f"cannot read {flag_of(option)} {path}: {reason(error)}; check the path") from error


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
