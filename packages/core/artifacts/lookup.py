"""Find the artifacts of a run without PyTorch: options name them, or they are in one folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from core.artifacts.manifest import Kind, Manifest, read_manifest
from core.artifacts.painter import PAINTER_OPTIONS
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.files import is_file
from core.installation import DISTRIBUTION, INSTALL_FULL, check_installed, has_torch

FOLDER_VARIABLE = "STYLE_TRANSFER_ARTIFACTS"
"""Environment variable that names the folder of the artifacts."""

ARTIFACT_SETS: tuple[tuple[Kind, ...], ...] = (("objective", "extractor"), ("painter",))
"""Each set of artifacts that suffices for a run: the one with more options first, the one with fewer files last.

An artifact has one name everywhere: it is the kind in the manifest, the option of `TransferConfig` for the file, the
command `python -m export NAME` that writes it, and the file NAME.onnx in the folder. The manifest of the first artifact
of a set determines the options of the network.
"""


def artifacts_folder() -> Path:
    """Return the folder that `FOLDER_VARIABLE` names, else that of the toolkit among the data of the user."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_data_path(DISTRIBUTION, appauthor=False)


def find_artifacts(named: Mapping[str, Any]) -> dict[Kind, str]:
    """Return the paths of a set of artifacts, by the names of their options.

    Args:
        named: Options by name; the artifacts that these do not name are in `artifacts_folder`.

    Raises:
        StyleTransferError: The folder lacks an artifact.
    """
    folder = artifacts_folder()
    given = {name for names in ARTIFACT_SETS for name in names if named.get(name)}
    sets = [names for names in ARTIFACT_SETS if given <= {*names}] or ARTIFACT_SETS
    candidates = [{name: str(named.get(name) or folder / f"{name}.onnx") for name in names} for names in sets]
    missing = [[name for name, path in paths.items() if not (name in given or is_file(path))] for paths in candidates]
    for paths, names in zip(candidates, missing, strict=True):
        if not names:
            return paths
    # The set that lacks the smallest part: of an empty folder, the one with the fewest files.
    lacking = min(zip(candidates[::-1], missing[::-1], strict=True), key=lambda found: len(found[1]) / len(found[0]))[1]
    files = " and ".join(f"{name}.onnx" for name in lacking)
    commands = " and ".join(f"python -m export {name} -o {name}.onnx" for name in lacking)
    raise StyleTransferError(
        f"PyTorch is not installed, and the folder {folder} contains no {files}: run {commands} in an environment with "
        f"PyTorch ({INSTALL_FULL}), and copy the result to this folder, or to another that ${FOLDER_VARIABLE} names"
    )


def artifact_options(requested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that follow from its artifacts: their paths, their network, those of a painter.

    Args:
        requested: The options that are given, by the names of `TransferConfig`.

    Raises:
        UsageError: An artifact is damaged, or of another kind.
        StyleTransferError: The folder lacks an artifact.
    """
    paths = find_artifacts(requested)
    first, path = next(iter(paths.items()))
    manifest = read_manifest(path, kind=first)
    settings = {name: value for name, value in manifest.settings.items() if name in PAINTER_OPTIONS}
    return network_options(manifest) | settings | paths


def network_options(manifest: Manifest) -> dict[str, Any]:
    """Return the options of a run that the manifest of an objective or a painter determines."""
    return {
        "arch": manifest.arch,
        "weights": manifest.weights["source"],
        "weights_preprocessing": manifest.preprocessing,
        "pooling": manifest.pooling,
        "content_layers": manifest.content_taps,
        "style_layers": manifest.style_taps,
        "style_loss": manifest.style_loss,
        "content_detail": manifest.content_detail,
    }


def with_artifacts(config: TransferConfig) -> TransferConfig:
    """Return `config`, with the artifacts of `artifacts_folder` where PyTorch is not installed.

    Raises:
        StyleTransferError: PyTorch is not installed, and the folder lacks an artifact, or ONNX Runtime is missing too.
    """
    if has_torch():
        return config
    check_installed()
    return config.with_options(**find_artifacts(vars(config)))
