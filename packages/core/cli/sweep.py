"""The runs of a batch: contents × styles × option values, each with its own output file."""

import glob
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from core.config.transfer_config import WITHOUT_EFFECT_ON_RESULT, TransferConfig
from core.errors import UsageError
from core.files import check_distinct, check_writable, exists, is_file, is_folder
from core.image.embedded_record import read_record
from core.image.reading import list_images, read_image
from core.runs.record import describe_files, describe_inputs, differences
from core.schema import parse_json
from core.styles import Style, read_style

_IGNORED = (*WITHOUT_EFFECT_ON_RESULT, "quality")
"""Options by which a finished output may differ: outputs are PNG files, which have no quality."""


@dataclass(frozen=True)
class Variant:
    """One combination of swept option values; `label` names it, such as "strength=0.2", empty without a sweep."""

    label: str
    config: TransferConfig


@dataclass(frozen=True)
class BatchItem:
    """One run of a batch."""

    content: Path
    style: Path
    variant: Variant
    output: Path

    def is_finished(self) -> bool:
        """Return whether the output is the complete result of a run with these images and options.

        Raises:
            UsageError: The content or the style image cannot be read.
        """
        if not is_file(self.output):
            return False
        style = Style((self.style,))
        content = read_image(self.content, name="content").pixels
        inputs = describe_inputs(self.content, content, [style], [read_style(style)])
        inputs |= describe_files(self.variant.config)
        try:
            read_image(self.output)
            record = parse_json(read_record(self.output) or "null")
            return not differences(self.variant.config, inputs, record, _IGNORED) and not record["stopped"]
        except (ValueError, KeyError):  # a damaged image, or no record or another kind of record in it
            return False


def find_images(names: Sequence[str], kind: str) -> list[Path]:
    """Expand files, directories of images, and globs such as photos/*.jpg into paths, each path once.

    Args:
        names: The values of the option.
        kind: The name of the option in errors: "content" or "style".

    Raises:
        UsageError: There are no names, or a name matches no file.
    """
    if not names:
        raise UsageError(f"no {kind} image is given: add --{kind} with a file, a directory or a glob")
    return list(dict.fromkeys(path for name in names for path in _expand(name, kind)))


def _expand(name: str, kind: str) -> list[Path]:
    path = Path(name)
    if not name.strip():  # an unset variable of a shell; `Path` would take it for the current folder
        raise UsageError(f"--{kind} is empty: expected a file, a directory of images, or a glob")
    if is_folder(path):
        found = list_images(path)
    elif exists(path):
        found = [path]
    else:
        matches = glob.glob(name, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
        found = sorted(entry for match in matches if is_file(entry := Path(match)))
    if not found:
        raise UsageError(f"--{kind} {name} matches no image: expected a file, a directory of images, or a glob")
    return found


def expand_sweeps(config: TransferConfig, sweeps: Sequence[str]) -> list[Variant]:
    """Return every combination of the swept values, or the configuration alone without a sweep.

    Args:
        config: The options that are not swept.
        sweeps: Values of `--sweep`, such as "strength=0.2,0.5".

    Raises:
        UsageError: An option is unknown or swept twice, or a value is invalid.
    """
    parsed = [_parse(sweep) for sweep in sweeps]
    names = [name for name, _ in parsed]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"--sweep is given twice for {', '.join(sorted(repeated))}: list all values in one --sweep")
    combinations = itertools.product(*([(name, value) for value in values] for name, values in parsed))
    return [
        Variant(
            "-".join(f"{name.replace('_', '-')}={value}" for name, value in combination),
            config.with_options(**dict(combination)),
        )
        for combination in combinations
    ]


def _parse(sweep: str) -> tuple[str, list[str]]:
    name, _, listed = sweep.partition("=")
    name, values = name.strip().replace("-", "_"), [value.strip() for value in listed.split(",")]
    known = [option.name for option in fields(TransferConfig)]
    if name == "painter":
        raise UsageError("--sweep cannot vary painter, whose file determines other options: run one batch per painter")
    if name not in known:
        raise UsageError(f"--sweep is {sweep!r}: expected OPTION=VALUE,VALUE with one of {', '.join(known)}")
    if "" in values or len(set(values)) < len(values):
        raise UsageError(f"--sweep is {sweep!r}: expected different values separated by commas")
    return name, values


def plan_batch(
    contents: Sequence[Path],
    styles: Sequence[Path],
    variants: Sequence[Variant],
    directory: Path,
    others: Sequence[Path] = (),
) -> list[BatchItem]:
    """Return one item per variant, content and style, in this order, with unique output names in the directory.

    Raises:
        UsageError: The directory cannot be written to, or an output would overwrite an image or another file that the
            batch reads.
    """
    combinations = [(variant, content, style) for variant in variants for content in contents for style in styles]
    names = _unique(_output_name(content, style, variant) for variant, content, style in combinations)
    items = [
        BatchItem(content, style, variant, directory / f"{name}.png")
        for (variant, content, style), name in zip(combinations, names, strict=True)
    ]
    for item in items:
        check_writable(item.output)
    check_distinct([item.output for item in items], (*contents, *styles, *others))
    return items


def _output_name(content: Path, style: Path, variant: Variant) -> str:
    name = "-".join(filter(None, (content.stem, style.stem, variant.label)))
    return re.sub(r'[/\\:*?"<>|\s]', "_", name)


def _unique(names: Iterable[str]) -> Iterator[str]:
    """Append -2, -3, … to names that repeat an earlier one, ignoring case."""
    taken: set[str] = set()
    for name in names:
        candidates = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        chosen = next(candidate for candidate in candidates if candidate.casefold() not in taken)
        taken.add(chosen.casefold())
        yield chosen
