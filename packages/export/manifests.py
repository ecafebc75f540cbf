"""Manifests of new artifacts."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath

from core.artifacts.manifest import Format, Kind, Manifest, Precision
from core.installation import DISTRIBUTION
from core.network.architecture import Pooling
from core.network.weights import Weights
from export.formats.onnx_graph import OPSET
from export.io_spec import TensorSpec


def new_manifest(
    weights: Weights,
    *,
    kind: Kind,
    format: Format,
    taps: tuple[str, ...],
    content_taps: tuple[str, ...] = (),
    style_taps: tuple[str, ...] = (),
    pooling: Pooling,
    precision: Precision,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> Manifest:
    """Return the manifest of an artifact made from `weights`, without parity."""
    onnx = format == "onnx"
    return Manifest(
        kind=kind,
        format=format,
        arch=weights.arch,  # type: ignore[arg-type]  # `load_weights` accepts only the architectures of a manifest
        taps=taps,
        content_taps=content_taps,
        style_taps=style_taps,
        pooling=pooling,
        precision=precision,
        # Artifacts are deployed, and the names of folders contain those of users.
        weights={"source": PurePath(weights.source).name, "sha256": weights.sha256},
        preprocessing=weights.preprocessing.name,  # type: ignore[arg-type]  # one of `PREPROCESSINGS`
        activation_scale=weights.preprocessing.activation_scale,
        opset=OPSET if onnx else None,
        inputs={spec.name: spec.describe() for spec in inputs},
        outputs={spec.name: spec.describe() for spec in outputs},
        versions=_versions("torch", *(("onnx", "onnxscript", "onnxruntime") if onnx else ())),
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
