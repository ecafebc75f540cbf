"""Feature extractors loaded from exported artifacts, with the interface of the eager extractor.

Every format computes features. Gradients reach the image only through the formats that PyTorch runs (TorchScript,
torch.export), so only these can replace the network during optimisation. PyTorch is imported for these only.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.onnx_session import provider_of, run_session
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.files import is_file, sha256_of
from core.network.architecture import truncated

if TYPE_CHECKING:
    from torch import Tensor, nn

_TRIAL = (1, 3, 32, 48)
"""Shape of the image that is tried when an extractor is opened."""

_FAILURES = (StyleTransferError, RuntimeError, LookupError, TypeError, ValueError, AttributeError)
"""Exceptions of a program whose operations do not fit together."""


class OnnxExtractor:
    """Extractor that ONNX Runtime or another runtime of `core.artifacts.runtimes` runs.

    Input: image (N, 3, H, W), float32 RGB in [0, 1], H and W at least 16, as a NumPy array or a torch tensor.
    Output: the features at each tap, float32, as the same kind of array on the same device.

    Attributes: `manifest`; `provider` of `core.artifacts.onnx_session.provider_of`; `differentiable`.
    """

    differentiable = False

    def __init__(self, path: Path, manifest: Manifest, device: str, execution: Execution = ONNX_RUNTIME) -> None:
        self.manifest = manifest
        self._session = execution.open(path, device)
        self.provider = provider_of(self._session)
        if missing := set(manifest.taps) - {output.name for output in self._session.get_outputs()}:
            raise UsageError(f"{path} lacks the output {', '.join(missing)} of its manifest: export it again")

    def __call__(self, image: Any) -> dict[str, Any]:
        """Return the features of `image` at each tap, float32."""
        is_numpy = isinstance(image, np.ndarray)
        pixels = image if is_numpy else image.detach().cpu().numpy()
        features = run_session(self._session, self.manifest.taps, {"image": np.ascontiguousarray(pixels, np.float32)})
        if is_numpy:
            return features
        import torch

        return {tap: torch.from_numpy(values).to(image.device) for tap, values in features.items()}


class TorchExtractor:
    """Extractor that PyTorch runs, with the interface of `OnnxExtractor`; gradients reach the image."""

    differentiable = True

    def __init__(self, path: Path, manifest: Manifest, device: str) -> None:
        import torch  # slow to import, and absent from deployments that only use ONNX Runtime

        self.manifest = manifest
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        load = {"torchscript": _load_torchscript, "pt2": _load_pt2}[manifest.format]
        self.module = load(path, manifest, chosen)
        self.provider = f"PyTorch on {chosen}"
        self._device = torch.device(chosen)

    def __call__(self, image: Any) -> dict[str, Any]:
        """Return the features of `image` at each tap, float32."""
        import torch

        if not isinstance(image, np.ndarray):
            return self._features(image)
        with torch.no_grad():
            features = self._features(torch.from_numpy(image).to(self._device))
        return {tap: values.cpu().numpy() for tap, values in features.items()}

    def _features(self, image: "Tensor") -> dict[str, "Tensor"]:
        features = self.module(image)
        if isinstance(features, dict):
            return features
        return dict(zip(self.manifest.taps, features, strict=True))


def open_extractor(
    path: str | os.PathLike[str], device: str = "auto", *, execution: Execution = ONNX_RUNTIME
) -> OnnxExtractor | TorchExtractor:
    """Load the extractor artifact at `path`, after verifying its checksum file if there is one.

    No object in the file is unpickled.

    Args:
        path: An artifact of any format.
        device: A torch device name ("cpu", "cuda:0") or "auto". ONNX Runtime falls back to the CPU if CUDA does not
            work; the attribute `provider` names the device in use.
        execution: What runs an ONNX file.

    Raises:
        UsageError: The file is missing, damaged, not an extractor, or too new for the installed runtime.
    """
    path = Path(path)
    manifest = read_manifest(path, kind="extractor")
    extractor: OnnxExtractor | TorchExtractor
    if manifest.format == "onnx":
        extractor = OnnxExtractor(path, manifest, device, execution)
    else:
        extractor = TorchExtractor(path, manifest, device)
    _check_features(path, extractor)
    return extractor


def check_matches_config(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Check that the artifact at `path` can serve a run with `config`.

    Raises:
        UsageError: The artifact lacks a layer, or its network, pooling or weights differ.
    """
    check_taps(path, manifest, (*config.content_layers, *config.style_layers))
    for flag, exported, requested in (
        ("--arch", manifest.arch, config.arch),
        ("--pooling", manifest.pooling, config.pooling),
        ("--weights", manifest.weights["source"], _requested_weights(manifest, config.weights)),
        ("--weights-preprocessing", manifest.preprocessing, config.weights_preprocessing or manifest.preprocessing),
    ):
        if exported != requested:
            raise UsageError(
                f"{path} was exported with {flag} {exported} and this run uses {requested}: "
                f"add {flag} {exported}, or export another"
            )


def check_taps(path: str | os.PathLike[str], manifest: Manifest, taps: Sequence[str]) -> None:
    """Raise UsageError unless the artifact at `path` computes all `taps` (canonical layer names)."""
    if missing := [tap for tap in dict.fromkeys(taps) if tap not in manifest.taps]:
        raise UsageError(
            f"{path} computes {', '.join(manifest.taps)} and not {', '.join(missing)}: "
            "export one with all the layers of this run"
        )


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress warnings, such as the deprecation warnings of TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_features(path: Path, extractor: OnnxExtractor | TorchExtractor) -> None:
    """Raise UsageError unless the features of a small image have the shapes that the manifest promises."""
    taps = extractor.manifest.taps
    shapes = {
        layer.name: (1, layer.out_channels, _TRIAL[2] // layer.stride, _TRIAL[3] // layer.stride)
        for layer in truncated(extractor.manifest.arch, taps)
        if layer.name in taps
    }
    try:
        found = {tap: values.shape for tap, values in extractor(np.zeros(_TRIAL, np.float32)).items()}
    except _FAILURES as error:
        raise UsageError(f"{path} does not compute the layers of its manifest: export it again") from error
    if found != shapes:
        raise UsageError(f"{path} computes {found} and its manifest promises {shapes}: export it again")


def _requested_weights(manifest: Manifest, source: str) -> str:
    """Return `source`, or the manifest's name for it if both are the same file."""
    same_file = is_file(source) and sha256_of(Path(source)) == manifest.weights["sha256"]
    return manifest.weights["source"] if same_file else source


def _load_torchscript(path: Path, manifest: Manifest, device: str) -> "nn.Module":
    import torch

    from core.artifacts.torchscript import load_checked

    try:
        with without_warnings():
            return load_checked(path, device).eval()
    except RuntimeError as error:
        raise UsageError(
            f"{path}, written by torch {manifest.versions.get('torch', 'unknown')}, cannot be loaded by torch "
            f"{torch.__version__}: it is damaged or newer; export it again"
        ) from error


def _load_pt2(path: Path, manifest: Manifest, device: str) -> "nn.Module":
    from core.artifacts.pt2 import Program

    return Program(path).to(device).eval()
