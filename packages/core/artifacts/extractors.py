"""Feature extractors loaded from exported artifacts, with the interface of the eager extractor.

Every format computes features. Gradients reach the image only through TorchScript and torch.export, so only these can
replace the network during optimisation. PyTorch is imported for the formats that it runs only.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.artifacts.manifest import Manifest, describe_shape, read_manifest
from core.artifacts.onnx_session import provider_of, run_session
from core.artifacts.quiet import without_log
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.files import is_file, sha256_of
from core.installation import require_full, without_artifacts
from core.network.architecture import truncated

if TYPE_CHECKING:
    from torch import Tensor, nn

_TRIAL_SIZE = (32, 48)
"""Height and width of the image that is tried when an extractor for any size is opened."""

_FAILURES = (StyleTransferError, RuntimeError, LookupError, TypeError, ValueError, AttributeError)
"""Exceptions of a program whose operations do not fit together."""


class OnnxExtractor:
    """Extractor that ONNX Runtime or another runtime of `core.artifacts.runtimes` runs.

    Input: image (N, 3, H, W), float32 RGB in [0, 1], H and W at least `MIN_SIDE` of `core.network.architecture`, as a
    NumPy array or a torch tensor.
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
    """Extractor that PyTorch runs, with the interface of `OnnxExtractor`.

    Gradients reach the image, unless the program is native code.
    """

    def __init__(self, path: Path, manifest: Manifest, device: str) -> None:
        require_full(f"the extractor {path}")
        import torch  # slow to import

        self.manifest = manifest
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if manifest.format == "aoti":
            chosen = "cpu"  # native code runs on the device that it was compiled for
        self.module = _LOADERS[manifest.format](path, manifest, chosen)
        self.differentiable = manifest.format != "aoti"
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
        return features_by_tap(self.manifest, self.module(image))


def open_extractor(
    path: str | os.PathLike[str],
    device: str = "auto",
    *,
    execution: Execution = ONNX_RUNTIME,
    trusted: bool = False,
) -> OnnxExtractor | TorchExtractor:
    """Load the extractor artifact at `path`, after verifying its checksum file if there is one.

    No object in the file is unpickled.

    Args:
        path: An artifact of any format.
        trusted: Accept an AOTInductor package too. It contains native code, which runs unchecked with all rights of
            this process.
        device: A torch device name ("cpu", "cuda:0") or "auto". ONNX Runtime falls back to the CPU if CUDA does not
            work; the attribute `provider` names the device in use.
        execution: What runs an ONNX file.

    Raises:
        UsageError: The file is missing, damaged, not an extractor, or too new for the installed runtime; or it contains
            native code and is not `trusted`.
        StyleTransferError: PyTorch or ONNX Runtime, whichever runs the file, is not installed.
    """
    path = Path(path)
    manifest = read_manifest(path, kind="extractor")
    if manifest.format == "aoti" and not trusted:
        raise UsageError(
            f"{path} contains native code, which cannot be checked before it runs: use an extractor in another format, "
            "or open it as trusted if you compiled it"
        )
    extractor: OnnxExtractor | TorchExtractor
    if manifest.format == "onnx":
        extractor = OnnxExtractor(path, manifest, device, execution)
    else:
        extractor = TorchExtractor(path, manifest, device)
    _check_features(path, extractor)
    return extractor


def features_by_tap(manifest: Manifest, features: Any) -> dict[str, "Tensor"]:
    """Return what a program of PyTorch returns, a dictionary or a sequence of features, as a dictionary."""
    return features if isinstance(features, dict) else dict(zip(manifest.taps, features, strict=True))


def check_matches_config(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Check that the artifact at `path` can serve a run with `config`.

    Raises:
        UsageError: The artifact lacks a layer, or its network, pooling or weights differ.
    """
    check_taps(path, manifest, (*config.content_layers, *config.style_layers))
    if manifest.size is not None or manifest.batch not in (None, 1):
        raise UsageError(
            f"{path} accepts only images of {describe_shape(manifest)}, and this run has single images of several "
            "sizes: export one without --size and --batch"
        )
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


def check_losses(path: str | os.PathLike[str], manifest: Manifest, config: TransferConfig) -> None:
    """Raise UsageError unless the objective or painter at `path` has the losses of `config`."""
    if config.style_loss != manifest.style_loss:
        raise UsageError(
            f"{path} was exported with --style-loss {manifest.style_loss}, but this run uses {config.style_loss}: use "
            f"the loss that it was exported with, export another, or {without_artifacts(f'--{manifest.kind}')}"
        )
    if config.content_detail != manifest.content_detail:
        raise UsageError(
            f"{path} was exported with --content-detail {manifest.content_detail}, but this run uses "
            f"{config.content_detail}: add --content-detail {manifest.content_detail}, export another, or "
            f"{without_artifacts(f'--{manifest.kind}')}"
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
    """Raise UsageError unless the features of an image have the shapes that the manifest promises."""
    manifest, taps = extractor.manifest, extractor.manifest.taps
    batch, (height, width) = 1, _TRIAL_SIZE
    # The other programs run at any size, whatever their manifest says: it could name one that exceeds the memory.
    if manifest.format in ("onnx", "aoti"):
        batch, (height, width) = manifest.batch or batch, manifest.size or _TRIAL_SIZE
    shapes = {
        layer.name: (batch, layer.out_channels, height // layer.stride, width // layer.stride)
        for layer in truncated(manifest.arch, taps)
        if layer.name in taps
    }
    try:
        features = extractor(np.zeros((batch, 3, height, width), np.float32))
        found = {tap: values.shape for tap, values in features.items()}
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


def _load_native(path: Path, manifest: Manifest, device: str) -> "Callable[[Tensor], Any]":
    import torch
    import torch._inductor

    try:
        with without_warnings(), without_log():
            package: Callable[[Tensor], Any] = torch._inductor.aoti_load_package(str(path))
    except Exception as error:  # the loader of native code raises exceptions of any type
        raise UsageError(
            f"{path}, compiled by torch {manifest.versions.get('torch', 'unknown')}, cannot be loaded by torch "
            f"{torch.__version__} on this machine: export it again here"
        ) from error
    return package


_LOADERS: Mapping[str, Callable[[Path, Manifest, str], "Callable[[Tensor], Any]"]] = {
    "torchscript": _load_torchscript,
    "pt2": _load_pt2,
    "aoti": _load_native,
}
