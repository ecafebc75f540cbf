"""The extractor with its weights in half precision: half the file, and half the arithmetic where that is fast."""

import copy
from typing import Final

from torch import Tensor, nn
from torch.nn.functional import conv2d

from core.network.vgg import VGGFeatures


class HalfExtractor(nn.Module):
    """An extractor whose weights are float16 and whose inputs and outputs are float32 as before.

    Caffe's networks reach activations of 20000 and more, too near the 65504 where float16 ends. Convolutions
    and ReLUs are homogeneous: with the input and the biases divided by `scale`, so is everything in between,
    and the features are multiplied by it at the end, in float32.

    It computes in float16 on CUDA while no gradient is asked for: gradients of a loss are so small that
    float16 would lose them. On a CPU it computes in float32, because PyTorch's half convolution takes a hundred
    times as long there. With `always` it computes in float16 everywhere, for runtimes that do better.
    """

    scale: Final[float]

    def __init__(self, extractor: VGGFeatures, scale: float, *, always: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.extractor = copy.deepcopy(extractor)
        self.extractor.std.mul_(scale)
        layers = {
            name: _HalfConvolution(layer, scale) if isinstance(layer, nn.Conv2d) else layer
            for name, layer in self.extractor.layers.items()
        }
        self.extractor.layers = nn.ModuleDict({"precision": _Precision(always), **layers})
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return what the extractor returns, to about three digits."""
        features = self.extractor(image)
        return {tap: values.float() * self.scale for tap, values in features.items()}


class _Precision(nn.Module):
    """Chooses what everything after it computes in, for a convolution follows the type of its input."""

    always: Final[bool]

    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, image: Tensor) -> Tensor:
        return image.half() if self.always or (image.is_cuda and not image.requires_grad) else image


class _HalfConvolution(nn.Module):
    def __init__(self, layer: nn.Conv2d, scale: float) -> None:
        super().__init__()
        assert layer.bias is not None
        self.weight = nn.Parameter(layer.weight.half(), requires_grad=False)
        self.bias = nn.Parameter((layer.bias / scale).half(), requires_grad=False)

    def forward(self, features: Tensor) -> Tensor:
        # The type is looked up at run time, so that no compiler stores a second, wider copy of the weights.
        return conv2d(features, self.weight.to(features.dtype), self.bias.to(features.dtype), padding=1)
