"""Manifests of new artifacts."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from core.artifacts.manifest import Format, Kind, Manifest, Precision
from core.installation import DISTRIBUTION
from core.network.architecture import Pooling
from core.network.weight_sources import credit_of
from core.network.weights import Weights
from export.io_spec import TensorSpec
from export.options import ExportOptions


def new_manifest(
    weights: Weights,
    *,
    kind: Kind,
    format: Format,
    taps: tuple[str, ...],
    content_taps: tuple[str, ...] = (),
    style_taps: tuple[str, ...] = (),
    style_loss: str = "",
    content_detail: float = 0.0,
    pooling: Pooling,
    precision: Precision,
    options: ExportOptions,
    palette: bool = False,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    settings: Mapping[str, Any] | None = None,
) -> Manifest:
    """Return the manifest of an artifact made from `weights`, without parity and hash.

    `palette`: Whether the file stores weights as indices into a palette.
    """
    onnx = format == "onnx"
    credit = credit_of(weights.source)
    return Manifest(
        kind=kind,
        format=format,
        arch=weights.arch,  # type: ignore[arg-type]  # `load_weights` accepts only the architectures of a manifest
        taps=taps,
        content_taps=content_taps,
        style_taps=style_taps,
        style_loss=style_loss,
        content_detail=content_detail,
        pooling=pooling,
        precision=precision,
        # Artifacts are deployed, and the names of folders contain those of users.
        weights={"source": PurePath(weights.source).name, "sha256": weights.sha256},
        preprocessing=weights.preprocessing.name,  # type: ignore[arg-type]  # one of `PREPROCESSINGS`
        activation_scale=weights.preprocessing.activation_scale,
        license=credit.license,
        credit=credit.authors,
        opset=options.opset if onnx else None,
        palette=palette,
        output_type=None if onnx else options.outputs,
        batch=options.batch if kind == "extractor" else 1,
        size=options.size,
        inputs={spec.name: spec.describe() for spec in inputs},
        outputs={spec.name: spec.describe() for spec in outputs},
        settings=settings or {},
        versions=_versions("torch", *(("onnx", "spox", "onnxruntime") if onnx else ())),
    )


def _versions(*packages: str) -> Mapping[str, str]:
    """Return the versions of Python, of these packages and of this program."""
    return {"python": platform.python_version(), **{name: _version(name) for name in (*packages, DISTRIBUTION)}}


def _version(package: str) -> str:
    # The distribution of ONNX Runtime with CUDA is called onnxruntime-gpu.
    for name in (package, f"{package}-gpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return "not installed"
