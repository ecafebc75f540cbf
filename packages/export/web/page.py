"""Write a static page that runs style transfer in the browser: `python -m export web`.

The page consists of HTML, CSS, JavaScript modules, an objective and the files of ONNX Runtime Web. PyTorch is imported
only if the objective has to be exported.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.artifacts.manifest import describe_shape, read_manifest
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import resolved, sha256_of
from core.webapp.theme import scheme_css
from export.web.examples import copy_examples
from export.web.folder import SETTINGS_FILE, check_replaceable, replacing_folder
from export.web.objective import add_target_outputs
from export.web.runtime import copy_runtime
from export.web.settings import page_settings

OBJECTIVE_FILE = "objective.onnx"


def write_page(
    folder: Path, objective: Path | None = None, *, runtime: Path | None = None, examples: Path | None = None
) -> Mapping[str, Any]:
    """Write a page to `folder` and return its settings, which are also written as `page.json`.

    Args:
        folder: Created, or replaced as a whole if it contains a page.
        objective: Exported objective in ONNX format. None exports one for the default network and layers, which needs
            PyTorch.
        runtime: Folder with the unpacked npm package onnxruntime-web. None downloads it with npm.
        examples: Folder with the folders `content` and `style`, whose images the page offers. None offers none.

    Raises:
        UsageError: `folder` contains other files or an input, or an input is missing or damaged.
        StyleTransferError: npm is missing or fails, or the page cannot be written. `folder` is unchanged.
    """
    check_replaceable(folder)
    target = resolved(folder)
    for source in (objective, runtime, examples):
        if source is not None and target in ((path := resolved(source)), *path.parents):
            raise UsageError(f"refusing to replace {folder}, which contains the input {source}: choose another folder")
    with replacing_folder(folder) as temporary, _existing_or_exported(objective) as artifact:
        manifest = read_manifest(artifact, kind="objective")
        if style_loss_spec(manifest.style_loss).position_targets:
            raise UsageError(
                f"{artifact} has the style loss {manifest.style_loss}, whose targets a page cannot compute: export one "
                "with another style loss"
            )
        if manifest.has_regions:
            raise UsageError(f"{artifact} has inputs for regions, and a page has none: export one without --regions")
        if manifest.size is not None:
            raise UsageError(
                f"{artifact} accepts only images of {describe_shape(manifest)}, and a page has images of all sizes: "
                "export one without --size"
            )
        copy_runtime(temporary, runtime)
        _copy_static_files(temporary)
        (temporary / "theme.css").write_text(scheme_css(), encoding="utf-8")
        targets = add_target_outputs(artifact, temporary / OBJECTIVE_FILE, manifest)
        example_paths = {} if examples is None else copy_examples(temporary, examples)
        settings = page_settings(manifest, targets, example_paths, _checksums(temporary))
        (temporary / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return settings


@contextmanager
def _existing_or_exported(objective: Path | None) -> Iterator[Path]:
    if objective is not None:
        yield objective
        return
    from core.network.weights import load_weights
    from export.objective.export import export_objective

    config = TransferConfig()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / OBJECTIVE_FILE
        weights = load_weights(config.arch, config.weights, progress=True)
        layers = (config.content_layers, config.style_layers)
        export_objective(path, weights, *layers, style_loss=config.style_loss, checksum=False)
        yield path


def _copy_static_files(folder: Path) -> None:
    for file in files("export").joinpath("web", "static").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def _checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 checksum of each file, by its path relative to `folder`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
