"""The fused network against autograd through the plain one, and lower precisions against float64."""

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from core.arrays import Pixels, size_of
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize
from core.network.fused import FusedVGG
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.vjp import FeatureExtractor, forward_with_vjp
from core.network.weights import Weights, load_weights
from core.style_transfer import stylize
from core.styles import StyleExemplar
from support.images import EXAMPLES

TAPS = ("relu1_1", "conv2_1", "pool2", "relu3_1", "relu4_2", "relu5_1")


def tiny_extractor(pooling: str = "max", taps: tuple[str, ...] = TAPS) -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), taps, pooling=pooling)


def photograph(width: int, height: int) -> Tensor:
    """(1, 3, H, W) float32."""
    pixels = read_image(EXAMPLES / "content" / "coffee.jpg", name="content").pixels
    return torch.from_numpy(resize(pixels, (width, height)))


def gram_and_mean_loss(features: dict[str, Tensor]) -> Tensor:
    """A loss that depends on the Gram matrix and the mean of every tap."""
    losses = []
    for values in features.values():
        flat = values.float().flatten(2) if values.dtype.itemsize == 2 else values.flatten(2)
        losses.append((flat @ flat.mT / flat.shape[2]).square().mean() + flat.mean())
    return torch.stack(losses).sum()


def features_and_gradient(
    network: FeatureExtractor,
    image: Tensor,
    factor: float = 1.0,
    loss: Callable[[dict[str, Tensor]], Tensor] = gram_and_mean_loss,
    *,
    checkpoint_first_block: bool = False,
) -> tuple[dict[str, Tensor], Tensor]:
    """Features, and the gradient of `factor * loss` with the loss differentiated by autograd."""
    detached, vjp = forward_with_vjp(network, image, checkpoint_first_block=checkpoint_first_block)
    features = {tap: values.clone() for tap, values in detached.items()}
    leaves = {tap: values.clone().requires_grad_(True) for tap, values in features.items()}
    grads = torch.autograd.grad(factor * loss(leaves), [*leaves.values()], materialize_grads=True)
    by_tap = dict(zip(leaves, grads, strict=True))
    return features, vjp(lambda tap, _, grad: grad.add_(by_tap[tap]))


def difference(found: Tensor, expected: Tensor) -> float:
    """Relative L2 error."""
    distance = torch.linalg.norm(found.double() - expected.double()) / torch.linalg.norm(expected.double())
    return distance.item()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(32, 48), (37, 51)])
@pytest.mark.parametrize("taps", [TAPS, ("relu1_2", "relu2_2", "pool3", "relu4_1")])
def test_fused_vgg_equals_autograd(tiny_vgg: None, pooling: str, size: tuple[int, int], taps: tuple[str, ...]) -> None:
    plain = tiny_extractor(pooling, taps).double()
    image = photograph(*size).double()
    features, gradient = features_and_gradient(FusedVGG(plain, torch.float64), image)
    expected_features, expected_gradient = features_and_gradient(plain, image)
    assert list(features) == list(taps)
    for tap, expected in expected_features.items():
        assert difference(features[tap], expected) < 1e-14
    assert difference(gradient, expected_gradient) < 1e-13


@pytest.mark.parametrize("tap", ["conv2_1", "relu5_1"])
def test_fused_vgg_equals_autograd_if_the_loss_ignores_some_taps(tiny_vgg: None, tap: str) -> None:
    plain, image = tiny_extractor().double(), photograph(40, 32).double()
    (_, found), (_, expected) = (
        features_and_gradient(network, image, loss=lambda features: features[tap].square().sum())
        for network in (FusedVGG(plain, torch.float64), plain)
    )
    assert difference(found, expected) < 1e-13


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("taps", [TAPS, ("relu1_1", "relu1_2"), ("conv2_1",), ("pool1",)])
def test_checkpointing_does_not_change_features_and_gradient(
    tiny_vgg: None, taps: tuple[str, ...], dtype: torch.dtype
) -> None:
    network, image = FusedVGG(tiny_extractor(taps=taps), dtype), photograph(48, 32)
    features, gradient = features_and_gradient(network, image)
    checkpointed_features, checkpointed = features_and_gradient(network, image, checkpoint_first_block=True)
    assert list(features) == list(checkpointed_features)
    assert all(torch.equal(features[tap], checkpointed_features[tap]) for tap in taps)
    assert torch.equal(gradient, checkpointed)


def test_checkpointing_saves_no_activations_before_the_first_pooling(tiny_vgg: None) -> None:
    """In bfloat16: two layers of 8 channels, 2 bytes for each value."""
    network, image, saved = (
        FusedVGG(tiny_extractor(taps=("relu1_1", "relu2_1")), torch.bfloat16),
        photograph(48, 32),
        [],
    )
    for checkpoint_first_block in (False, True):
        vjp = network.forward_with_vjp(image, checkpoint_first_block=checkpoint_first_block)[1]
        alive = [found for found in gc.get_objects() if type(found) is Tensor and found.dtype == torch.bfloat16]
        saved.append(sum({found.data_ptr(): found.nbytes for found in alive}.values()))
        del vjp, alive
    assert saved[0] - saved[1] == 2 * 8 * 2 * 48 * 32


def test_activations_are_passed_to_save(tiny_vgg: None) -> None:
    """The outputs of all ReLUs up to the deepest tap."""
    saved: list[Tensor] = []

    def save(tensor: Tensor) -> Tensor:
        saved.append(tensor.clone())
        return saved[-1]

    network = FusedVGG(tiny_extractor(taps=("relu1_2", "relu2_1")), torch.float32)
    features, vjp = network.forward_with_vjp(photograph(48, 32), save=save)
    assert [tuple(tensor.shape) for tensor in saved] == [(1, 8, 32, 48), (1, 8, 32, 48), (1, 8, 16, 24)]
    assert torch.equal(features["relu2_1"], saved[2])
    saved[2].zero_()  # no gradient passes a ReLU whose saved output is zero
    gradient = vjp(lambda tap, features, grad: grad.add_(1) if tap == "relu2_1" else None)
    assert not gradient.any()


def test_vjp_can_be_called_once(tiny_vgg: None) -> None:
    features, vjp = FusedVGG(tiny_extractor(), torch.float32).forward_with_vjp(photograph(32, 32))
    assert list(features) == list(TAPS)
    gradient = vjp(lambda tap, features, grad: grad.add_(features))
    assert gradient.is_contiguous()
    assert gradient.abs().sum() > 0
    with pytest.raises(RuntimeError, match="compute the features again"):
        vjp(lambda tap, features, grad: None)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-4), (torch.bfloat16, 0.08), (torch.float16, 0.02)])
def test_lower_precisions_are_close_to_float64(dtype: torch.dtype, allowed: float, vgg19_weights: Weights) -> None:
    """With average pooling, since rounding can change the position of a maximum."""
    image, plain = photograph(96, 64), load_vgg_features(vgg19_weights, TAPS, pooling="average")
    features, gradient = features_and_gradient(FusedVGG(plain, dtype), image)
    exact_features, exact_gradient = features_and_gradient(plain.double(), image.double())
    assert gradient.dtype == torch.float32
    for tap, expected in exact_features.items():
        assert difference(features[tap], expected) < allowed / 4, tap
    assert difference(gradient, exact_gradient) < allowed


def test_bfloat16_does_not_round_the_image(vgg19_weights: Weights) -> None:
    """Only the output of the first layer is rounded, by at most half of the last of 8 bits."""
    plain = load_vgg_features(vgg19_weights, ("relu1_1",))
    image = photograph(64, 64) + 1e-3
    found = FusedVGG(plain, torch.bfloat16)(image)["relu1_1"]
    expected = plain.double()(image.double())["relu1_1"]
    large = expected > expected.max() / 16
    error = ((found.double() - expected).abs() / expected)[large]
    assert 0 < error.max() < 2**-8 + 2**-11


def test_float16_represents_small_gradients(tiny_vgg: None) -> None:
    image, network = photograph(48, 48), FusedVGG(tiny_extractor(), torch.float16)
    _, gradient = features_and_gradient(network, image)
    _, small = features_and_gradient(network, image, factor=2.0**-60)
    assert difference(small * 2.0**60, gradient) < 1e-3


@pytest.mark.slow
def test_a_run_in_bfloat16_reaches_the_loss_of_a_run_in_float32() -> None:
    """By the float32 objective of both results; the run is long enough for the effect of single steps to vanish."""
    paths = (EXAMPLES / "content" / "coffee.jpg", EXAMPLES / "style" / "night.jpg")
    shallow = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1,relu3_1"}
    one_scale = {"image_size": 48, "iterations": 60, "scales": 1, "padding": 0}
    config = TransferConfig(**shallow, **one_scale, device="cpu", precision="fp32")
    results: list[Pixels] = [
        quantize(stylize(*paths, config.with_options(precision=precision)).pixels) for precision in ("fp32", "bf16")
    ]
    size = size_of(results[0])
    content, style = (resize(read_image(path, name="image").pixels, size) for path in paths)
    backend = TorchBackend(config)
    objective = backend.objective(content, [StyleExemplar((style,))], backend.plan(size, size))
    single, half = (objective(torch.from_numpy(result)).loss for result in results)
    assert not np.array_equal(*results)
    assert half == pytest.approx(single, rel=0.01)
