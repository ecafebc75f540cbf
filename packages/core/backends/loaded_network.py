"""The network that the PyTorch backend computes with, loaded once and used for several runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from core.artifacts.extractors import OnnxExtractor, TorchExtractor, check_matches_config, open_extractor
from core.backends.device import choose_device, choose_precision
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.network.dtypes import torch_dtype
from core.network.fused import FusedVGG
from core.network.vgg import load_vgg_features
from core.network.vjp import FeatureExtractor
from core.network.weights import load_weights
from core.objective.style_cache import StyleStatisticsCache

LOAD_OPTIONS = (
    *("arch", "weights", "weights_preprocessing", "pooling", "extractor", "objective", "painter"),
    *("device", "precision", "content_layers", "style_layers"),
)
"""The options that `LoadedNetwork.load` reads: configurations that agree in them can use the same network."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network on its device, from weights or from an exported artifact.

    Attributes:
        device: Where it runs.
        extractor: Computes features, differentiable.
        artifact: Computes the features of the targets instead of `extractor`, if there is one.
        weights: Source and checksum of the weights, for the run record.
        activation_scale: How much larger the features are than those of unit-variance input.
        precision: The precision that it computes in.
        style_cache: The statistics of style images that it has computed.
    """

    device: torch.device
    extractor: FeatureExtractor
    artifact: OnnxExtractor | TorchExtractor | None
    weights: Mapping[str, Any]
    activation_scale: float
    precision: str = "fp32"
    style_cache: StyleStatisticsCache = field(default_factory=StyleStatisticsCache, repr=False)

    @classmethod
    def load(cls, config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Self:
        """Load the network that `config` names, for one rank of `group`.

        Raises:
            UsageError: The weights, the architecture and the layers do not fit together.
            StyleTransferError: The device is missing, or the weights cannot be downloaded.
        """
        device = choose_device(config.device, group)
        taps = (*config.content_layers, *config.style_layers)
        artifact = open_extractor(config.extractor, str(device)) if config.extractor else None
        if artifact is not None:
            check_matches_config(str(config.extractor), artifact.manifest, config)
            if artifact.differentiable:
                manifest = artifact.manifest
                return cls(device, artifact, artifact, dict(manifest.weights), manifest.activation_scale)
        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=group.is_main)
        eager = load_vgg_features(weights, taps, pooling=config.pooling, device=device)
        precision = choose_precision(config, device)
        described = {"source": weights.source, "sha256": weights.sha256}
        fused = FusedVGG(eager, torch_dtype(precision), config.content_layers) if device.type != "mps" else None
        return cls(device, fused or eager, artifact, described, weights.preprocessing.activation_scale, precision)
