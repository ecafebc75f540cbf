"""The programs that a run compares: configurations of the toolkit, and rivals whose pictures are finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quality.grid import Pair, check_unique
from core.cli.config_file import refuse_regions, resolve_config
from core.config.presets import PRESETS
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import is_file
from core.image.reading import list_images

DEFAULT = "default"
CONTROLS = ("photograph", "painting")
"""Names of the controls in the table: the content and the style image themselves."""

VERSUS = "-vs-"
"""Separator of two names in the name of a comparison."""


@dataclass(frozen=True)
class Configuration:
    """A configuration of the toolkit, and the options of `core.transfer` that give it."""

    name: str
    config: TransferConfig
    options: tuple[str, ...]


@dataclass(frozen=True)
class Rival:
    """Another program, and its picture of each pair, by the name of the pair."""

    name: str
    pictures: dict[str, Path]


Program = Configuration | Rival


def read_configurations(values: Sequence[str], size: int) -> list[Configuration]:
    """Return the configurations of the values of --config: "default", presets, or files that `core.transfer` reads.

    All of them get a long side of `size` pixels.

    Raises:
        UsageError: A value is none of these, a file is invalid, or `size` is too small.
    """
    return [_read_configuration(value, size) for value in values]


def read_rivals(values: Sequence[str], pairs: Sequence[Pair]) -> list[Rival]:
    """Return the rivals of the values of --rival, NAME=FOLDER, with files named CONTENT--STYLE.

    Raises:
        UsageError: A value is malformed, or the folder lacks the picture of a pair.
    """
    return [_read_rival(value, pairs) for value in values]


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError if the name of a program cannot be used for folders and columns, or is used twice."""
    for name in names:
        if name in CONTROLS or VERSUS in name or name != Path(name).name:
            raise UsageError(
                f"a program cannot have the name {name!r}: {' and '.join(CONTROLS)} are controls, "
                f"{VERSUS} separates two names, and a name is one part of a path; rename the file or the rival"
            )
    check_unique(names, "programs", "rename a file or a rival")


def _read_configuration(value: str, size: int) -> Configuration:
    flags = {"image_size": size, "image_size_side": "long"}
    options = [f"--image-size={size}", "--image-size-side=long"]
    if value == DEFAULT:
        return Configuration(value, resolve_config(flags)[0], tuple(options))
    if value in PRESETS:
        config = resolve_config(flags, preset=value)[0]
        return Configuration(value, config, (*options, f"--preset={value}"))
    if not is_file(value):
        raise UsageError(
            f"there is no configuration {value!r}: expected {DEFAULT}, a preset ({', '.join(PRESETS)}), or a file"
        )
    config, paths = resolve_config(flags, config_file=Path(value))
    refuse_regions(paths, value, "a comparison")
    return Configuration(Path(value).stem, config, (*options, f"--config={value}"))


def _read_rival(value: str, pairs: Sequence[Pair]) -> Rival:
    name, _, folder = value.partition("=")
    if not (name and folder and Path(folder).is_dir()):
        raise UsageError(f"--rival is {value!r}: expected NAME=FOLDER with a folder that exists")
    found = {path.stem: path for path in list_images(Path(folder))}
    for pair in pairs:
        if pair.name not in found:
            raise UsageError(
                f"--rival {name} has no picture {pair.name} in {folder}: add it, or restrict the pairs with --pairs"
            )
    return Rival(name, {pair.name: found[pair.name] for pair in pairs})
