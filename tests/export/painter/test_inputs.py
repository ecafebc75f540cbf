"""The inputs of a painter as its graph uses them: images in both formats, defaults, and accepted ranges."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import pytest

from core.artifacts.painter import ImageFormat, Status
from core.config.transfer_config import TransferConfig
from export.graph.model import build_model
from export.graph.values import Value
from export.painter.inputs import MAX_COUNT, MAX_PASSES, PainterInputs, checksum, painter_inputs, painter_outputs
from support.graphs import computed

CONFIG = TransferConfig(image_size=300, iterations=77, strength=0.4, min_scale_size=16)
BYTES = np.random.default_rng(0).integers(0, 256, (2, 20, 31, 3), np.uint8)
FLOATS = BYTES.transpose(0, 3, 1, 2)[:, None].astype(np.float32) / np.float32(255)
EMPTY = {
    **{name: np.zeros(0, np.int64) for name in ("image_size", "evaluations", "passes")},
    **{name: np.zeros(0, np.float32) for name in ("strength", "state")},
}

Call = Callable[..., dict[str, Any]]


def call_of(
    build: Callable[[PainterInputs], Mapping[str, Value]],
    pixels: ImageFormat = "uint8",
    config: TransferConfig = CONFIG,
) -> Call:
    """Return a function that computes values of the inputs; settings that are not given are empty."""
    inputs = PainterInputs.of(config, pixels)
    built = build(inputs)
    # Outputs and inputs have different names.
    model = build_model(inputs.tensors, {f"found/{name}": value for name, value in built.items()})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def call(**given: Any) -> dict[str, Any]:
        content, style = BYTES if pixels == "uint8" else FLOATS
        feeds = {"content": content, "style": style, **EMPTY, **given}
        return dict(zip(built, session.run(None, {name: feeds[name] for name in names}), strict=True))

    return call


@pytest.mark.parametrize("pixels", ["uint8", "float"])
def test_images_in_both_formats_are_the_same_numbers_and_are_returned_unchanged(pixels: ImageFormat) -> None:
    found = call_of(
        lambda inputs: {
            "content": inputs.content,
            "style": inputs.style,
            "output": inputs.as_output(inputs.content),
            "sum": checksum(inputs.content),
        },
        pixels,
    )()
    np.testing.assert_array_equal(found["content"], FLOATS[0])
    np.testing.assert_array_equal(found["style"], FLOATS[1])
    np.testing.assert_array_equal(found["output"], BYTES[0] if pixels == "uint8" else FLOATS[0])
    assert found["sum"] == BYTES[0].sum(dtype=np.int64)


def settings_of(inputs: PainterInputs) -> dict[str, Value]:
    values = {
        "image_size": inputs.image_size,
        "evaluations": inputs.evaluations,
        "passes": inputs.max_network_passes,
        "strength": inputs.strength,
    }
    return {name: value for name, value in values.items() if value is not None}


def test_empty_settings_have_the_values_of_the_configuration() -> None:
    call = call_of(settings_of)
    expected = {"image_size": 300, "evaluations": 77, "passes": MAX_PASSES, "strength": np.float32(0.4)}
    assert call() == expected
    given = {"image_size": np.array([64]), "evaluations": np.array([5]), "passes": np.array([0])}
    assert call(**given) == {"image_size": 64, "evaluations": 5, "passes": 0, "strength": np.float32(0.4)}
    assert call(strength=np.float32([1])) == expected | {"strength": 1}


def test_fixed_weights_leave_no_strength_to_choose() -> None:
    config = CONFIG.with_options(strength=None, style_weight=1)
    names = [spec.name for spec in painter_inputs(config, "uint8")]
    assert names == ["content", "style", "image_size", "evaluations", "passes", "state"]
    assert set(call_of(settings_of, config=config)()) == {"image_size", "evaluations", "passes"}


@pytest.fixture(scope="module")
def status() -> Callable[..., Status]:
    call = call_of(lambda inputs: {"status": inputs.status(inputs.schedule(CONFIG))}, "float")
    return lambda **given: Status(int(call(**given)["status"]))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"evaluations": np.array([1])},
        {"evaluations": np.array([MAX_COUNT])},
        {"image_size": np.array([MAX_COUNT])},
        {"passes": np.array([0])},
        {"strength": np.float32([0])},
        {"strength": np.float32([1])},
        {"content": np.zeros((1, 3, 16, 16), np.float32), "style": np.ones((1, 3, 16, 16), np.float32)},
    ],
)
def test_the_ends_of_every_range_are_accepted(given: dict[str, Any], status: Callable[..., Status]) -> None:
    assert status(**given) == Status.RUNNING


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"evaluations": np.array([0]), "content": FLOATS[0] + 1}, Status.BAD_SETTING),
        ({"content": FLOATS[0][..., :15, :] + 1}, Status.TOO_SMALL),
        ({"style": np.nextafter(FLOATS[1] * 0 + 1, np.float32(2))}, Status.BAD_IMAGE),
    ],
)
def test_of_several_faults_the_first_to_correct_is_named(
    given: dict[str, Any], expected: Status, status: Callable[..., Status]
) -> None:
    assert status(**given) == expected


def test_checksums_stay_below_the_largest_exact_integer_and_see_every_pixel() -> None:
    white = np.ones((1, 3, 200, 200), np.float32)
    assert computed(checksum, white) == 255 * white.size % MAX_COUNT
    darker = white.copy()
    darker[0, 1, 77, 3] = 254 / 255
    assert computed(checksum, darker) == computed(checksum, white) - 1
    assert computed(checksum, white[..., :0]) == 0


def test_outputs_have_the_format_of_the_images() -> None:
    assert [painter_outputs(pixels)[0].dtype for pixels in ("uint8", "float")] == ["uint8", "float32"]
    assert [painter_outputs(pixels)[0].shape[-1] for pixels in ("uint8", "float")] == [3, "output_width"]
