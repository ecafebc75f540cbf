"""The objective as a part of a larger graph against autograd, with the statistics of the image that it evaluates."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core.errors import UsageError
from core.network.weights import load_weights
from core.objective.gram import gram
from core.objective.moments import moments
from export.graph.values import Value
from export.objective.graph import ObjectiveGraph
from export.painter.inlined_objective import InlinedObjective
from support.graphs import computed
from support.objectives import noise, reference_and_arguments, relative_difference

CONTENT_TAPS, STYLE_TAPS = ("relu2_1",), ("relu1_1", "relu2_1")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def objective_of(style_loss: str) -> ObjectiveGraph:
    return ObjectiveGraph(load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, "max", style_loss)


def covariances_and_means(features: Tensor) -> Tensor:
    products = moments(features)
    squares, means = products[..., :-1], products[..., -1:]
    return torch.cat([squares - means * means.mT, means], 2)


@pytest.mark.parametrize("style_loss", ["gram", "moments"])
def test_two_evaluations_in_one_graph_equal_autograd(style_loss: str) -> None:
    objective = objective_of(style_loss)
    inlined, images = InlinedObjective(objective), [noise(1, 3, 20, 33, seed=seed).float() for seed in (0, 1)]
    reference, arguments = reference_and_arguments(objective, images[0])
    inputs = [one.numpy() for value in arguments for one in ([value] if isinstance(value, Tensor) else value)]

    def build(*values: Value) -> dict[str, Value]:
        first, content, *style, content_weights, style_weights, tv_weight, second = values
        outputs = {}
        for number, image in enumerate((first, second)):
            found = inlined(image, [content], style, (content_weights, style_weights, tv_weight))
            outputs |= {f"loss {number}": found.loss, f"gradient {number}": found.gradient}
            outputs |= {f"features {number}": found.features[0]}
            outputs |= {f"statistic {number} {tap}": one for tap, one in zip(STYLE_TAPS, found.statistics, strict=True)}
        return outputs

    found = computed(build, *inputs, images[1].numpy())
    statistic = {"gram": gram, "moments": covariances_and_means}[style_loss]
    for number, image in enumerate(images):
        expected, features = reference(image), objective.extractor(image)
        assert found[f"loss {number}"] == pytest.approx(expected.loss, rel=1e-5)
        assert relative_difference(found[f"gradient {number}"], expected.gradient) < 1e-4
        assert relative_difference(found[f"features {number}"], features["relu2_1"]) < 1e-5
        for tap in STYLE_TAPS:
            assert relative_difference(found[f"statistic {number} {tap}"], statistic(features[tap])) < 1e-4


def test_layers_are_those_of_the_losses() -> None:
    inlined = InlinedObjective(objective_of("gram"))
    assert [layer.name for layer in inlined.content_layers] == [*CONTENT_TAPS]
    layers = [(layer.name, layer.out_channels, layer.stride) for layer in inlined.style_layers]
    assert layers == [("relu1_1", 8, 1), ("relu2_1", 8, 2)]
    assert inlined.columns(8) == 8


def test_weights_are_stored_in_a_palette_where_they_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.formats.palette.MIN_TENSOR_SIZE", 500)  # the kernels of the tiny network are small
    weights, taps = load_weights("vgg19"), (("relu1_2",), ("relu1_2",))
    assert not InlinedObjective(ObjectiveGraph(weights, *taps, "max")).palette
    with pytest.raises(UsageError, match="--palette needs weights with at most 256 distinct values per kernel"):
        InlinedObjective(ObjectiveGraph(weights, *taps, "max"), palette=True)
    rounded = {name: (values * 100).round() / 100 for name, values in weights.state.items()}
    weights = replace(weights, state=rounded)
    assert InlinedObjective(ObjectiveGraph(weights, *taps, "max")).palette
    assert not InlinedObjective(ObjectiveGraph(weights, *taps, "max"), palette=False).palette
