"""The evaluations of one scale in a graph against the preparation and the objective of a run."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from core.arrays import Pixels
from core.config.transfer_config import TransferConfig
from core.multiscale.initial_image import initial_image
from core.multiscale.preparation import normalize_strength, prepare
from core.multiscale.schedule import Scale
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.objective.gram import gram
from core.optim.types import Evaluation
from core.styles import StyleExemplar
from export.graph.control_flow import loop
from export.graph.model import build_model
from export.graph.values import Value
from export.painter.evaluation import CONTENT_TARGETS, OPTIMIZATION, Evaluator
from export.painter.preparation import ScaleImages
from export.painter.schedule import GraphScale
from export.verify.reference_backend import ReferenceBackend
from support.objectives import relative_difference
from support.painters import objective_of
from support.tiny_vgg import use_tiny_vgg

GENERATOR = np.random.default_rng(0)
CONTENT = GENERATOR.random((1, 3, 24, 35), dtype=np.float32)
STYLE = GENERATOR.random((1, 3, 30, 22), dtype=np.float32) ** 2
TAPS = ("relu1_1", "relu2_1")
LAYERS: dict[str, Any] = {"content_layers": "relu2_1", "style_layers": TAPS}
# With these weights no term of the loss is small beside the others.
OPTIONS: dict[str, Any] = {**LAYERS, "style_weight": (0.002, 0.005), "tv_weight": 300.0, "padding": 0}
FIXED = TransferConfig(**OPTIONS)

Call = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def scale_of(config: TransferConfig) -> Scale:
    return Scale((35, 24), ((22, 30),), 9, content_weight_scale=0.7, tv_weight_scale=1.3, padding=config.padding)


def graph_of(config: TransferConfig) -> Call:
    """Return a function of the number of evaluations of the network.

    It returns the state after them, flat, and the loss and the phase after each.
    """
    scale = scale_of(config)
    activation_scale = load_weights("vgg19").preprocessing.activation_scale
    evaluator = Evaluator(objective_of(config.content_layers, TAPS), config, activation_scale)

    def build(content: Value, style: Value, used: Value, count: Value) -> dict[str, Value]:
        sides = (*scale.size[::-1], *scale.style_size[::-1], scale.padding, scale.evaluations)
        factors = (scale.content_weight_scale, scale.tv_weight_scale)
        here = GraphScale(
            *(Value.constant(side, np.int64) for side in sides), *(Value.constant(one, np.float32) for one in factors)
        )
        images = ScaleImages.of(content, style, here)
        strength = None
        if config.normalized_strength is not None:
            strength = Value.constant(config.normalized_strength, np.float32)

        def evaluate(_: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
            following, loss = evaluator.evaluate(state, images, here, strength)
            return Value.constant(True, bool), following, [loss, following["phase"]]

        start = evaluator.start(images.initial(strength, config), used, here)
        state, (losses, phases) = loop(count, start, evaluate)
        # The shapes of what branches return are unknown in the graph, and outputs need one.
        flat = {f"state/{name}": value.reshape(-1) for name, value in state.items()}
        return flat | {"losses": losses.reshape(-1), "phases": phases.reshape(-1)}

    inputs = {
        "content": Value.of_input(np.float32, [1, 3, None, None]),
        "style": Value.of_input(np.float32, [1, 3, None, None]),
        "first": Value.of_input(np.int64, []),
        "count": Value.of_input(np.int64, []),
    }
    model = build_model(inputs, build(*inputs.values()))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def call(evaluations: int, content: Pixels = CONTENT) -> dict[str, Any]:
        feeds = {"content": content, "style": STYLE, "first": np.array(4), "count": np.array(evaluations)}
        return dict(zip(names, session.run(names, feeds), strict=True))

    return call


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    """The graph of a scale with fixed weights."""
    with use_tiny_vgg():
        yield graph_of(FIXED)


def evaluation_of_a_run(config: TransferConfig) -> Evaluation:
    """Return the first evaluation of the optimiser in a run of one scale."""
    weights, scale = load_weights("vgg19"), scale_of(config)
    backend = ReferenceBackend(load_vgg_features(weights, TAPS), config, weights.preprocessing.activation_scale)
    plan = backend.plan(scale.size, scale.style_size)
    parametrization, exemplars = prepare(CONTENT, [StyleExemplar((STYLE,))], scale, config)
    styles = [parametrization.exemplar_to_network_input(one) for one in exemplars]
    objective = backend.objective(parametrization.to_network_input(parametrization.content_image), styles, plan)
    to_array = partial(backend.to_array, plan=plan)
    objective = normalize_strength(objective, parametrization, exemplars, to_array, scale, config)
    composed = parametrization.compose_with(objective, to_array)
    return composed(to_array(initial_image(CONTENT, exemplars, config)))


def assert_first_step_is_that_of_a_run(call: Call, config: TransferConfig, phases: list[int]) -> None:
    found, expected = call(len(phases)), evaluation_of_a_run(config)
    assert found["phases"].tolist() == phases
    assert found["losses"][-1] == pytest.approx(expected.loss, rel=1e-4)
    assert relative_difference(found["state/gradient"], expected.gradient.ravel()) < 1e-3
    assert (found["state/used"], found["state/failed"]) == (5, 0)  # only evaluations of the optimiser count


@pytest.mark.parametrize("options", [{"strength": 0.2, "padding": 6}, {"strength": 1.0, "init": "content"}], ids=str)
def test_with_a_strength_the_gradients_are_compared_before_the_first_step(options: dict[str, Any]) -> None:
    config = TransferConfig(**OPTIONS | options)
    assert_first_step_is_that_of_a_run(graph_of(config), config, [1, 2, 3, OPTIMIZATION, OPTIMIZATION])


def test_with_fixed_weights_the_first_step_follows_the_targets(call: Call) -> None:
    assert_first_step_is_that_of_a_run(call, FIXED, [1, OPTIMIZATION, OPTIMIZATION])


def test_targets_are_the_features_and_statistics_of_the_network(call: Call) -> None:
    found = call(2)
    extractor = load_vgg_features(load_weights("vgg19"), TAPS)
    content, style = (extractor(torch.from_numpy(image)) for image in (CONTENT, STYLE))
    assert relative_difference(found["state/content/relu2_1"], content["relu2_1"].ravel()) < 1e-5
    for tap in TAPS:
        assert relative_difference(found[f"state/style/{tap}"], gram(style[tap]).ravel()) < 1e-5
    assert found["state/used"] == 4


def test_a_scale_starts_with_zero_targets_in_the_first_phase(call: Call) -> None:
    found = call(0)
    assert found["state/phase"] == CONTENT_TARGETS
    assert not found["state/content/relu2_1"].any()
    assert found["state/style/relu1_1"].size == 8 * 8


def test_a_loss_that_is_not_finite_is_a_failure(call: Call) -> None:
    content = CONTENT.copy()
    content[0, 1, 3, 4] = np.nan
    assert call(2, content)["state/failed"] == 0
    assert call(3, content)["state/failed"] == 1
