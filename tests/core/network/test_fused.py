"""The fused extractor against autograd through the plain one, and half precision against float64."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from core.objective.losses import gram, moments
from torch import Tensor

from core.backends.device import choose_precision
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize
from core.network.fused import FusedVGG
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.vjp import Features, forward_with_vjp
from core.network.weights import load_weights
from core.style_transfer import stylize
from support.images import EXAMPLES

if TYPE_CHECKING:
    from core.arrays import Pixels

TAPS = ("relu1_1", "conv2_1", "pool2", "relu3_1", "relu4_2", "relu5_1")
CPU = torch.device("cpu")


def extractor(pooling: str = "max", taps: tuple[str, ...] = TAPS) -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), taps, pooling=pooling)


def photograph(width: int, height: int) -> Tensor:
    """(1, 3, H, W) float32."""
    pixels = read_image(EXAMPLES / "content" / "coffee.jpg", name="content").pixels
    return torch.from_numpy(resize(pixels, (width, height)))


def pull(features: dict[str, Tensor]) -> Tensor:
    """A number that every tap's Gram matrix and mean has a share in."""
    return torch.stack([gram(tap).square().mean() + tap.float().mean() for tap in features.values()]).sum()


def features_and_gradient(
    network: Features,
    image: Tensor,
    factor: float = 1.0,
    judge: Callable[[dict[str, Tensor]], Tensor] = pull,
    *,
    checkpoint_first_block: bool = False,
) -> tuple[dict[str, Tensor], Tensor]:
    """What `record` finds, the features being judged by autograd."""
    recorded, vjp = forward_with_vjp(network, image, checkpoint_first_block=checkpoint_first_block)
    features = {tap: values.clone() for tap, values in recorded.items()}
    leaves = {tap: values.clone().requires_grad_(True) for tap, values in features.items()}
    pulls = torch.autograd.grad(factor * judge(leaves), [*leaves.values()], materialize_grads=True)
    by_tap = dict(zip(leaves, pulls, strict=True))
    return features, vjp(lambda tap, _, gradient: gradient.add_(by_tap[tap]))


def difference(found: Tensor, expected: Tensor) -> float:
    """Relative L2."""
    distance = torch.linalg.norm(found.double() - expected.double()) / torch.linalg.norm(expected.double())
    return distance.item()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(32, 48), (37, 51)])
@pytest.mark.parametrize("taps", [TAPS, ("relu1_2", "relu2_2", "pool3", "relu4_1")])
def test_it_computes_what_autograd_computes(pooling: str, size: tuple[int, int], taps: tuple[str, ...]) -> None:
    plain = extractor(pooling, taps).double()
    image = photograph(*size).double()
    features, gradient = features_and_gradient(FusedVGG(plain, torch.float64), image)
    expected_features, expected_gradient = features_and_gradient(plain, image)
    assert list(features) == list(taps)
    for tap, expected in expected_features.items():
        assert difference(features[tap], expected) < 1e-14
    assert difference(gradient, expected_gradient) < 1e-13


def test_where_maxima_were_is_found_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image = FusedVGG(extractor(), torch.float32), photograph(51, 37)
    expected = features_and_gradient(network, image)[1]
    monkeypatch.setattr(
        "core.network.fused_layers.VALUES_PER_CHUNK", 64 * 51 * 5
    )  # not even three of the windows' rows at the first pooling
    assert torch.equal(features_and_gradient(network, image)[1], expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("taps", [TAPS, ("relu1_1", "relu1_2"), ("conv2_1",), ("pool1",)])
def test_a_sparing_pass_gives_the_same(taps: tuple[str, ...], dtype: torch.dtype) -> None:
    network, image = FusedVGG(extractor(taps=taps), dtype), photograph(48, 32)
    features, gradient = features_and_gradient(network, image)
    spared_features, spared = features_and_gradient(network, image, checkpoint_first_block=True)
    assert list(features) == list(spared_features)
    assert all(torch.equal(features[tap], spared_features[tap]) for tap in taps)
    assert torch.equal(gradient, spared)


def test_a_sparing_pass_keeps_less() -> None:
    """The features up to the first pooling, 2 x 64 of 2 bytes for each pixel."""
    network, image, kept = (
        FusedVGG(extractor(taps=("relu1_1", "relu2_1")), torch.bfloat16),
        photograph(48, 32),
        [],
    )
    for checkpoint_first_block in (False, True):
        taken = network.forward_with_vjp(image, checkpoint_first_block=checkpoint_first_block)[1]
        alive = [found for found in gc.get_objects() if type(found) is Tensor and found.dtype == torch.bfloat16]
        kept.append(sum({found.data_ptr(): found.nbytes for found in alive}.values()))
        del taken, alive
    assert kept[0] - kept[1] == 2 * 64 * 2 * 48 * 32


@pytest.mark.parametrize("tap", ["conv2_1", "relu5_1"])
def test_taps_that_nothing_depends_on_pull_at_nothing(tap: str) -> None:
    plain, image = extractor().double(), photograph(40, 32).double()
    (_, found), (_, expected) = (
        features_and_gradient(network, image, judge=lambda features: features[tap].square().sum())
        for network in (FusedVGG(plain, torch.float64), plain)
    )
    assert difference(found, expected) < 1e-13


def test_the_way_back_is_taken_once() -> None:
    features, taken = FusedVGG(extractor(), torch.float32).forward_with_vjp(photograph(32, 32))
    assert list(features) == list(TAPS)
    gradient = taken(lambda tap, features, gradient: gradient.add_(features))
    assert gradient.is_contiguous()
    assert gradient.abs().sum() > 0
    with pytest.raises(RuntimeError, match="compute them again"):
        taken(lambda tap, features, gradient: None)


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-4), (torch.bfloat16, 0.08), (torch.float16, 0.02)])
def test_in_other_precisions(dtype: torch.dtype, allowed: float) -> None:
    """Averages have no ties or flips to let a rounding become a large difference."""
    image = photograph(96, 64)
    exact = features_and_gradient(extractor("average").double(), image.double())
    features, gradient = features_and_gradient(FusedVGG(extractor("average"), dtype), image)
    assert gradient.dtype == torch.float32
    for tap, expected in exact[0].items():
        assert difference(features[tap], expected) < allowed / 4, tap
    assert difference(gradient, exact[1]) < allowed


def test_pixels_are_not_rounded_to_half_precision() -> None:
    """Of the first layer only what comes out is, at most by half of the last of bfloat16's 8 bits."""
    plain = extractor(taps=("relu1_1",))
    image = photograph(64, 64) + 1e-3
    found = FusedVGG(plain, torch.bfloat16)(image)["relu1_1"]
    expected = plain.double()(image.double())["relu1_1"]
    large = expected > expected.max() / 16
    relative = ((found.double() - expected).abs() / expected)[large]
    assert 0 < relative.max() < 2**-8 + 2**-11


def test_gradients_below_what_float16_holds() -> None:
    image, network = photograph(48, 48), FusedVGG(extractor(), torch.float16)
    _, gradient = features_and_gradient(network, image)
    _, faint = features_and_gradient(network, image, factor=2.0**-60)
    assert difference(faint * 2.0**60, gradient) < 1e-3


@pytest.mark.parametrize("statistic", [gram, moments])
def test_statistics_of_half_precision_are_summed_in_float32(statistic: Callable[..., Tensor]) -> None:
    features = torch.rand((1, 8, 40, 50), generator=torch.Generator().manual_seed(0)).bfloat16()
    mask = torch.linspace(0, 2, 40 * 50).view(1, 1, 40, 50)
    for region in (None, mask):
        found = statistic(features, region)
        assert found.dtype == torch.float32
        assert difference(found, statistic(features.double(), None if region is None else region.double())) < 5e-3


def test_a_run_in_bfloat16_ends_where_one_in_float32_does() -> None:
    """By the float32 objective of what both deliver; long enough for the chance of single steps to have gone."""
    content, style = (EXAMPLES / "content" / "coffee.jpg", EXAMPLES / "style" / "night.jpg")
    config = TransferConfig(image_size=96, iterations=120, device="cpu", precision="fp32", scales=1)
    paintings: list[Pixels] = [
        quantize(stylize(content, style, config.with_options(precision=precision)).pixels, 8)
        for precision in ("fp32", "bf16")
    ]
    height, width = paintings[0].shape[2:]
    pictures = [resize(read_image(path, name="picture").pixels, (width, height)) for path in (content, style)]
    objective = TorchBackend(config).objective(*pictures)
    single, half = (objective(torch.from_numpy(painting)).loss for painting in paintings)
    assert not np.array_equal(*paintings)
    assert half == pytest.approx(single, rel=0.01)


def test_auto_takes_what_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision(TransferConfig(), CPU) == "fp32"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_precision(TransferConfig(), CPU) == "bf16"
    assert choose_precision(TransferConfig(precision="fp32"), CPU) == "fp32"
    for artifact in ({"extractor": "some.onnx"}, {"objective": "some.onnx"}):
        assert choose_precision(TransferConfig(**artifact), CPU) == "fp32"
    assert TorchBackend(TransferConfig(device="cpu")).describe()["precision"] == "bf16"


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    with pytest.raises(StyleTransferError, match="cpu cannot compute with --precision tf32: use auto or fp32"):
        choose_precision(TransferConfig(precision="tf32"), CPU)
    with pytest.raises(UsageError, match="artifacts compute in fp32"):
        TransferConfig(precision="bf16", extractor=str(tmp_path / "extractor.pt"))
