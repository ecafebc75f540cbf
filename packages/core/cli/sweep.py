"""Many paintings from one command: contents by styles by options, each with a name of its own."""

import glob
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_writable
from core.image.embedded_record import read_record
from core.image.reading import list_images, read_image
from core.runs.record import describe_image, describe_style, differences
from core.styles import Style, read_style


@dataclass(frozen=True)
class Variant:
    """One combination of the options that are swept; `label` names them, such as "strength=0.2", and may be empty."""

    label: str
    config: TransferConfig


@dataclass(frozen=True)
class Painting:
    """One of the paintings to make."""

    content: Path
    style: Path
    variant: Variant
    output: Path

    def is_finished(self) -> bool:
        """Whether the output is there, whole, and was painted to its end from these pictures with these options.

        Raises:
            UsageError: One of the pictures cannot be read.
        """
        if not self.output.is_file():
            return False
        style = Style((self.style,))
        about = {
            "content": describe_image(self.content, read_image(self.content, name="content").pixels),
            "styles": [describe_style(style, read_style(style))],
        }
        try:
            read_image(self.output)
            record = json.loads(read_record(self.output) or "{}")
            return not record["stopped"] and not differences(self.variant.config, about, record)
        except (ValueError, KeyError, TypeError):  # a damaged picture, or one that carries no such record
            return False


def find_images(texts: Sequence[str], kind: str) -> list[Path]:
    """The files that the texts name: files, folders of pictures, and globs such as photos/*.jpg; each file once.

    Args:
        texts: As given on a command line.
        kind: What an error calls them: "content" or "style".

    Raises:
        UsageError: A text names nothing.
    """
    if not texts:
        raise UsageError(f"no {kind} picture was named: add --{kind} with a file, a folder or a glob")
    return list(dict.fromkeys(path for text in texts for path in _named(text, kind)))


def _named(text: str, kind: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = list_images(path)
    elif path.exists():
        found = [path]
    else:
        matches = glob.glob(text, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
        found = sorted(entry for name in matches if (entry := Path(name)).is_file())
    if not found:
        raise UsageError(f"--{kind} {text} names no picture: expected a file, a folder of pictures, or a glob")
    return found


def sweep(config: TransferConfig, texts: Sequence[str]) -> list[Variant]:
    """Every combination of what the texts ask for, such as "strength=0.2,0.5"; the configuration alone without any.

    Raises:
        UsageError: An option does not exist, is swept twice, or cannot have one of the values.
    """
    swept = [_parse(text) for text in texts]
    names = [name for name, _ in swept]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"--sweep names {', '.join(sorted(twice))} twice: give all its values at once")
    combinations = itertools.product(*([(name, value) for value in values] for name, values in swept))
    return [
        Variant(
            "-".join(f"{name.replace('_', '-')}={value}" for name, value in chosen),
            config.with_options(**dict(chosen)),
        )
        for chosen in combinations
    ]


def _parse(text: str) -> tuple[str, list[str]]:
    name, _, listed = text.partition("=")
    name, values = name.strip().replace("-", "_"), [value.strip() for value in listed.split(",")]
    known = [option.name for option in fields(TransferConfig)]
    if name not in known:
        raise UsageError(f"--sweep is {text!r}: expected OPTION=VALUE,VALUE with one of {', '.join(known)}")
    if "" in values or len(set(values)) < len(values):
        raise UsageError(f"--sweep is {text!r}: expected different values separated by commas")
    return name, values


def plan_batch(
    contents: Sequence[Path], styles: Sequence[Path], variants: Sequence[Variant], folder: Path
) -> list[Painting]:
    """Every content in every style and variant, the variants outermost; no two outputs have the same name.

    Raises:
        UsageError: The folder cannot be written to, or a painting would take the place of a picture.
    """
    pairs = [(variant, content, style) for variant in variants for content in contents for style in styles]
    names = _unique(_name(content, style, variant) for variant, content, style in pairs)
    paintings = [
        Painting(content, style, variant, folder / f"{name}.png")
        for (variant, content, style), name in zip(pairs, names, strict=True)
    ]
    check_writable(paintings[0].output)
    pictures = {path.resolve() for path in (*contents, *styles)}
    for painting in paintings:
        if painting.output.resolve() in pictures:
            raise UsageError(f"{painting.output} is one of the pictures, which would be lost: choose another folder")
    return paintings


def _name(content: Path, style: Path, variant: Variant) -> str:
    name = "-".join(filter(None, (content.stem, style.stem, variant.label)))
    return re.sub(r'[/\\:*?"<>|\s]', "_", name)


def _unique(names: Iterator[str] | Sequence[str]) -> Iterator[str]:
    """The names, numbered from the second on where one comes again, in upper case or lower."""
    taken: set[str] = set()
    for name in names:
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        chosen = next(candidate for candidate in numbered if candidate.casefold() not in taken)
        taken.add(chosen.casefold())
        yield chosen
