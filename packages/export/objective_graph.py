"""The objective as one ONNX graph: loss and gradient with respect to the image, in standard operators only."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.layers import Layer, canonical_tap, truncated
from core.losses import gram, total_variation
from core.vgg import Pooling, load_extractor
from core.weights import Weights
from export import gradients


class ObjectiveGraph(nn.Module):
    """What `core.objective.TorchObjective` computes with autograd, backward pass and all, as a forward pass.

    Targets and the weights of the terms are inputs, so that one file serves every pair of pictures. The
    weights are those of `core.terms.Terms`: in units of the extractor's own features.
    """

    def __init__(
        self, weights: Weights, content_taps: Sequence[str], style_taps: Sequence[str], pooling: Pooling
    ) -> None:
        super().__init__()
        self.content_taps = tuple(canonical_tap(tap, weights.arch) for tap in content_taps)
        self.style_taps = tuple(canonical_tap(tap, weights.arch) for tap in style_taps)
        self.pooling = pooling
        self._plan = truncated(weights.arch, (*content_taps, *style_taps))
        # Tapped everywhere: the backward pass needs what every ReLU and pooling saw.
        self.extractor = load_extractor(weights, [layer.name for layer in self._plan], pooling=pooling)
        self.eval()

    def forward(
        self,
        image: Tensor,
        content: Sequence[Tensor],
        grams: Sequence[Tensor],
        content_weights: Tensor,
        style_weights: Tensor,
        tv_weight: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the loss, its gradient (1, 3, H, W), and its weighted content, style and tv parts.

        `image` (1, 3, H, W) RGB in [0, 1]; for each content tap its target features (1, C, h, w), for each
        style tap its target Gram matrix (1, C, C), in the order of the taps, as are the weights (n,) and (m,);
        `tv_weight` is (1,).
        """
        features = self.extractor(image)
        pulls: dict[str, Tensor] = {}
        content_parts, style_parts = [], []
        for tap, target, weight in zip(self.content_taps, content, content_weights, strict=True):
            difference = features[tap] - target
            content_parts.append(weight * mean_square(difference))
            pulls[tap] = gradients.of_mean_square(difference) * weight
        for tap, target, weight in zip(self.style_taps, grams, style_weights, strict=True):
            difference = gram(features[tap]) - target
            style_parts.append(weight * mean_square(difference))
            pull = gradients.of_gram(gradients.of_mean_square(difference) * weight, features[tap])
            pulls[tap] = pulls[tap] + pull if tap in pulls else pull
        parts = (
            torch.stack(content_parts).sum(),
            torch.stack(style_parts).sum(),
            tv_weight.squeeze(0) * total_variation(image),
        )
        gradient = self._to_image(features, pulls) + tv_weight * gradients.of_total_variation(image)
        return parts[0] + parts[1] + parts[2], gradient, *parts

    def _to_image(self, features: dict[str, Tensor], pulls: dict[str, Tensor]) -> Tensor:
        """Carry the gradients at the taps (`pulls`) back to the image, from the deepest on."""
        gradient: Tensor | None = None
        for position, layer in reversed([*enumerate(self._plan)]):
            if layer.name in pulls:
                gradient = pulls[layer.name] if gradient is None else gradient + pulls[layer.name]
            assert gradient is not None  # the plan ends at a tap
            gradient = self._through(layer, gradient, features, self._plan[position - 1].name)
        gradient = gradient / self.extractor.std
        return gradient.flip(1) if self.extractor.bgr else gradient

    def _through(self, layer: Layer, gradient: Tensor, features: dict[str, Tensor], below: str) -> Tensor:
        if layer.kind == "relu":
            return gradients.through_relu(gradient, features[layer.name])
        if layer.kind == "conv":
            return gradients.through_convolution(gradient, self.extractor.layers[layer.name].weight)
        if self.pooling == "average":
            return gradients.through_average(gradient, features[below])
        return gradients.through_maximum(gradient, features[below], features[layer.name])


def mean_square(difference: Tensor) -> Tensor:
    """The mean of the squares, axis by axis: one long float32 sum loses digits, most of all in WebAssembly."""
    mean = difference.square()
    for _ in range(difference.ndim):
        mean = mean.mean(-1)
    return mean
