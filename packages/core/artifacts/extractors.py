"""Opens the extractors that python -m export wrote, to be used in place of the eager one.

Any of them serves for the fixed forward passes. Through those that PyTorch runs, gradients reach the image, so
they serve in the optimisation loop too. This module imports PyTorch only for these.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.onnx_session import open_session, provider_of, run_session
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import sha256_of

if TYPE_CHECKING:
    from torch import Tensor, nn


class OnnxExtractor:
    """An extractor that ONNX Runtime runs.

    Called with an image (N, 3, H, W), float32 RGB in [0, 1], H and W at least 16, as a NumPy array or a torch
    tensor, it returns the features at every tap as the same kind of array, on the same device.
    """

    differentiable = False

    def __init__(self, path: Path, manifest: Manifest, device: str) -> None:
        self.manifest = manifest
        self._session = open_session(path, device)
        self.provider = provider_of(self._session)
        if lacking := set(manifest.taps) - {output.name for output in self._session.get_outputs()}:
            raise UsageError(f"{path} does not return {', '.join(lacking)}, as its manifest says: export it again")

    def __call__(self, image: Any) -> dict[str, Any]:
        """Return the features of `image` at every tap, float32."""
        as_array = isinstance(image, np.ndarray)
        pixels = image if as_array else image.detach().cpu().numpy()
        features = run_session(self._session, self.manifest.taps, {"image": np.ascontiguousarray(pixels, np.float32)})
        if as_array:
            return features
        import torch

        return {tap: torch.from_numpy(values).to(image.device) for tap, values in features.items()}


class TorchExtractor:
    """An extractor that PyTorch runs: the same contract as `OnnxExtractor`, and gradients reach the image."""

    differentiable = True

    def __init__(self, path: Path, manifest: Manifest, device: str) -> None:
        import torch  # takes seconds, and is not always there

        self.manifest = manifest
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        load = {"torchscript": _load_torchscript, "pt2": _load_pt2}[manifest.format]
        self.module = load(path, manifest, chosen)
        self.provider = f"PyTorch on {chosen}"
        self._device = torch.device(chosen)

    def __call__(self, image: Any) -> dict[str, Any]:
        """Return the features of `image` at every tap, float32."""
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


def open_extractor(path: str | os.PathLike[str], device: str = "auto") -> OnnxExtractor | TorchExtractor:
    """Open the extractor artifact at `path`, its checksum compared if there is one beside it.

    `device` is a name of torch's ("cpu", "cuda:0") or "auto". ONNX Runtime uses CUDA only where it can; what
    an artifact really runs on stands in its `provider`. No object in the file is ever unpickled.

    Raises:
        UsageError: There is no such file, it is damaged or of another kind, or too new for what should run it.
    """
    path = Path(path)
    manifest = read_manifest(path, kind="extractor")
    runner = OnnxExtractor if manifest.format == "onnx" else TorchExtractor
    return runner(path, manifest, device)


def check_matches_config(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Compare the extractor artifact at `path` with what a run asks for.

    Raises:
        UsageError: It lacks a layer, or is of another network, pooling or weights.
    """
    check_taps(path, manifest, (*config.content_layers, *config.style_layers))
    for flag, held, asked in (
        ("--arch", manifest.arch, config.arch),
        ("--pooling", manifest.pooling, config.pooling),
        ("--weights", manifest.weights["source"], _weights_asked(manifest, config.weights)),
        ("--weights-preprocessing", manifest.preprocessing, config.weights_preprocessing or manifest.preprocessing),
    ):
        if held != asked:
            raise UsageError(
                f"{path} was exported with {flag} {held} and this run asks for {asked}: "
                f"add {flag} {held}, or export another"
            )


def check_taps(path: str | os.PathLike[str], manifest: Manifest, taps: Sequence[str]) -> None:
    """Raise UsageError if the artifact at `path` does not compute all of `taps` (canonical names)."""
    if lacking := [tap for tap in dict.fromkeys(taps) if tap not in manifest.taps]:
        raise UsageError(
            f"{path} holds {', '.join(manifest.taps)} and not {', '.join(lacking)}: "
            "export one with all the layers of this run"
        )


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep to ourselves that torch would rather have TorchScript replaced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _weights_asked(manifest: Manifest, source: str) -> str:
    """`source`, by the name the manifest uses if the file is the same one."""
    same_file = Path(source).is_file() and sha256_of(Path(source)) == manifest.weights["sha256"]
    return manifest.weights["source"] if same_file else source


def _load_torchscript(path: Path, manifest: Manifest, device: str) -> "nn.Module":
    import torch

    try:
        with without_warnings():
            # Its pickles are read by TorchScript's own reader, which knows no Python classes.
            module: nn.Module = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be loaded by torch {torch.__version__} (written by torch "
            f"{manifest.versions.get('torch', 'unknown')}): it is damaged or newer, so export it again"
        ) from error
    return module.eval()


def _load_pt2(path: Path, manifest: Manifest, device: str) -> "nn.Module":
    from core.artifacts.pt2 import Program

    return Program(path).to(device).eval()
