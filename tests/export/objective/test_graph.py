"""The objective without autograd against autograd, in float64."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
from torch import Tensor

from core.backends.torch_backend import TorchBackend
from core.config.exported_losses import exported_style_losses
from core.config.style_losses import STYLE_LOSSES, style_loss_names
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.network.weights import Weights, load_weights
from core.objective.gram import gram
from core.objective.weights import LossWeights
from export.graph.model import InputValues, build_model
from export.graph.values import Value
from export.io_spec import flatten
from export.objective.graph import ObjectiveGraph
from export.objective.losses import mean_square, mean_square_grad, means
from export.objective.style_terms import STYLE_LOSS_GRAPHS, GraphStyleLoss
from support.backends import objective_of
from support.graphs import run_exactly
from support.objectives import noise, reference_and_arguments, relative_difference
from support.toy_losses import COLUMN_OF_MEANS

SIZES = [(16, 16), (32, 18), (33, 47), (17, 24)]
DEFAULTS = (("relu3_2", "relu4_2"), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"))
MIXED = (("conv2_2", "pool2"), ("conv1_1", "pool1", "conv2_2", "relu3_2", "pool3"))

Evaluation: TypeAlias = tuple[float, np.ndarray, list[float]]
"""The loss, its gradient, and the losses of content, style and total variation."""

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def exact_weights(source: str = "oxford") -> Weights:
    """The weights of the small network in float64."""
    weights = load_weights("vgg19", source)
    return replace(weights, state={name: values.double() for name, values in weights.state.items()})


def evaluator(objective: ObjectiveGraph) -> Callable[[list[Any]], Evaluation]:
    """Build the model of an objective once, and return a function of its arguments."""
    inputs = InputValues(objective.inputs, np.float64)
    found = objective.evaluate(**inputs.arguments)
    names = ("loss", "gradient", "content_loss", "style_loss", "tv_loss")
    model = build_model(inputs.by_name, {name: getattr(found, name) for name in names}, objective.network.initializers)

    def evaluate(arguments: list[Any]) -> Evaluation:
        tensors = [one for value in arguments for one in ([value] if isinstance(value, Tensor) else value)]
        feeds = {spec.name: tensor.numpy() for spec, tensor in zip(flatten(objective.inputs), tensors, strict=True)}
        loss, gradient, *parts = run_exactly(model, feeds).values()
        assert gradient.dtype == np.float64
        return loss.item(), gradient, [part.item() for part in parts]

    return evaluate


def assert_equals_autograd(objective: ObjectiveGraph, *images: Tensor) -> None:
    evaluate = evaluator(objective)
    for image in images:
        reference, arguments = reference_and_arguments(objective, image)
        expected = reference(image)
        loss, gradient, parts = evaluate(arguments)
        assert relative_difference(gradient, expected.gradient) < 1e-14
        assert loss == pytest.approx(expected.loss, rel=1e-14)
        assert parts == pytest.approx(list(expected.parts.values()), rel=1e-14)


@pytest.mark.parametrize(
    ("source", "style_loss"),
    [("oxford", "gram"), ("torchvision", "gram"), ("torchvision", "moments"), ("torchvision", "nearest")],
)
@pytest.mark.parametrize("content_detail", [0.0, 0.3])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("taps", [DEFAULTS, MIXED], ids=["default", "mixed"])
def test_objective_equals_autograd(
    taps: tuple, pooling: str, source: str, style_loss: str, content_detail: float
) -> None:
    objective = ObjectiveGraph(exact_weights(source), *taps, pooling, style_loss, content_detail=content_detail)
    assert_equals_autograd(objective, *(noise(1, 3, *size) for size in SIZES))


@pytest.mark.parametrize("style_loss", ["gram", "moments", "nearest"])
def test_regions_equal_autograd(style_loss: str) -> None:
    objective = ObjectiveGraph(exact_weights(), *MIXED, "max", style_loss, regions=True)
    images = [noise(1, 3, *size) for size in SIZES]
    for image in images:
        _, arguments = reference_and_arguments(objective, image)
        assert {len(arguments[2][0]), len(arguments[4]), len(arguments[6][0])} == {3}
    assert_equals_autograd(objective, *images)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_objective_equals_autograd_in_flat_areas(pooling: str) -> None:
    image = noise(1, 3, 33, 40)
    image[..., 20:] = 1
    image[..., :16, :] = 0
    assert_equals_autograd(ObjectiveGraph(exact_weights(), *DEFAULTS, pooling, content_detail=0.5), image)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_objective_equals_the_fused_network_and_losses_of_core(pooling: str) -> None:
    """The optimisation loop uses the fused backward of `core.network` and `core.objective`."""
    config = TransferConfig(device="cpu", precision="fp32", pooling=pooling, tv_weight=0.5)
    content, style, image = noise(1, 3, 48, 41), noise(1, 3, 37, 52, seed=2), noise(1, 3, 48, 41, seed=1)
    single = [one.float() for one in (content, style, image)]
    expected = objective_of(TorchBackend(config), single[0].numpy(), single[1].numpy())(single[2])
    layers, detail = (config.content_layers, config.style_layers), config.content_detail
    objective = ObjectiveGraph(exact_weights(), *layers, pooling, content_detail=detail)
    content_features, style_features = objective.extractor(content), objective.extractor(style)
    weights = LossWeights.of(config, load_weights("vgg19").preprocessing.activation_scale)
    arguments = [
        image,
        [content_features[tap] for tap in objective.content_taps],
        [gram(style_features[tap]) for tap in objective.style_taps],
        *(Tensor([*values]).double() for values in (weights.content.values(), weights.style.values(), [weights.tv])),
    ]
    loss, gradient, _ = evaluator(objective)(arguments)
    assert loss == pytest.approx(expected.loss, rel=1e-5)
    assert relative_difference(gradient, expected.gradient) < 1e-4


def test_style_losses_without_a_term_are_refused() -> None:
    assert set(style_loss_names()) - STYLE_LOSS_GRAPHS.keys() == {"wasserstein", "sliced-wasserstein"}
    with pytest.raises(UsageError) as caught:
        ObjectiveGraph(load_weights("vgg19"), *DEFAULTS, "max", "wasserstein")
    sentence = "an objective with the style loss wasserstein cannot be exported: use gram, moments or nearest"
    assert str(caught.value) == sentence


def test_losses_registered_as_exported_have_a_graph_and_a_painter_one_with_a_statistic() -> None:
    assert tuple(STYLE_LOSS_GRAPHS) == exported_style_losses("objective")
    with_statistic = [name for name, graph in STYLE_LOSS_GRAPHS.items() if graph.statistic]
    assert tuple(with_statistic) == exported_style_losses("painter")


def test_another_loss_is_exported_from_its_specification_and_its_term(monkeypatch: pytest.MonkeyPatch) -> None:
    def term(features: Value, target: Value, weight: Value, mask: Value | None) -> tuple[Value, Value]:
        difference = means(features, mask) - target
        grad = mean_square_grad(difference) * weight / (features.side(2) * features.side(3)).cast(features.dtype)
        return mean_square(difference, 3) * weight, features * 0 + grad.reshape(0, 0, 1, 1)

    monkeypatch.setitem(STYLE_LOSSES, COLUMN_OF_MEANS.name, COLUMN_OF_MEANS)
    monkeypatch.setitem(STYLE_LOSS_GRAPHS, COLUMN_OF_MEANS.name, GraphStyleLoss(term, means))
    objective = ObjectiveGraph(exact_weights(), *MIXED, "max", COLUMN_OF_MEANS.name)
    (first, *_) = (spec for spec in flatten(objective.inputs) if spec.name.startswith("column-of-means/"))
    assert first.describe() == "float32 (1, 8, 1), means of the channels of the style image"
    assert_equals_autograd(objective, *(noise(1, 3, *size) for size in SIZES))
    assert exported_style_losses("painter") == ("gram", "moments", "column-of-means")


def test_objective_has_canonical_taps() -> None:
    objective = ObjectiveGraph(load_weights("vgg19"), ["conv_3_1"], ["relu1_1"], "max")
    assert (objective.content_taps, objective.style_taps) == (("relu3_1",), ("relu1_1",))
    assert [layer.name for layer in objective.network.layers][-2:] == ["conv3_1", "relu3_1"]
