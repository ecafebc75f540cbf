"""The feature extractor: a VGG network up to the deepest layer whose features are needed."""

from collections.abc import Sequence
from typing import Final, get_args

import torch
from torch import nn

from core.errors import UsageError
from core.network.architecture import Layer, Pooling, canonical_layer_name, truncated
from core.network.weights import Preprocessing, Weights


class VGGFeatures(nn.Module):
    """A VGG network (Simonyan and Zisserman, arXiv 1409.1556) up to its deepest tap.

    Its parameters require no gradients. No layer works in place, so that the features of a tap are not overwritten.
    The module can be compiled with `torch.jit.script` and exported with `torch.export`, for any height and width.

    Attributes:
        arch: "vgg16" or "vgg19".
        taps: The layers whose features are returned, without duplicates, in network order.
        pooling: "max" as in the trained network, or "average": Gatys, Ecker and Bethge (arXiv 1508.06576, section
            "Methods") replace max by average pooling and leave the weights unchanged.
        bgr: The network takes BGR images.
        mean, std: (1, 3, 1, 1) float32, of `core.network.weights.Preprocessing`.
    """

    arch: Final[str]
    taps: Final[tuple[str, ...]]
    pooling: Final[str]
    bgr: Final[bool]
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, arch: str, taps: Sequence[str], pooling: Pooling, preprocessing: Preprocessing) -> None:
        """Build the layers up to the deepest of `taps` with random weights; see `load_vgg_features`.

        Raises:
            UsageError: The architecture, a layer or the pooling is unknown.
        """
        super().__init__()
        if pooling not in get_args(Pooling):
            raise UsageError(f"unknown pooling {pooling!r}: use {' or '.join(get_args(Pooling))}")
        table = truncated(arch, taps)
        requested = {canonical_layer_name(tap, arch) for tap in taps}
        self.arch = arch
        self.taps = tuple(layer.name for layer in table if layer.name in requested)
        self.pooling = pooling
        self.bgr = preprocessing.order == "BGR"
        # load_vgg_features builds the module on "meta"; these buffers already have their values.
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu").view(1, 3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)
        self.layers = nn.ModuleDict({layer.name: _module(layer, pooling) for layer in table})
        self.requires_grad_(False).eval()

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the features of `image` by tap.

        Args:
            image: (N, 3, H, W) float32 RGB in [0, 1], H and W at least `MIN_SIDE` of `core.network.architecture`.

        Returns:
            (N, C, h, w) float32 for each tap, on the scale of the published network (see
            `Preprocessing.activation_scale`). h and w are H and W divided by 2 for every pooling, rounded down.
        """
        values = self.normalize(image)
        features: dict[str, torch.Tensor] = {}
        for name, layer in self.layers.items():
            values = layer(values)
            if name in self.taps:
                features[name] = values
        return features

    def normalize(self, image: torch.Tensor) -> torch.Tensor:
        """Return the input of the first layer, (image[order] - mean) / std, of an image (N, 3, H, W), RGB in [0, 1]."""
        ordered = image.flip(1) if self.bgr else image
        return (ordered - self.mean) / self.std

    def normalize_backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to an image, given that of `normalize(image)`; both (N, 3, H, W)."""
        scaled = gradient / self.std
        return scaled.flip(1) if self.bgr else scaled


def load_vgg_features(
    weights: Weights,
    taps: Sequence[str],
    *,
    pooling: Pooling = "max",
    device: torch.device | str = "cpu",
) -> VGGFeatures:
    """Return an extractor with `weights` on `device`.

    Args:
        weights: The weights. On the CPU the parameters share memory with them.
        taps: Layers whose features are returned, by any name that `core.network.architecture.canonical_layer_name`
            accepts.
        pooling: "max" or "average".
        device: The device.

    Raises:
        UsageError: A layer or the pooling is unknown, or the weights end before the deepest tap.
    """
    # On "meta" no weights are initialised, which is faster and does not advance the global random state.
    with torch.device("meta"):
        extractor = VGGFeatures(weights.arch, taps, pooling, weights.preprocessing)
    state = {}
    for key in extractor.layers.state_dict():
        if key not in weights.state:
            raise UsageError(
                f"the weights from {weights.source} lack {key}, which {extractor.taps[-1]} requires: "
                "choose layers before it, or complete weights"
            )
        state[f"layers.{key}"] = weights.state[key]
    extractor.load_state_dict(state, assign=True)
    return extractor.to(device)


def _module(layer: Layer, pooling: Pooling) -> nn.Module:
    if layer.kind == "conv":
        return nn.Conv2d(layer.in_channels, layer.out_channels, kernel_size=3, padding=1)
    if layer.kind == "relu":
        return nn.ReLU(inplace=False)
    return nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
