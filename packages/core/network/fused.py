"""The feature extractor with its way back written out: what `core.network.vgg.VGGFeatures` computes, several times as fast.

A convolution, its bias and its ReLU are one step; features lie in channels_last; gradients are changed in place, and
dropped once the next layer has them; on a processor deep layers multiply less (`core.network.winograd`); and the network may
compute in half precision. Pixels are more precise than that: rounded to 8 bits they would hide the optimiser's smaller
steps, so the first convolution takes them as sums of two.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from core.network.vgg import VGGFeatures
from core.network.vjp import AccumulateGrad, SaveForBackward, save_by_reference
from core.network.winograd import WinogradConvolution, is_faster
from core.objective.losses import HALF_PRECISIONS

CHUNK = 2**18
"""About how many values the processor takes at a time where that keeps them in its caches."""

Back = Callable[[Tensor], Tensor]
"""The way back through a step: from the gradient with respect to what came out, which it may change, to that before."""

Step = Callable[[Tensor, SaveForBackward], tuple[Tensor, Back]]
"""From features to features, and the way back; those it needs for that are kept."""


class Taken(NamedTuple):
    """A step that was taken: its name, the way back through it, and, at a tap, the features that came out."""

    name: str
    back: Back
    features: Tensor | None


Again = Callable[[], list[Taken]]
"""Steps that were taken without keeping what came out: takes them again."""


class FusedVGG:
    """Features of an image at the taps of an extractor, computed with its weights in a precision of its own.

    They come in that precision, but for float16: gradients with respect to them are too small for it, and theirs are
    scaled before they go back through the network.
    """

    def __init__(self, extractor: VGGFeatures, dtype: torch.dtype, compared: Sequence[str] = ()) -> None:
        """The weights of `extractor` are copied, once for each way through the network.

        Features of `compared` taps are compared one by one: half precision rounds only once a layer up to them. What
        is rounded more often after them, and on the way back, cancels out in Gram matrices and makes no difference.
        """
        compared_layers = max((list(extractor.layers).index(tap) + 1 for tap in compared), default=0)
        self.taps, self._extractor, self._dtype = extractor.taps, extractor, dtype
        self._steps: list[tuple[str, Step]] = []
        for number, (name, layer) in enumerate(extractor.layers.items()):
            last, step = self._steps[-1] if self._steps else ("", None)
            convolution = step if isinstance(step, _Convolution) and last not in self.taps else None
            if convolution and isinstance(layer, nn.ReLU):
                convolution.rectified = convolution.masks = True
                self._steps[-1] = (name, convolution)
            elif convolution and convolution.rectified and isinstance(layer, nn.MaxPool2d):
                convolution.masks = False
                self._steps.append((name, _pool_rectified_maxima))
            else:
                self._steps.append((name, _step(layer, dtype, first=step is None, compared=number < compared_layers)))

        pools = [number for number, (_, step) in enumerate(self._steps, 1) if step in _POOLS]
        self._first_block = pools[0] if pools and pools[0] < len(self._steps) else 0

    @torch.no_grad()
    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """The features of `image`, (N, 3, H, W) RGB in [0, 1], by tap: (N, C, h, w), in channels_last."""
        features: dict[str, Tensor] = {}
        self._run(self._extractor.prepare(image), self._steps, features, None)
        return features

    @torch.no_grad()
    def record(
        self, image: Tensor, *, checkpoint_first_block: bool = False, keep: SaveForBackward = save_by_reference
    ) -> tuple[dict[str, Tensor], "FusedVJP"]:
        """The same features, with the way back from them, which needs those that it gives to `keep`.

        A `checkpoint_first_block` one keeps nothing of the layers before the first pooling, which take nearly half of the memory and
        a tenth of the work, and computes them again on the way back; not in float16.
        """
        features, tape = dict[str, Tensor](), list[Taken | Again]()
        block = self._first_block if checkpoint_first_block and self._dtype != torch.float16 else 0
        pixels = self._extractor.prepare(image)
        if block:
            tape.append(partial(self._take_first_block, image))
            pixels = self._run(pixels, self._steps[:block], features, None)
        self._run(pixels, self._steps[block:], features, tape, keep)
        return features, FusedVJP(tape, self._extractor, self._dtype, image.dtype)

    def _take_first_block(self, image: Tensor) -> list[Taken]:
        tape: list[Taken] = []
        self._run(self._extractor.prepare(image), self._steps[: self._first_block], {}, tape)
        return tape

    def _run(
        self,
        pixels: Tensor,
        steps: Sequence[tuple[str, Step]],
        features: dict[str, Tensor],
        tape: list[Any] | None,
        keep: SaveForBackward = save_by_reference,
    ) -> Tensor:
        """What the steps make of prepared pixels; at the taps it goes into `features`, the steps onto a `tape`."""
        for name, step in steps:
            pixels, back = step(pixels, keep)
            if name in self.taps:
                features[name] = pixels.float() if self._dtype == torch.float16 else pixels
            if tape is not None:
                tape.append(Taken(name, back, features.get(name)))
        return pixels


class FusedVJP:
    """The way back through the fused network, `tape` being the steps it took. Nothing is kept once it is behind."""

    def __init__(
        self, tape: list[Taken | Again], extractor: VGGFeatures, dtype: torch.dtype, image_dtype: torch.dtype
    ) -> None:
        self._tape, self._extractor, self._dtype, self._image_dtype = tape, extractor, dtype, image_dtype

    @torch.no_grad()
    def back(self, add_pull: AccumulateGrad) -> Tensor:
        """The gradient with respect to the image: (N, 3, H, W), laid out as pictures are.

        Raises:
            RuntimeError: It was taken already.
        """
        if not self._tape:
            raise RuntimeError("the way back through these features was taken already: compute them again")
        gradient: Any = None
        scale: Tensor | None = None
        if self._dtype == torch.float16:
            add_pull, scale = self._scaled(add_pull)
        while self._tape:
            taken = self._tape.pop()
            if not isinstance(taken, Taken):
                self._tape += taken()
                continue
            name, back, features = taken
            if features is not None:
                if gradient is None:
                    gradient = torch.zeros_like(features, dtype=self._dtype)
                add_pull(name, features, gradient)
            del taken, features
            gradient = back(gradient)
        gradient = gradient.to(self._image_dtype)
        # Laid out as pictures are: the optimiser would mix two layouts otherwise.
        return self._extractor.normalize_backward(gradient if scale is None else gradient / scale).contiguous()

    def _scaled(self, add_pull: AccumulateGrad) -> tuple[AccumulateGrad, Tensor]:
        """The same pulls times a number by which float16 holds them, and the number."""
        pulled: dict[str, Tensor] = {}
        for taken in self._tape:
            if isinstance(taken, Taken) and taken.features is not None:
                pulled[taken.name] = torch.zeros_like(taken.features)
                add_pull(taken.name, taken.features, pulled[taken.name])
        scale = _scale_to_hold(pulled.values())

        def add_scaled(name: str, features: Tensor, gradient: Tensor) -> None:
            gradient += (pulled.pop(name) * scale).to(gradient.dtype)

        return add_scaled, scale


class _Convolution:
    """A 3x3 convolution, with a ReLU after it if `rectified`; back, one with the kernels turned around.

    It `masks` what comes back as the ReLU does, unless the step after it has done so.
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype, *, first: bool, compared: bool) -> None:
        weight = layer.weight.detach()
        self._dtype, self._split = dtype, first and dtype.itemsize < weight.itemsize
        kernels = _in_parts(weight, dtype, (0, 0, 1)) if self._split else weight
        self._convolve = _convolution(kernels, dtype, compared=compared)
        self._pull = _convolution(weight.flip(2, 3).transpose(0, 1), dtype, compared=False)
        self._bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.rectified = self.masks = False

    def __call__(self, features: Tensor, keep: SaveForBackward) -> tuple[Tensor, Back]:
        if self._split:
            features = _in_parts(features, self._dtype, (0, 1, 0))
        output = self._convolve(features, self._bias, rectified=self.rectified)
        if not self.rectified:
            return output, self._pull
        output = keep(output)
        if not self.masks:
            return output, self._pull
        return output, lambda gradient: self._pull(_where_positive(gradient, output))


class _DirectConvolution:
    """A 3x3 convolution by the library of the device."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self._kernels, self._rectifies = _copy(weight, dtype), weight.is_cpu and _rectifies(dtype)

    def __call__(self, features: Tensor, bias: Tensor | None = None, *, rectified: bool = False) -> Tensor:
        if not (rectified and self._rectifies):
            output = conv2d(features, self._kernels, bias, padding=1)
            return output.relu_() if rectified else output
        ones = [1, 1]
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, self._kernels, bias, ones, ones, ones, 1, "relu", [], ""
        )
        return fused


def _rectifies(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes a convolution and its ReLU in one pass on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype in HALF_PRECISIONS:
        name = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}[dtype]
        return bool(getattr(torch.ops.mkldnn, name)())
    return dtype == torch.float32


def _convolution(weight: Tensor, dtype: torch.dtype, *, compared: bool) -> _DirectConvolution | WinogradConvolution:
    finely = compared and dtype in HALF_PRECISIONS
    return (WinogradConvolution if is_faster(weight, dtype) and not finely else _DirectConvolution)(weight, dtype)


def _rectify(features: Tensor, keep: SaveForBackward) -> tuple[Tensor, Back]:
    output = keep(features.relu())
    return output, lambda gradient: _where_positive(gradient, output)


def _pool_maxima(features: Tensor, _: SaveForBackward, *, rectified: bool = False) -> tuple[Tensor, Back]:
    def back(gradient: Tensor) -> Tensor:
        pulled = torch.empty_like(features)
        height = gradient.shape[2]
        step = max(1, height * CHUNK // features.numel()) if features.is_cpu else height
        for start in range(0, height, step):
            rows = slice(start, start + step)
            rows_before = slice(2 * start, 2 * (start + step) if start + step < height else None)
            part, before = gradient[:, :, rows], features[:, :, rows_before]
            # Where the maxima were is found again: to keep it takes 8 bytes for each, a third of all that is kept.
            maxima, places = max_pool2d(before, 2, return_indices=True)
            if rectified:
                part = _where_positive(part, maxima)
            torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
                part, before, [2, 2], [2, 2], [0, 0], [1, 1], False, places, grad_input=pulled[:, :, rows_before]
            )
        return pulled

    return max_pool2d(features, 2), back


def _pool_rectified_maxima(features: Tensor, keep: SaveForBackward) -> tuple[Tensor, Back]:
    """With the way back through the ReLU before: only maxima have a gradient, so a quarter of the values is masked."""
    return _pool_maxima(features, keep, rectified=True)


def _pool_means(features: Tensor, _: SaveForBackward) -> tuple[Tensor, Back]:
    back = torch.ops.aten.avg_pool2d_backward
    return avg_pool2d(features, 2), lambda gradient: back(gradient, features, [2, 2], [2, 2], [0, 0], False, True, None)


_POOLS = (_pool_maxima, _pool_rectified_maxima, _pool_means)


def _step(layer: nn.Module, dtype: torch.dtype, *, first: bool, compared: bool) -> Step:
    if isinstance(layer, nn.Conv2d):
        return _Convolution(layer, dtype, first=first, compared=compared)
    steps: dict[type[nn.Module], Step] = {nn.ReLU: _rectify, nn.MaxPool2d: _pool_maxima, nn.AvgPool2d: _pool_means}
    return steps[type(layer)]


def _where_positive(gradient: Tensor, output: Tensor) -> Tensor:
    """The way back through a ReLU, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    return gradient


def _in_parts(values: Tensor, dtype: torch.dtype, parts: tuple[int, ...]) -> Tensor:
    """Along the channels: values rounded to `dtype` for each 0 among the parts, what that leaves over for each 1."""
    rounded = values.to(dtype)
    both = rounded, (values - rounded).to(dtype)
    return _copy(torch.cat([both[part] for part in parts], 1), dtype)


def _scale_to_hold(gradients: Iterable[Tensor]) -> Tensor:
    """What to multiply gradients by so that float16 holds them, with room to add up; a power of two, never read."""
    largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
    return torch.exp2(torch.floor(-torch.log2(largest.clamp_min(1e-30))))


def _copy(values: Tensor, dtype: torch.dtype) -> Tensor:
    return values.to(dtype, memory_format=torch.channels_last, copy=True)
