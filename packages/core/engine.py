"""The default engine: the objective by PyTorch, on the CPU, CUDA or Apple's MPS."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from core.config import TransferConfig
from core.errors import StyleTransferError
from core.images import Pixels
from core.objective import TorchObjective, compute_targets
from core.optimise import Evaluation, Objective
from core.terms import Terms
from core.vgg import load_extractor
from core.weights import load_weights


class TorchEngine:
    """Computes the objective with an extractor loaded as `config` says.

    Raises:
        UsageError: The weights, the architecture and the layers do not go together.
        StyleTransferError: The device or the weights are not there.
    """

    def __init__(self, config: TransferConfig) -> None:
        self.device = choose_device(config.device)
        self._weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        taps = (*config.content_layers, *config.style_layers)
        self.extractor = load_extractor(self._weights, taps, pooling=config.pooling, device=self.device)
        self.terms = Terms.of(config, self._weights.preprocessing.activation_scale)

    def objective(self, content: Pixels, style: Pixels, *, content_emphasis: float = 1.0) -> Objective:
        """The objective for these pictures, its targets computed and its content weights multiplied."""
        terms = self.terms.emphasised(content_emphasis)
        with self._on_device():
            targets = compute_targets(self.extractor, self.to_array(content), self.to_array(style), terms)
        whole = TorchObjective(self.extractor, targets, terms)

        def evaluate(image: Tensor) -> Evaluation:
            with self._on_device():
                return whole(image)

        return evaluate

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
            "weights": {"source": self._weights.source, "sha256": self._weights.sha256},
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
