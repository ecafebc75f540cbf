"""Extractor with float16 weights: half the file size, and faster where the hardware supports float16."""

import copy
from typing import Final

from torch import Tensor, nn
from torch.nn.functional import conv2d

from core.network.vgg import VGGFeatures


class HalfExtractor(nn.Module):
    """Extractor with float16 weights, and float32 inputs and outputs.

    Activations of the Caffe networks exceed 20000, close to the float16 maximum of 65504. Convolution and ReLU are
    homogeneous, so dividing the input and the biases by `scale` divides every activation by it. The features are
    multiplied by `scale` at the end, in float32.

    It computes in float16 on CUDA unless the image requires a gradient, because gradients underflow in float16. On the
    CPU it computes in float32, because a float16 convolution of PyTorch takes about a hundred times as long there.
    """

    scale: Final[float]

    def __init__(self, extractor: VGGFeatures, scale: float) -> None:
        """Copy a float32 `extractor` with float16 weights; `scale` is the divisor of the activations."""
        super().__init__()
        self.scale = scale
        self.extractor = copy.deepcopy(extractor)
        self.extractor.std.mul_(scale)
        layers = {
            name: _HalfConvolution(layer, scale) if isinstance(layer, nn.Conv2d) else layer
            for name, layer in self.extractor.layers.items()
        }
        self.extractor.layers = nn.ModuleDict({"precision": _InputPrecision(), **layers})
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the features of `image` (N, 3, H, W) at each tap, accurate to about three digits."""
        features = self.extractor(image)
        return {tap: values.float() * self.scale for tap, values in features.items()}


class _InputPrecision(nn.Module):
    """Cast of the input to the dtype of the computation, which all later layers follow."""

    def forward(self, image: Tensor) -> Tensor:
        return image.half() if image.is_cuda and not image.requires_grad else image


class _HalfConvolution(nn.Module):
    def __init__(self, layer: nn.Conv2d, scale: float) -> None:
        super().__init__()
        assert layer.bias is not None
        self.weight = nn.Parameter(layer.weight.half(), requires_grad=False)
        self.bias = nn.Parameter((layer.bias / scale).half(), requires_grad=False)

    def forward(self, features: Tensor) -> Tensor:
        # The dtype depends on the input at run time, so no compiler stores a second, float32 copy of the weights.
        return conv2d(features, self.weight.to(features.dtype), self.bias.to(features.dtype), padding=1)
