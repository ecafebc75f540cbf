"""The extractor against the networks of torchvision and against convolutions in float64."""

import io

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from core.errors import UsageError
from core.network.architecture import layers
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import PREPROCESSINGS, Preprocessing, Weights, load_weights
from export.extractor import export_extractor

CAFFE = PREPROCESSINGS["caffe"]
PLAIN = Preprocessing("plain", "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def random_image(height=32, width=35):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def random_weights(preprocessing=PLAIN, last="conv2_1"):
    """Weights of VGG-19 up to `last`, scaled (He et al. 2015) so that activations keep their size."""
    generator = torch.Generator().manual_seed(2)
    state = {}
    for layer in layers("vgg19"):
        if layer.kind == "conv":
            shape = (layer.out_channels, layer.in_channels, 3, 3)
            spread = (2 / (9 * layer.in_channels)) ** 0.5
            state[f"{layer.name}.weight"] = torch.randn(shape, generator=generator) * spread
            state[f"{layer.name}.bias"] = torch.randn(layer.out_channels, generator=generator) * 0.1
        if layer.name == last:
            break
    return Weights("vgg19", "random", "", preprocessing, state)


@pytest.mark.parametrize(("arch", "table"), [("vgg16", "D"), ("vgg19", "E")])
def test_every_layer_equals_that_of_torchvision(arch, table, tmp_path):
    from torchvision.models import get_weight  # slow, so only in the process that needs it
    from torchvision.models import vgg as torchvision_vgg
    from torchvision.transforms.functional import normalize

    torch.manual_seed(0)
    features = torchvision_vgg.make_layers(torchvision_vgg.cfgs[table])
    torch.save(nn.ModuleDict({"features": features}).state_dict(), tmp_path / "vgg.pth")
    weights = load_weights(arch, str(tmp_path / "vgg.pth"), "torchvision")
    taps = [layer.name for layer in layers(arch)]

    captured = load_vgg_features(weights, taps)(random_image())

    transforms = get_weight(f"{arch.upper()}_Weights.IMAGENET1K_V1").transforms()
    expected = normalize(random_image(), transforms.mean, transforms.std)
    assert list(captured) == taps
    with torch.no_grad():
        for tap, module in zip(taps, features, strict=True):
            expected = module(expected.clone())  # torchvision's ReLU would overwrite it
            assert torch.equal(captured[tap], expected), tap


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_oxford_features_equal_their_definition_in_float64(pooling, vgg19_weights):
    weights = vgg19_weights
    taps = ["relu1_1", "conv3_1", "pool3", "relu4_2", "relu5_1"]

    captured = load_vgg_features(weights, taps, pooling=pooling)(random_image(64, 50))

    red, green, blue = (255 * random_image(64, 50).double()).unbind(1)
    features = torch.stack([blue - 103.939, green - 116.779, red - 123.68], 1)
    pool = functional.max_pool2d if pooling == "max" else functional.avg_pool2d
    for name in (layer.name for layer in layers("vgg19") if layer.stride <= 16):
        if name.startswith("conv"):
            kernel, bias = (weights.state[f"{name}.{key}"].double() for key in ("weight", "bias"))
            features = functional.conv2d(features, kernel, bias, padding=1)
        else:
            features = features.clamp(min=0) if name.startswith("relu") else pool(features, 2)
        if name in taps:
            assert captured[name].isfinite().all()
            assert (captured[name] - features).norm() < 1e-5 * features.norm(), name


def test_preprocessing_swaps_subtracts_and_divides():
    weights = random_weights(Preprocessing("odd", "BGR", (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)), "conv1_1")
    weights.state["conv1_1.weight"].zero_()
    for channel in range(3):  # the first three outputs are the network's inputs
        weights.state["conv1_1.weight"][channel, channel, 1, 1] = 1
    weights.state["conv1_1.bias"].zero_()
    red, green, blue = 0.9, 0.6, 0.4
    image = torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 16, 16)

    inputs = load_vgg_features(weights, ["conv1_1"])(image)["conv1_1"][0, :3, 8, 8]

    torch.testing.assert_close(inputs, torch.tensor([0.3 / 0.5, 0.4 / 0.25, 0.6 / 0.125]))


def test_caffe_features_scale_with_inputs_of_0_to_255():
    unit = load_vgg_features(random_weights(PLAIN), ["relu2_1"])
    weights = random_weights(CAFFE)
    for key in weights.state:
        weights.state[key] = weights.state[key] * (255 if key.endswith("bias") else 1)
    image = random_image()
    shifted = image.flip(1) - torch.tensor(CAFFE.mean).view(1, 3, 1, 1)

    caffe = load_vgg_features(weights, ["relu2_1"])(image)["relu2_1"]

    torch.testing.assert_close(caffe, 255 * unit(shifted)["relu2_1"], rtol=1e-4, atol=1e-2)


def test_average_pooling_is_the_mean_of_four_values():
    extractor = load_vgg_features(random_weights(), ["relu1_2", "pool1"], pooling="average")

    captured = extractor(random_image(33, 36))

    four = captured["relu1_2"][:, :, :32].unflatten(2, (16, 2)).unflatten(4, (18, 2))
    torch.testing.assert_close(captured["pool1"], four.mean(dim=(3, 5)))


def test_taps_are_unique_in_network_order_and_end_the_network():
    extractor = load_vgg_features(random_weights(), ["conv_2_1", "relu1_1", "relu2_1", "pool1"])

    assert extractor.taps == ("relu1_1", "pool1", "relu2_1")
    assert (extractor.arch, extractor.pooling) == ("vgg19", "max")
    assert list(extractor.layers)[-1] == "relu2_1"
    assert list(extractor.state_dict()) == [
        f"layers.{conv}.{key}" for conv in ("conv1_1", "conv1_2", "conv2_1") for key in ("weight", "bias")
    ]
    assert list(extractor(random_image())) == list(extractor.taps)


def test_gradient_reaches_the_image_but_not_the_weights():
    extractor = load_vgg_features(random_weights(CAFFE), ["relu2_1"])
    image = random_image().requires_grad_()

    extractor(image)["relu2_1"].sum().backward()

    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert not extractor.training
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_gradient_equals_finite_differences():
    extractor = load_vgg_features(random_weights(CAFFE), ["conv2_1"], pooling="average").double()
    image = random_image(16, 16).double()

    def loss(pixels):
        return extractor(pixels)["conv2_1"].square().mean()

    (gradient,) = torch.autograd.grad(loss(image.requires_grad_()), image)
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    with torch.no_grad():
        slope = (loss(image + 1e-7 * direction) - loss(image - 1e-7 * direction)) / 2e-7
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=0)


def test_features_of_a_tap_are_not_overwritten_by_the_next_layer():
    together = load_vgg_features(random_weights(), ["conv1_1", "relu1_1"])(random_image())
    alone = load_vgg_features(random_weights(), ["conv1_1"])(random_image())

    assert torch.equal(together["conv1_1"], alone["conv1_1"])
    assert alone["conv1_1"].min() < 0


def test_loading_does_not_advance_the_random_state():
    before = torch.get_rng_state()
    load_vgg_features(random_weights(), ["relu1_1"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_scripted_and_reloaded_module_equals_eager(pooling):
    extractor = load_vgg_features(random_weights(CAFFE), ["relu1_1", "relu2_1"], pooling=pooling)
    file = io.BytesIO()
    scripted = torch.jit.script(extractor)
    assert (scripted.arch, scripted.taps, scripted.pooling) == ("vgg19", extractor.taps, pooling)
    torch.jit.save(torch.jit.freeze(scripted), file)
    file.seek(0)
    reloaded = torch.jit.load(file)

    for size in ((16, 16), (33, 47)):
        image = random_image(*size).requires_grad_()
        eager, other = extractor(image), reloaded(image)
        assert list(other) == list(eager)
        assert all(torch.equal(other[tap], eager[tap]) for tap in eager)
        gradients = [torch.autograd.grad(features["relu2_1"].square().sum(), image)[0] for features in (eager, other)]
        assert torch.equal(*gradients)


def test_an_onnx_file_of_another_program_is_a_source_of_weights(tmp_path):
    """Exporters rename the initializers, and only this one adds a manifest."""
    weights, path = random_weights(CAFFE), tmp_path / "extractor.onnx"
    export_extractor(path, weights, ["relu1_1", "relu2_1"], format="onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    names = {stored.name: f"tensor_{number}" for number, stored in enumerate(model.graph.initializer)}
    for stored in model.graph.initializer:
        stored.name = names[stored.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(model, path)

    again = load_weights("vgg19", str(path), "caffe")

    assert again.state.keys() == weights.state.keys()
    assert all(torch.equal(values, weights.state[key]) for key, values in again.state.items())


def test_weights_that_end_before_the_deepest_tap_are_an_error():
    with pytest.raises(UsageError, match=r"random lack conv2_2.weight, which relu3_1 requires"):
        load_vgg_features(random_weights(), ["relu3_1", "relu1_1"])


def test_unknown_pooling_is_an_error():
    with pytest.raises(UsageError, match="unknown pooling 'avg': use max or average"):
        VGGFeatures("vgg19", ["relu1_1"], "avg", PLAIN)
