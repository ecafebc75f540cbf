"""The network that a backend computes with, loaded once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from core.artifacts.extractors import OnnxExtractor, TorchExtractor, check_matches_config, open_extractor
from core.backends.device import choose_device, choose_precision
from core.backends.style_cache import StyleStatisticsCache
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.network.dtypes import torch_dtype
from core.network.fused import FusedVGG
from core.network.vgg import load_vgg_features
from core.network.vjp import Features
from core.network.weights import load_weights


@dataclass(frozen=True)
class Network:
    """A network that was loaded, eager or from an artifact; several engines may use it.

    `artifact` computes the targets, and the objective as well if it is differentiable. `weights` is what a record says
    of them, and `activation_scale` how much larger features are than unit-variance input gives.
    """

    device: torch.device
    extractor: Features
    artifact: OnnxExtractor | TorchExtractor | None
    weights: Mapping[str, Any]
    activation_scale: float
    precision: str = "fp32"
    remembered: StyleStatisticsCache = field(default_factory=StyleStatisticsCache, repr=False)

    @classmethod
    def load(cls, config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Self:
        """The network that `config` names, for this one of the processes that paint together.

        Raises:
            UsageError: The weights, the architecture and the layers do not go together.
            StyleTransferError: The device or the weights are not there.
        """
        device = choose_device(config.device, group)
        taps = (*config.content_layers, *config.style_layers)
        artifact = open_extractor(config.extractor, str(device)) if config.extractor else None
        if artifact is not None:
            check_matches_config(str(config.extractor), artifact.manifest, config)
            if artifact.differentiable:
                manifest = artifact.manifest
                return cls(device, artifact, artifact, dict(manifest.weights), manifest.activation_scale)
        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=group.first)
        eager = load_vgg_features(weights, taps, pooling=config.pooling, device=device)
        precision = choose_precision(config, device)
        described = {"source": weights.source, "sha256": weights.sha256}
        fused = FusedVGG(eager, torch_dtype(precision), config.content_layers) if device.type != "mps" else None
        return cls(device, fused or eager, artifact, described, weights.preprocessing.activation_scale, precision)
