"""The objective as a module without autograd: forward and backward pass as exportable operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import UsageError
from core.network.architecture import Layer, Pooling, canonical_layer_name, truncated
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from core.objective.reductions import mean_square
from core.objective.total_variation import total_variation
from export.objective.backward import (
    average_pool_backward,
    conv_backward,
    max_pool_backward,
    mean_square_grad,
    relu_backward,
    total_variation_grad,
)
from export.objective.style_terms import STYLE_TERMS


@dataclass(frozen=True)
class ObjectiveOutputs:
    """Everything that one evaluation computes.

    Attributes:
        loss: The sum of the weighted losses.
        gradient: dL/dimage (1, 3, H, W).
        content_loss: The weighted content loss.
        style_loss: The weighted style loss.
        tv_loss: The weighted total variation.
        features: The features (1, C, h, w) of the image by layer.
    """

    loss: Tensor
    gradient: Tensor
    content_loss: Tensor
    style_loss: Tensor
    tv_loss: Tensor
    features: Mapping[str, Tensor]


class ObjectiveModule(nn.Module):
    """Total loss (content, style, total variation) and its gradient with respect to the image.

    It computes the same as `core.objective.reference.ReferenceObjective`. Targets and loss weights are inputs, so one
    artifact serves all images.

    Attributes:
        content_taps: Layers of the content loss, canonical names in the order of the inputs.
        style_taps: Layers of the style loss, canonical names in the order of the inputs.
        style_loss: Name of the style loss, one of `STYLE_TERMS`.
        regions: Whether styles apply to regions, with masks as further inputs.
        network_layers: The layers of the network up to the deepest tap.
        extractor: The network, which returns the outputs of all `network_layers`.
    """

    def __init__(
        self,
        weights: Weights,
        content_taps: Sequence[str],
        style_taps: Sequence[str],
        pooling: Pooling,
        style_loss: str = "gram",
        *,
        regions: bool = False,
    ) -> None:
        super().__init__()
        if style_loss not in STYLE_TERMS:
            raise UsageError(
                f"an objective with the style loss {style_loss} cannot be exported: use {' or '.join(STYLE_TERMS)}"
            )
        self.style_loss, self.regions = style_loss, regions
        self.content_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in content_taps)
        self.style_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in style_taps)
        self.network_layers = truncated(weights.arch, (*self.content_taps, *self.style_taps))
        # The backward pass needs the input of every pooling and the output of every ReLU.
        self.extractor = load_vgg_features(weights, [layer.name for layer in self.network_layers], pooling=pooling)
        self.eval()

    def forward(
        self,
        image: Tensor,
        content: Sequence[Tensor],
        style: Sequence[Tensor],
        content_weights: Tensor,
        style_weights: Tensor,
        tv_weight: Tensor,
        masks: Sequence[Tensor] = (),
    ) -> tuple[Tensor, ...]:
        """Return the loss, its gradient (1, 3, H, W), and its weighted content, style and total variation terms.

        The arguments are those of `evaluate`.
        """
        found = self.evaluate(image, content, style, content_weights, style_weights, tv_weight, masks)
        return found.loss, found.gradient, found.content_loss, found.style_loss, found.tv_loss

    def evaluate(
        self,
        image: Tensor,
        content: Sequence[Tensor],
        style: Sequence[Tensor],
        content_weights: Tensor,
        style_weights: Tensor,
        tv_weight: Tensor,
        masks: Sequence[Tensor] = (),
    ) -> "ObjectiveOutputs":
        """Evaluate the loss and its gradient.

        With R regions the style targets have R elements along their first axis, one for each region, and the style
        weights and masks too.

        Args:
            image: (1, 3, H, W), RGB in [0, 1].
            content: For each content tap the target features (1, C, h, w).
            style: For each style tap the target: the Gram matrix (1, C, C), or for the loss "nearest" the features
                (1, C, h, w) of the most similar parts of the style image.
            content_weights: (n,), in the order of the content taps: `core.objective.weights.LossWeights`, which divides
                the weights of the command line by powers of the scale of the activations.
            style_weights: (m,), in the order of the style taps; with regions (R, m).
            tv_weight: (1,).
            masks: With regions, for each style tap the masks (R, 1, h, w), with mean 1 in every region.
        """
        features = self.extractor(image)
        content_terms, style_terms, grads = [], [], dict[str, Tensor]()
        for tap, target, weight in zip(self.content_taps, content, content_weights, strict=True):
            difference = features[tap] - target
            content_terms.append(weight * mean_square(difference))
            grads[tap] = mean_square_grad(difference) * weight
        weights = style_weights.unbind(-1)
        for index, (tap, target, weight) in enumerate(zip(self.style_taps, style, weights, strict=True)):
            mask = masks[index] if self.regions else None
            loss, grad = STYLE_TERMS[self.style_loss](features[tap], target, weight, mask)
            style_terms.append(loss)
            grads[tap] = grads[tap] + grad if tap in grads else grad
        gradient = self._network_backward(features, grads) + total_variation_grad(image) * tv_weight
        content_loss, style_loss = torch.stack(content_terms).sum(), torch.stack(style_terms).sum()
        tv_loss = total_variation(image) * tv_weight.squeeze(0)
        loss = content_loss + style_loss + tv_loss
        return ObjectiveOutputs(loss, gradient, content_loss, style_loss, tv_loss, features)

    def _network_backward(self, features: Mapping[str, Tensor], grads: Mapping[str, Tensor]) -> Tensor:
        """Return dL/dimage, given the outputs of all layers and the gradients of the losses at the taps."""
        grad = grads[self.network_layers[-1].name]
        for position in reversed(range(len(self.network_layers))):
            layer = self.network_layers[position]
            if layer.name in grads and layer != self.network_layers[-1]:
                grad = grad + grads[layer.name]
            # Layer 0 is a convolution, which does not use its input.
            grad = self._layer_backward(layer, grad, features, input_name=self.network_layers[position - 1].name)
        grad = grad / self.extractor.std
        return grad.flip(1) if self.extractor.bgr else grad

    def _layer_backward(self, layer: Layer, grad: Tensor, features: Mapping[str, Tensor], input_name: str) -> Tensor:
        if layer.kind == "relu":
            return relu_backward(grad, features[layer.name])
        if layer.kind == "conv":
            convolution = self.extractor.layers[layer.name]
            assert isinstance(convolution, nn.Conv2d)
            return conv_backward(grad, convolution.weight)
        if self.extractor.pooling == "average":
            return average_pool_backward(grad, features[input_name])
        return max_pool_backward(grad, features[input_name], features[layer.name])
