"""The objective in an ONNX graph, forward and backward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from core.config.exported_losses import check_exported
from core.config.style_losses import DEFAULT_STYLE_LOSS
from core.config.transfer_config import TransferConfig
from core.network.architecture import Pooling, canonical_layer_name
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from export.graph.network import GraphNetwork
from export.graph.values import Value
from export.io_spec import Inputs, objective_inputs
from export.objective.losses import detail_mask, mean_square, mean_square_grad, total_variation, total_variation_grad
from export.objective.style_terms import STYLE_LOSS_GRAPHS


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

    loss: Value
    gradient: Value
    content_loss: Value
    style_loss: Value
    tv_loss: Value
    features: Mapping[str, Value]


class ObjectiveGraph:
    """Total loss (content, style, total variation) and its gradient with respect to the image.

    It computes the same as `core.objective.reference.ReferenceObjective`. Targets and loss weights are inputs, so one
    artifact serves all images.

    Attributes:
        content_taps: Layers of the content loss, canonical names in the order of the inputs.
        style_taps: Layers of the style loss, canonical names in the order of the inputs.
        style_loss: Name of the style loss, one of `STYLE_LOSS_GRAPHS`.
        content_detail: The power of `core.objective.content.detail_mask`; 0 if the content counts the same everywhere.
        regions: Whether styles apply to regions, with masks as further inputs.
        extractor: The network in PyTorch, with all taps.
        network: The network in the graph.
    """

    def __init__(
        self,
        weights: Weights,
        content_taps: Sequence[str],
        style_taps: Sequence[str],
        pooling: Pooling,
        style_loss: str = DEFAULT_STYLE_LOSS,
        *,
        content_detail: float = TransferConfig.content_detail,
        regions: bool = False,
    ) -> None:
        check_exported("objective", style_loss)
        self.style_loss, self.content_detail, self.regions = style_loss, content_detail, regions
        self.content_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in content_taps)
        self.style_taps = tuple(canonical_layer_name(tap, weights.arch) for tap in style_taps)
        self.extractor = load_vgg_features(weights, (*self.content_taps, *self.style_taps), pooling=pooling)
        self.network = GraphNetwork(self.extractor)

    @property
    def inputs(self) -> Inputs:
        """The arguments of `evaluate`."""
        return objective_inputs(
            self.network.layers, self.content_taps, self.style_taps, self.style_loss, regions=self.regions
        )

    def evaluate(
        self,
        image: Value,
        content: Sequence[Value],
        style: Sequence[Value],
        content_weights: Value,
        style_weights: Value,
        tv_weight: Value,
        masks: Sequence[Value] = (),
    ) -> ObjectiveOutputs:
        """Evaluate the loss and its gradient.

        With R regions the style targets have R elements along their first axis, one for each region, and the style
        weights and masks too.

        Args:
            image: (1, 3, H, W), RGB in [0, 1].
            content: For each content tap the target features (1, C, h, w).
            style: For each style tap the target: the Gram matrix (1, C, C), for the loss "moments" the covariances and
                as a last column the means (1, C, C + 1), or for the loss "nearest" the features (1, C, h, w) of the
                most similar parts of the style image.
            content_weights: (n,), in the order of the content taps: `core.objective.weights.LossWeights`, which divides
                the weights of the command line by powers of the scale of the activations.
            style_weights: (m,), in the order of the style taps; with regions (R, m). For the loss "moments" (m, 2) or
                (R, m, 2): the weights of the mean squared differences of the covariances and of the means.
            tv_weight: (1,).
            masks: With regions, for each style tap the masks (R, 1, h, w), with mean 1 in every region.
        """
        features = self.network.features(image)
        content_terms, style_terms, grads = [], [], dict[str, Value]()
        for index, (tap, target) in enumerate(zip(self.content_taps, content, strict=True)):
            difference, weight = features[tap] - target, content_weights.take(index)
            if self.content_detail:
                root = detail_mask(target, self.content_detail).sqrt()
                difference = difference * root
                grads[tap] = mean_square_grad(difference) * root * weight
            else:
                grads[tap] = mean_square_grad(difference) * weight
            content_terms.append(mean_square(difference, 4) * weight)
        for index, (tap, target) in enumerate(zip(self.style_taps, style, strict=True)):
            mask = masks[index] if self.regions else None
            weight = style_weights.take(index, axis=int(self.regions))
            loss, grad = STYLE_LOSS_GRAPHS[self.style_loss].term(features[tap], target, weight, mask)
            style_terms.append(loss)
            grads[tap] = grads[tap] + grad if tap in grads else grad
        gradient = self.network.backward(features, grads) + total_variation_grad(image) * tv_weight
        content_loss, style_loss = reduce(add, content_terms), reduce(add, style_terms)
        tv_loss = total_variation(image) * tv_weight.reshape()
        loss = content_loss + style_loss + tv_loss
        return ObjectiveOutputs(loss, gradient, content_loss, style_loss, tv_loss, features)
