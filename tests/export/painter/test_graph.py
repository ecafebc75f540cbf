"""Painters of a tiny network: whole runs equal those of `stylize`, calls continue, and bad inputs get a status."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from core.artifacts.painter import OUTPUTS, Status
from core.config.transfer_config import TransferConfig
from core.image.resize import fit_size
from core.network.weights import load_weights
from core.style_transfer import stylize
from export.painter.export import build_painter
from support.painters import objective_of

GENERATOR = np.random.default_rng(0)
CONTENT = GENERATOR.integers(0, 256, (40, 70, 3), np.uint8)
STYLE = GENERATOR.integers(0, 256, (55, 45, 3), np.uint8)
EMPTY = {
    "image_size": np.zeros(0, np.int64),
    "evaluations": np.zeros(0, np.int64),
    "passes": np.zeros(0, np.int64),
    "strength": np.zeros(0, np.float32),
    "state": np.zeros(0, np.float32),
}
LAYERS: dict[str, Any] = {"content_layers": "relu2_2", "style_layers": ("relu1_1", "relu2_2", "relu3_1")}
OPTIONS: dict[str, Any] = {**LAYERS, "iterations": 12, "min_scale_size": 35, "history": 4}

Call = Callable[..., dict[str, Any]]


def session_of(pixels: str = "uint8", **options: Any) -> Call:
    """Return a function that calls a painter with these options; inputs that are not given are empty."""
    config = TransferConfig(**OPTIONS | options)
    objective = objective_of(config.content_layers, config.style_layers, config.style_loss)
    model = build_painter(objective, config, load_weights(config.arch).preprocessing.activation_scale, pixels)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def call(**given: Any) -> dict[str, Any]:
        inputs = {"content": CONTENT, "style": STYLE, **EMPTY, **given}
        return dict(zip(OUTPUTS, session.run(OUTPUTS, {name: inputs[name] for name in names}), strict=True))

    return call


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    """The painter with `OPTIONS`, which has two scales for these images."""
    from support.tiny_vgg import use_tiny_vgg

    with use_tiny_vgg():
        yield session_of()


def finished(call: Call, **given: Any) -> tuple[NDArray[Any], list[float]]:
    """Call a painter until it is finished; return the image and all losses."""
    found = call(**given)
    losses = found["losses"].tolist()
    while found["status"] == Status.RUNNING:
        found = call(**given | {"state": found["next_state"]})
        losses += found["losses"].tolist()
    assert found["status"] == Status.FINISHED
    assert found["evaluations_made"] == len(losses)
    return found["image"], losses


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.03},
        {"content_weight": 2.0, "tv_weight": 3.0, "init": "content"},
        {"strength": 0.2, "padding": 0, "scales": 1},
        {"strength": 1.0, "style_scale": 0.8},
        {"style_weight": (3.0, 20.0, 40.0), "scale_factor": 1.5},
        {"image_size_side": "short", "image_size": 36},
        {"style_loss": "moments"},
    ],
    ids=str,
)
def test_result_equals_that_of_a_run(options: dict[str, Any], tiny_vgg: None) -> None:
    config = TransferConfig(**OPTIONS | options, device="cpu", precision="fp32")
    steps: dict[int, float] = {}
    expected = stylize(CONTENT, STYLE, config, callback=lambda step: bool(steps.update({step.evaluations: step.loss})))
    image, losses = finished(session_of(**options))
    assert len(losses) == config.iterations
    if config.optimizer == "adam":
        losses = np.minimum.accumulate(losses[:6]).tolist() + np.minimum.accumulate(losses[6:]).tolist()
    for evaluation, loss in steps.items():
        assert losses[evaluation - 1] == pytest.approx(loss, rel=1e-2), evaluation
    assert abs(image / 255 - expected.pixels[0].transpose(1, 2, 0)).mean() < 2 / 255


def test_a_style_image_without_contrast_gives_a_finite_result(tiny_vgg: None) -> None:
    """The covariances of its features, by which the loss divides, are zero."""
    flat = np.full_like(STYLE, 90)
    config = TransferConfig(**OPTIONS, style_loss="moments", device="cpu", precision="fp32")
    image, losses = finished(session_of(style_loss="moments"), style=flat)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert abs(image / 255 - stylize(CONTENT, flat, config).pixels[0].transpose(1, 2, 0)).mean() < 2 / 255


@pytest.mark.parametrize("passes", [1, 5])
def test_any_division_of_the_evaluations_gives_the_same_image(call: Call, passes: int) -> None:
    image, losses = finished(call)
    divided_image, divided_losses = finished(call, passes=np.array([passes]))
    np.testing.assert_array_equal(divided_image, image)
    assert divided_losses == losses


def test_a_call_makes_no_more_evaluations_of_the_network_than_it_may(call: Call) -> None:
    """The first four compute the targets and the strength."""
    found = call(passes=np.array([6]))
    assert (found["status"], len(found["losses"]), found["evaluations_made"]) == (Status.RUNNING, 2, 2)
    nothing = call(passes=np.array([0]))
    assert (nothing["status"], nothing["evaluations_made"]) == (Status.RUNNING, 0)
    assert nothing["image"].shape == CONTENT.shape


def test_a_finished_painter_stays_finished(call: Call) -> None:
    found = call()
    while found["status"] == Status.RUNNING:
        found = call(state=found["next_state"])
    again = call(state=found["next_state"])
    np.testing.assert_array_equal(again["image"], found["image"])
    assert (again["status"], len(again["losses"])) == (Status.FINISHED, 0)


def test_inputs_override_the_options(call: Call) -> None:
    settings = {"image_size": np.array([40]), "evaluations": np.array([3]), "strength": np.float32([0.9])}
    image, losses = finished(call, **settings)
    height, width, _ = image.shape
    assert (width, height) == fit_size((70, 40), 40, "long")
    assert len(losses) == 3
    weaker, _ = finished(call, **settings | {"strength": np.float32([0.1])})
    assert (weaker != image).any()


def test_float_images_give_the_result_of_bytes(call: Call, tiny_vgg: None) -> None:
    expected, losses = finished(call)
    as_float = {name: image.transpose(2, 0, 1)[None] / np.float32(255) for name, image in images().items()}
    image, float_losses = finished(session_of("float"), **as_float)
    assert float_losses == pytest.approx(losses, rel=1e-3)
    assert image.shape == (1, 3, *CONTENT.shape[:2])
    assert abs(image[0].transpose(1, 2, 0) - expected / 255).mean() < 1 / 255


def images() -> dict[str, NDArray[np.uint8]]:
    return {"content": CONTENT, "style": STYLE}


def refused(found: dict[str, Any]) -> Status:
    """Return the status of a call whose other outputs are empty."""
    assert found["image"].size == found["next_state"].size == found["losses"].size == found["evaluations_made"] == 0
    return Status(int(found["status"]))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"content": CONTENT[:15]}, Status.TOO_SMALL),
        ({"style": STYLE[:, :15]}, Status.TOO_SMALL),
        ({"content": CONTENT[:0]}, Status.TOO_SMALL),
        ({"image_size": np.array([20])}, Status.TOO_SMALL),
        ({"image_size": np.array([-5])}, Status.BAD_SETTING),
        ({"image_size": np.array([2**40])}, Status.BAD_SETTING),
        ({"evaluations": np.array([0])}, Status.BAD_SETTING),
        ({"evaluations": np.array([2**24 + 1])}, Status.BAD_SETTING),
        ({"strength": np.float32([1.01])}, Status.BAD_SETTING),
        ({"strength": np.float32([math.nan])}, Status.BAD_SETTING),
        ({"passes": np.array([-1])}, Status.BAD_SETTING),
        ({"state": np.zeros(1, np.float32)}, Status.BAD_STATE),
        ({"state": np.full(100_000, math.nan, np.float32)}, Status.BAD_STATE),
    ],
)
def test_inputs_that_cannot_work_are_refused(call: Call, given: dict[str, Any], status: Status) -> None:
    assert refused(call(**given)) == status


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.01, 1.01])
@pytest.mark.parametrize("name", ["content", "style"])
def test_pixels_outside_their_range_are_refused(name: str, value: float, float_call: Call) -> None:
    given = {name: image.transpose(2, 0, 1)[None] / np.float32(255) for name, image in images().items()}
    given[name][0, 1, 3, 4] = value
    assert refused(float_call(**given)) == Status.BAD_IMAGE


@pytest.fixture(scope="module")
def float_call() -> Iterator[Call]:
    from support.tiny_vgg import use_tiny_vgg

    with use_tiny_vgg():
        yield session_of("float")


@pytest.mark.parametrize(
    "other",
    [
        {"content": CONTENT[:-1]},
        {"content": CONTENT // 2},
        {"style": STYLE // 2},
        {"strength": np.float32([0.6])},
        {"evaluations": np.array([13])},
        {"image_size": np.array([60])},
    ],
)
def test_a_state_of_another_run_is_refused(call: Call, other: dict[str, Any]) -> None:
    state = call(passes=np.array([5]))["next_state"]
    assert refused(call(**other, state=state)) == Status.BAD_STATE


@pytest.mark.parametrize("damage", ["shorter", "longer", "nan", "infinite"])
def test_a_damaged_state_is_refused(call: Call, damage: str) -> None:
    state = call(passes=np.array([5]))["next_state"]
    damaged = {
        "shorter": state[:-1],
        "longer": np.append(state, np.float32(0)),
        "nan": np.where(np.arange(state.size) == state.size // 2, np.float32(math.nan), state),
        "infinite": np.where(np.arange(state.size) == state.size - 1, np.float32(math.inf), state),
    }[damage]
    assert refused(call(state=damaged)) == Status.BAD_STATE


def test_the_graph_has_standard_operators_in_float32(tiny_vgg: None) -> None:
    config = TransferConfig(**OPTIONS)
    objective = objective_of(config.content_layers, config.style_layers, config.style_loss)
    model = build_painter(objective, config, 1.0)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    assert not model.functions
    assert onnx.TensorProto.DOUBLE not in set(element_types(model.graph))


def element_types(graph: onnx.GraphProto) -> Iterator[int]:
    """Yield the dtypes of constants and casts, also in the bodies of loops and branches."""
    yield from (value.data_type for value in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from element_types(attribute.g)
            if attribute.HasField("t"):
                yield attribute.t.data_type
            if attribute.name == "to":
                yield attribute.i
