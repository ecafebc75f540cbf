"""Forward and backward pass of `core.network.vgg.VGGFeatures` without autograd, several times as fast.

Convolution, bias and ReLU are one layer; features are in channels_last; gradients are modified in place and freed once
the layer before has used them; on some CPUs deep layers use Winograd's algorithm (`core.network.winograd`); and the
network may compute in half precision.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from core.network.fused_layers import (
    POOLINGS,
    Backward,
    FusedConvolution,
    FusedLayer,
    make_layer,
    max_pool_after_relu,
)
from core.network.vgg import VGGFeatures
from core.network.vjp import AccumulateGrad, SaveForBackward, save_by_reference


class TapeEntry(NamedTuple):
    """A layer of a forward pass: its name, its backward function, and its output if the layer is a tap."""

    name: str
    backward: Backward
    features: Tensor | None


Recompute = Callable[[], list[TapeEntry]]
"""Repeats a part of the forward pass whose activations were not saved, and returns its tape."""


class FusedVGG:
    """Features of an image at the taps of an extractor, computed in a given dtype.

    The features have this dtype, except for float16: they are then float32, because float16 cannot represent the small
    gradients with respect to them; the gradients are scaled before they pass through the network.
    """

    def __init__(self, extractor: VGGFeatures, dtype: torch.dtype, content_layers: Sequence[str] = ()) -> None:
        """Copy the weights of `extractor`, for the forward and for the backward pass.

        Up to the deepest of `content_layers`, half precision rounds every output value once: the content loss compares
        single values. The additional rounding of Winograd's algorithm in deeper layers and in the backward pass cancels
        out in Gram matrices.
        """
        exact_layers = max((list(extractor.layers).index(tap) + 1 for tap in content_layers), default=0)
        self.taps, self._extractor, self._dtype = extractor.taps, extractor, dtype
        self._layers: list[tuple[str, FusedLayer]] = []
        for number, (name, layer) in enumerate(extractor.layers.items()):
            last_name, last = self._layers[-1] if self._layers else ("", None)
            # The next layer is not fused into a tap: the output of a tap is returned, and receives a loss gradient.
            convolution = last if isinstance(last, FusedConvolution) and last_name not in self.taps else None
            if convolution and isinstance(layer, nn.ReLU):
                convolution.relu = convolution.mask_gradient = True
                self._layers[-1] = (name, convolution)
            elif convolution and convolution.relu and isinstance(layer, nn.MaxPool2d):
                convolution.mask_gradient = False
                self._layers.append((name, max_pool_after_relu))
            else:
                fused = make_layer(layer, dtype, first=last is None, exact=number < exact_layers)
                self._layers.append((name, fused))

        poolings = [number for number, (_, layer) in enumerate(self._layers, 1) if layer in POOLINGS]
        self._first_block = poolings[0] if poolings and poolings[0] < len(self._layers) else 0

    @torch.no_grad()
    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Return the features (N, C, h, w) by tap, in channels_last, of an image (N, 3, H, W), RGB in [0, 1]."""
        features: dict[str, Tensor] = {}
        self._forward(self._extractor.normalize(image), self._layers, features, None)
        return features

    @torch.no_grad()
    def forward_with_vjp(
        self, image: Tensor, *, checkpoint_first_block: bool = False, save: SaveForBackward = save_by_reference
    ) -> tuple[dict[str, Tensor], "FusedVJP"]:
        """Return the features of an image and their backward pass, whose activations are passed to `save`.

        With `checkpoint_first_block` no activations before the first pooling are saved, which take nearly half of the
        memory and a tenth of the work; the backward pass recomputes them. Ignored for float16, whose backward pass
        needs the features of all taps at its start.
        """
        features, tape = dict[str, Tensor](), list[TapeEntry | Recompute]()
        block = self._first_block if checkpoint_first_block and self._dtype != torch.float16 else 0
        values = self._extractor.normalize(image)
        if block:
            tape.append(partial(self._recompute_first_block, image))
            values = self._forward(values, self._layers[:block], features, None)
        self._forward(values, self._layers[block:], features, tape, save)
        return features, FusedVJP(tape, self._extractor, self._dtype, image.dtype)

    def _recompute_first_block(self, image: Tensor) -> list[TapeEntry]:
        tape: list[TapeEntry] = []
        self._forward(self._extractor.normalize(image), self._layers[: self._first_block], {}, tape)
        return tape

    def _forward(
        self,
        values: Tensor,
        layers: Sequence[tuple[str, FusedLayer]],
        features: dict[str, Tensor],
        tape: list[Any] | None,
        save: SaveForBackward = save_by_reference,
    ) -> Tensor:
        """Return the output of `layers` for normalized `values`; append to `features` at taps, and to `tape`."""
        for name, layer in layers:
            values, backward = layer(values, save)
            if name in self.taps:
                features[name] = values.float() if self._dtype == torch.float16 else values
            if tape is not None:
                tape.append(TapeEntry(name, backward, features.get(name)))
        return values


class FusedVJP:
    """Backward pass of the fused network along `tape`, whose entries it removes: it can be called once."""

    def __init__(
        self, tape: list[TapeEntry | Recompute], extractor: VGGFeatures, dtype: torch.dtype, image_dtype: torch.dtype
    ) -> None:
        self._tape, self._extractor, self._dtype, self._image_dtype = tape, extractor, dtype, image_dtype

    @torch.no_grad()
    def __call__(self, accumulate_grad: AccumulateGrad) -> Tensor:
        """Return the gradient with respect to the image: (N, 3, H, W), contiguous.

        Raises:
            RuntimeError: The backward pass was made already.
        """
        if not self._tape:
            raise RuntimeError("the saved activations were freed by an earlier call: compute the features again")
        gradient: Any = None
        scale: Tensor | None = None
        if self._dtype == torch.float16:
            accumulate_grad, scale = self._with_scaled_gradients(accumulate_grad)
        while self._tape:
            entry = self._tape.pop()
            if not isinstance(entry, TapeEntry):
                self._tape += entry()
                continue
            name, backward, features = entry
            if features is not None:
                if gradient is None:
                    gradient = torch.zeros_like(features, dtype=self._dtype)
                accumulate_grad(name, features, gradient)
            del entry, features  # freed before the layer allocates the gradient of its input
            gradient = backward(gradient)
        gradient = gradient.to(self._image_dtype)
        # The optimizer would otherwise mix two memory formats.
        return self._extractor.normalize_backward(gradient if scale is None else gradient / scale).contiguous()

    def _with_scaled_gradients(self, accumulate_grad: AccumulateGrad) -> tuple[AccumulateGrad, Tensor]:
        """Return a function that accumulates the gradients times a scale that float16 can represent, and the scale."""
        gradients: dict[str, Tensor] = {}
        for entry in self._tape:
            if isinstance(entry, TapeEntry) and entry.features is not None:
                gradients[entry.name] = torch.zeros_like(entry.features)
                accumulate_grad(entry.name, entry.features, gradients[entry.name])
        scale = _float16_scale(gradients.values())

        def accumulate_scaled(name: str, features: Tensor, gradient: Tensor) -> None:
            gradient += (gradients.pop(name) * scale).to(gradient.dtype)

        return accumulate_scaled, scale


def _float16_scale(gradients: Iterable[Tensor]) -> Tensor:
    """Return the power of two, 0-d, that brings the largest absolute value into (0.5, 1]; never synchronises."""
    largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
    return torch.exp2(torch.floor(-torch.log2(largest.clamp_min(1e-30))))
