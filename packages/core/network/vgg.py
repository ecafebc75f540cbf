"""The feature extractor: the part of a VGG network that the chosen layers need, fed with plain RGB images."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import torch
from torch import nn

from core.errors import UsageError
from core.network.architecture import Layer, canonical_layer_name, truncated
from core.network.weights import Preprocessing, Weights

Pooling = Literal["max", "average"]


class VGGFeatures(nn.Module):
    """A VGG network cut after its deepest tap.

    Its weights require no gradients, and no layer works in place, so that every tap keeps what it captured.
    It can be scripted with `torch.jit.script` and exported with `torch.export`, at any height and width.

    Attributes: `arch` ("vgg16" or "vgg19"); `taps`, the layers returned, without repeats and in network
    order; `pooling` ("max" as Simonyan and Zisserman trained it, or "average": Gatys, Ecker and Bethge,
    arXiv 1508.06576, section "Methods", replace the maximum by the mean and leave the weights as they are).
    """

    arch: Final[str]
    taps: Final[tuple[str, ...]]
    pooling: Final[str]
    bgr: Final[bool]
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, arch: str, taps: Sequence[str], pooling: Pooling, preprocessing: Preprocessing) -> None:
        """Build the layers up to the deepest tap with random weights; `load_vgg_features` fills them.

        Raises UsageError for an unknown architecture, layer or pooling.
        """
        super().__init__()
        if pooling not in get_args(Pooling):
            raise UsageError(f"there is no pooling {pooling!r}: use {' or '.join(get_args(Pooling))}")
        plan = truncated(arch, taps)
        wanted = {canonical_layer_name(tap, arch) for tap in taps}
        self.arch = arch
        self.taps = tuple(layer.name for layer in plan if layer.name in wanted)
        self.pooling = pooling
        self.bgr = preprocessing.order == "BGR"
        # The device is named because load_vgg_features builds on "meta", and these already hold their values.
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu").view(1, 3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)
        self.layers = nn.ModuleDict({layer.name: _module(layer, pooling) for layer in plan})
        self.requires_grad_(False).eval()

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the features of `image` at every tap.

        `image`: (N, 3, H, W) float32 RGB in [0, 1], H and W at least 16. The features of a tap are
        (N, C, h, w), float32, on the scale of the network as it was published (see
        `Preprocessing.activation_scale`); h and w are H and W halved at every pooling, rounded down.
        """
        features = self.prepare(image)
        captured: dict[str, torch.Tensor] = {}
        for name, layer in self.layers.items():
            features = layer(features)
            if name in self.taps:
                captured[name] = features
        return captured

    def prepare(self, image: torch.Tensor) -> torch.Tensor:
        """What the first layer reads of an image, (N, 3, H, W) RGB in [0, 1]: of the same shape."""
        ordered = image.flip(1) if self.bgr else image
        return (ordered - self.mean) / self.std

    def normalize_backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient with respect to an image, from that of what `prepare` makes of it: (N, 3, H, W) both."""
        scaled = gradient / self.std
        return scaled.flip(1) if self.bgr else scaled


def load_vgg_features(
    weights: Weights,
    taps: Sequence[str],
    *,
    pooling: Pooling = "max",
    device: torch.device | str = "cpu",
) -> VGGFeatures:
    """Return the extractor for `taps`, any of the names `core.network.architecture.canonical_layer_name` knows, on `device`.

    On the CPU its parameters share memory with `weights`. Raises UsageError for an unknown layer or pooling,
    and when `weights` come from a file that ends before the deepest tap.
    """
    # Without storage there is nothing to initialise: faster, and the global random state stays the caller's.
    with torch.device("meta"):
        extractor = VGGFeatures(weights.arch, taps, pooling, weights.preprocessing)
    state = {}
    for key in extractor.layers.state_dict():
        if key not in weights.state:
            raise UsageError(
                f"the weights from {weights.source} do not hold {key}, which {extractor.taps[-1]} needs: "
                "choose taps that come before it, or complete weights"
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
