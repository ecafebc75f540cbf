"""The files that a run reads besides its content and style images, and how they differ from those of a run record."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from core.artifacts.extractors import check_matches_config
from core.artifacts.manifest import checksum_path, read_manifest
from core.backends.onnx_backend import check_objective
from core.cli.config_file import CHECKSUMS
from core.cli.errors import warn
from core.config.transfer_config import TransferConfig
from core.files import identity, is_file, sha256_of
from core.image.reading import check_mask, read_size
from core.painter_runner import check_painter
from core.styles import Style


def files_of_options(config: TransferConfig, config_file: Path | None) -> tuple[Path, ...]:
    """Return the files that options name, those beside artifacts included, and the `--config` file if there is one."""
    named = config.files
    artifacts = [named[option] for option in ("extractor", "objective", "painter") if option in named]
    beside = [checksum_path(path) for path in artifacts]
    return *named.values(), *beside, *((config_file,) if config_file else ())


def check_readable(styles: Sequence[Style], config: TransferConfig) -> None:
    """Check the headers of the masks and of the initial image.

    Raises:
        UsageError: A file is missing or not an image.
    """
    masks = [(mask, kind) for style in styles for mask, kind in ((style.region, "region"), (style.mask, "style"))]
    for mask, kind in masks:
        if isinstance(mask, str | PathLike):
            check_mask(mask, name=f"{kind} mask")
    if "init" in config.files:
        read_size(config.files["init"], name="--init")


def check_network(config: TransferConfig) -> None:
    """Check that the weights and the exported files of a run are there and fit its options, without loading weights.

    Raises:
        UsageError: A file is missing, damaged or of another network.
    """
    if config.painter is not None:
        check_painter(config.painter, read_manifest(config.painter, kind="painter"), config)
        return
    if config.extractor is None:
        from core.network.weight_sources import check_source

        check_source(config.weights, config.arch)
    else:
        check_matches_config(config.extractor, read_manifest(config.extractor, kind="extractor"), config)
    if config.objective is not None:
        check_objective(config.objective, read_manifest(config.objective, kind="objective"), config)


def warn_of_changes(from_file: Mapping[str, Any], inputs: Iterable[object]) -> None:
    """Warn of each input that has changed since the run whose record is repeated.

    Args:
        from_file: The values of `core.cli.config_file.PATH_KEYS` in the `--config` file.
        inputs: The files that the run reads; elements that are not paths are ignored.
    """
    recorded = from_file.get(CHECKSUMS, {})
    for path in dict.fromkeys(str(source) for source in inputs if isinstance(source, str | PathLike)):
        if path in recorded and is_file(path) and sha256_of(Path(path)) != recorded[path]:
            warn(f"{path} has changed since the run that --config records, so the result will differ")


def warn_of_replaced_styles(
    from_file: Mapping[str, Any], styles: Sequence[str] | None, chosen: Sequence[Style]
) -> None:
    """Warn if the flags `--style` replace, and do not repeat, styles of a `--config` file that are more than images.

    Args:
        from_file: The values of `core.cli.config_file.PATH_KEYS` in the `--config` file.
        styles: The flags `--style`.
        chosen: The styles of the run, with their regions and style masks.
    """
    replaced = from_file.get("style", ()) if styles else ()
    special = [style for style in replaced if style.region is not None or style.mask is not None or style.crop]
    if not all(any(_repeats(style, recorded) for style in chosen) for recorded in special):
        warn("--style replaces the styles of --config with their regions, style masks, crops and weights: add these")


def _repeats(style: Style, recorded: Style) -> bool:
    """Return whether a style has the images, the weight and the crop of a recorded one, and its masks if it has any."""
    own, other = ((list(map(_identity, one.images)), one.weight, one.crop) for one in (style, recorded))
    masks = ((style.region, recorded.region), (style.mask, recorded.mask))
    return own == other and all(old is None or _identity(new) == _identity(old) for new, old in masks)


def _identity(source: Any) -> object:
    return identity(source) if isinstance(source, str | PathLike) else source
