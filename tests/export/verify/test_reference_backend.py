"""The reference backend makes the runs of the PyTorch backend, in the precision of its network."""

from typing import Any

import numpy as np
import pytest
import torch

from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.style_transfer import stylize
from core.styles import StyleExemplar
from export.verify.reference_backend import ReferenceBackend

GENERATOR = np.random.default_rng(0)
CONTENT, STYLE, IMAGE = (GENERATOR.random((1, 3, *shape), dtype=np.float32) for shape in ((24, 33), (28, 36), (24, 33)))
TAPS = ("relu1_1", "relu2_1")
OPTIONS: dict[str, Any] = {"content_layers": "relu2_1", "style_layers": TAPS, "tv_weight": 2.0, "image_size": 33}
CONFIG = TransferConfig(**OPTIONS, device="cpu", precision="fp32", iterations=5)

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def backend_of(config: TransferConfig = CONFIG, dtype: torch.dtype = torch.float64) -> ReferenceBackend:
    weights = load_weights("vgg19")
    return ReferenceBackend(load_vgg_features(weights, TAPS).to(dtype), config, weights.preprocessing.activation_scale)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_run_equals_that_of_pytorch_and_records_every_loss(optimizer: str) -> None:
    config = CONFIG.with_options(optimizer=optimizer)
    content, style = (image[0].transpose(1, 2, 0) for image in (CONTENT, STYLE))
    backend = backend_of(config)
    found, expected = stylize(content, style, config, backend=backend), stylize(content, style, config)
    assert len(backend.losses) == found.losses[-1]["evaluations"] == 5
    best = np.minimum.accumulate(backend.losses)
    assert [best[step["evaluations"] - 1] for step in found.losses] == [step["loss"] for step in found.losses]
    assert [step["loss"] for step in found.losses] == pytest.approx(
        [step["loss"] for step in expected.losses], rel=1e-2
    )
    assert abs(found.pixels - expected.pixels).mean() < 1 / 255
    assert found.record["backend"] == {"name": "reference"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_objective_has_the_precision_of_the_network_and_weights_that_can_be_scaled(dtype: torch.dtype) -> None:
    backend, exemplars = backend_of(dtype=dtype), [StyleExemplar((STYLE,))]
    plan, image = backend.plan((33, 24), (36, 28)), backend.to_array(IMAGE)
    objective = backend.objective(CONTENT, exemplars, plan)
    found, scaled = objective(image), objective.scaled(content=0, style=3, tv=0.5)(image)
    assert found.gradient.dtype == image.dtype == dtype
    assert scaled.parts == pytest.approx(
        {"content": 0, "style": 3 * found.parts["style"], "tv": found.parts["tv"] / 2}, rel=1e-6
    )
    torch_backend = TorchBackend(CONFIG)
    expected = torch_backend.objective(CONTENT, exemplars, torch_backend.plan((33, 24), (36, 28)))
    assert dict(found.parts) == pytest.approx(dict(expected(torch.from_numpy(IMAGE)).parts), rel=1e-5)


def test_images_keep_their_values_as_arrays() -> None:
    backend = backend_of()
    np.testing.assert_array_equal(backend.to_pixels(backend.to_array(IMAGE)), IMAGE)
    assert backend.to_pixels(backend.to_array(IMAGE)).dtype == np.float32
