"""The default engine: the objective by PyTorch, on the CPU, CUDA or Apple's MPS."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from core.artifacts import check_fits, open_extractor
from core.config import TransferConfig
from core.errors import StyleTransferError
from core.images import Pixels
from core.objective import Features, TorchObjective, compute_targets
from core.optimise import Evaluation, Objective
from core.terms import Terms
from core.vgg import load_extractor
from core.weights import load_weights


class TorchEngine:
    """Computes the objective with an extractor loaded as `config` says, eager or from an artifact.

    Raises:
        UsageError: The weights, the architecture and the layers do not go together.
        StyleTransferError: The device or the weights are not there.
    """

    def __init__(self, config: TransferConfig) -> None:
        self.device = choose_device(config.device)
        taps = (*config.content_layers, *config.style_layers)
        artifact = open_extractor(config.extractor, str(self.device)) if config.extractor else None
        if artifact is not None:
            check_fits(str(config.extractor), artifact.manifest, config)
        if artifact is None or not artifact.differentiable:
            weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
            self.extractor: Features = load_extractor(weights, taps, pooling=config.pooling, device=self.device)
            self._weights = {"source": weights.source, "sha256": weights.sha256}
            scale = weights.preprocessing.activation_scale
        else:
            self.extractor = artifact
            self._weights, scale = dict(artifact.manifest.weights), artifact.manifest.activation_scale
        self._artifact, self._path = artifact, config.extractor
        self.terms = Terms.of(config, scale)

    def objective(self, content: Pixels, style: Pixels, *, content_emphasis: float = 1.0) -> Objective:
        """The objective for these pictures, its targets computed and its content weights multiplied."""
        terms = self.terms.emphasised(content_emphasis)
        with self._on_device():
            targets = compute_targets(
                self._artifact or self.extractor, self.to_array(content), self.to_array(style), terms
            )
        whole = TorchObjective(self.extractor, targets, terms)

        def evaluate(image: Tensor) -> Evaluation:
            with self._on_device():
                return whole(image)

        return evaluate

    def features(self, pixels: Pixels) -> Mapping[str, Pixels]:
        """The features of a picture at every tap, each (1, C, h, w)."""
        with self._on_device(), torch.no_grad():
            return {tap: self.to_pixels(values) for tap, values in self.extractor(self.to_array(pixels)).items()}

    def to_array(self, pixels: Pixels) -> Tensor:
        """A picture on the device."""
        return torch.from_numpy(pixels).to(self.device)

    def to_pixels(self, array: Tensor) -> Pixels:
        """A picture back from the device."""
        return array.detach().cpu().numpy()

    def describe(self) -> Mapping[str, Any]:
        """The device, the versions and the weights."""
        cuda = self.device.type == "cuda"
        return {
            "engine": "torch",
            "torch": torch.__version__,
            "device": str(self.device),
            "device_name": torch.cuda.get_device_name(self.device) if cuda else platform.processor(),
            "threads": torch.get_num_threads(),
            "weights": self._weights,
            **({"extractor": self._path, "extractor_runs_on": self._artifact.provider} if self._artifact else {}),
        }

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """Repeatable convolutions, and one sentence when the memory does not suffice."""
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
                yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise StyleTransferError(
                f"the memory of {self.device} does not suffice at this size: use a smaller --image-size"
            ) from error


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        StyleTransferError: The one asked for is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if not present[name]:
        raise StyleTransferError(
            f"PyTorch {torch.__version__} finds no {name} device on this machine: use --device auto or --device cpu"
        )
    return torch.device(name)
