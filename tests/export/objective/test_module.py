"""The objective without autograd against autograd, in float64."""

import pytest

from core.config.style_losses import style_loss_names, style_loss_spec
from core.errors import UsageError
from core.network.weights import load_weights
from export.objective.module import ObjectiveModule
from export.objective.style_terms import STYLE_TERMS
from support.objectives import noise, reference_and_arguments, relative_difference

SIZES = [(16, 16), (32, 18), (33, 47), (17, 24)]
DEFAULTS = (("relu3_2", "relu4_2"), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"))
MIXED = (("conv2_2", "pool2"), ("conv1_1", "pool1", "conv2_2", "relu3_2", "pool3"))

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.mark.parametrize(
    ("source", "style_loss"), [("oxford", "gram"), ("torchvision", "gram"), ("torchvision", "nearest")]
)
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("taps", [DEFAULTS, MIXED], ids=["default", "mixed"])
def test_module_equals_autograd(taps: tuple, pooling: str, source: str, style_loss: str) -> None:
    module = ObjectiveModule(load_weights("vgg19", source), *taps, pooling, style_loss).double()
    for size in SIZES:
        reference, arguments = reference_and_arguments(module, noise(1, 3, *size))
        expected = reference(arguments[0])
        loss, gradient, *parts = module(*arguments)
        assert relative_difference(gradient, expected.gradient) < 1e-14
        assert loss.item() == pytest.approx(expected.loss, rel=1e-14)
        assert [part.item() for part in parts] == pytest.approx(list(expected.parts.values()), rel=1e-14)


@pytest.mark.parametrize("style_loss", ["gram", "nearest"])
def test_regions_equal_autograd(style_loss: str) -> None:
    module = ObjectiveModule(load_weights("vgg19"), *MIXED, "max", style_loss, regions=True).double()
    for size in SIZES:
        reference, arguments = reference_and_arguments(module, noise(1, 3, *size))
        assert {len(arguments[2][0]), len(arguments[4]), len(arguments[6][0])} == {3}
        expected = reference(arguments[0])
        loss, gradient, *parts = module(*arguments)
        assert relative_difference(gradient, expected.gradient) < 1e-14
        assert loss.item() == pytest.approx(expected.loss, rel=1e-14)
        assert [part.item() for part in parts] == pytest.approx(list(expected.parts.values()), rel=1e-14)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_module_equals_autograd_in_flat_areas(pooling: str) -> None:
    module = ObjectiveModule(load_weights("vgg19"), *DEFAULTS, pooling).double()
    image = noise(1, 3, 33, 40)
    image[..., 20:] = 1
    image[..., :16, :] = 0
    reference, arguments = reference_and_arguments(module, image)
    assert relative_difference(module(*arguments)[1], reference(image).gradient) < 1e-14


def test_every_exportable_style_loss_is_a_term() -> None:
    assert {name for name in style_loss_names() if style_loss_spec(name).exportable} == STYLE_TERMS.keys()
    with pytest.raises(UsageError) as caught:
        ObjectiveModule(load_weights("vgg19"), *DEFAULTS, "max", "wasserstein")
    assert str(caught.value) == ("an objective with the style loss wasserstein cannot be exported: use gram or nearest")


def test_module_returns_canonical_taps() -> None:
    module = ObjectiveModule(load_weights("vgg19"), ["conv_3_1"], ["relu1_1"], "max")
    assert (module.content_taps, module.style_taps) == (("relu3_1",), ("relu1_1",))
    assert [layer.name for layer in module.network_layers][-2:] == ["conv3_1", "relu3_1"]
