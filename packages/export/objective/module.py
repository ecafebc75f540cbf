"""The objective as a module without autograd: forward and backward pass written out, so that both can be exported."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from core.network.architecture import Layer, canonical_layer_name, truncated
from core.network.vgg import Pooling, load_vgg_features
from core.network.weights import Weights
from core.objective.gram import gram
from core.objective.reductions import mean_square
from core.objective.total_variation import total_variation
from export.objective import backward as gradients


class ObjectiveModule(nn.Module):
    """Returns what `core.objective.objective.ReferenceObjective` computes with autograd.

    The targets and the weights of the terms are inputs, so that one file serves every pair of pictures.

    Attributes: `content_taps` and `style_taps`, canonical names in the order of the inputs; `plan`, the layers
    up to the deepest of them; `extractor`, which returns the outputs of all of these.
    """

    def __init__(
        self, weights: Weights, content_taps: Sequence[str], style_taps: Sequence[str], pooling: Pooling
    ) -> None:
        super().__init__()
        self.content_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in content_taps)
        self.style_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in style_taps)
        self.plan = truncated(weights.arch, (*self.content_taps, *self.style_taps))
        # The backward pass needs what every ReLU and pooling saw.
        self.extractor = load_vgg_features(weights, [layer.name for layer in self.plan], pooling=pooling)
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

        `image`: (1, 3, H, W) RGB in [0, 1]. `content`: for each content tap its target, features (1, C, h, w).
        `grams`: for each style tap its target, a Gram matrix (1, C, C). `content_weights` (n,), `style_weights`
        (m,) and `tv_weight` (1,) are those of `core.objective.weights.LossWeights`, in the order of the taps.
        """
        features = self.extractor(image)
        contents, styles, pulls = [], [], dict[str, Tensor]()
        for tap, target, weight in zip(self.content_taps, content, content_weights, strict=True):
            difference = features[tap] - target
            contents.append(weight * mean_square(difference))
            pulls[tap] = gradients.of_mean_square(difference) * weight
        for tap, target, weight in zip(self.style_taps, grams, style_weights, strict=True):
            difference = gram(features[tap]) - target
            styles.append(weight * mean_square(difference))
            pull = gradients.of_gram(gradients.of_mean_square(difference) * weight, features[tap])
            pulls[tap] = pulls[tap] + pull if tap in pulls else pull
        gradient = self._to_image(features, pulls) + gradients.of_total_variation(image) * tv_weight
        content_part, style_part = torch.stack(contents).sum(), torch.stack(styles).sum()
        tv_part = total_variation(image) * tv_weight.squeeze(0)
        return content_part + style_part + tv_part, gradient, content_part, style_part, tv_part

    def _to_image(self, features: Mapping[str, Tensor], pulls: Mapping[str, Tensor]) -> Tensor:
        """Carry the gradients at the taps back through the layers, from the deepest on."""
        gradient = pulls[self.plan[-1].name]
        for position in reversed(range(len(self.plan))):
            layer = self.plan[position]
            if layer.name in pulls and layer != self.plan[-1]:
                gradient = gradient + pulls[layer.name]
            gradient = self._through(layer, gradient, features, below=self.plan[position - 1].name)
        gradient = gradient / self.extractor.std
        return gradient.flip(1) if self.extractor.bgr else gradient

    def _through(self, layer: Layer, gradient: Tensor, features: Mapping[str, Tensor], below: str) -> Tensor:
        if layer.kind == "relu":
            return gradients.through_relu(gradient, features[layer.name])
        if layer.kind == "conv":
            convolution = self.extractor.layers[layer.name]
            assert isinstance(convolution, nn.Conv2d)
            return gradients.through_convolution(gradient, convolution.weight)
        if self.extractor.pooling == "average":
            return gradients.through_average(gradient, features[below])
        return gradients.through_maximum(gradient, features[below], features[layer.name])
