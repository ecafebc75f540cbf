"""Weights are validated and brought to one form; a preprocessing is stated or requested."""

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import StyleTransferError, UsageError
from core.network.weights import PREPROCESSINGS, load_weights
from support.weight_files import assert_same_weights, first_convolutions, rename, write_keras


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return first_convolutions()


def test_activation_scale_is_the_scale_of_the_inputs():
    assert PREPROCESSINGS["torchvision"].activation_scale == 1
    assert PREPROCESSINGS["caffe"].activation_scale == pytest.approx(0.226 * 255)
    assert PREPROCESSINGS["caffe-rgb"].activation_scale == pytest.approx(0.226 * 255)


def test_caffe_preprocessings_subtract_the_same_color():
    bgr, rgb = PREPROCESSINGS["caffe"], PREPROCESSINGS["caffe-rgb"]
    assert (bgr.order, rgb.order) == ("BGR", "RGB")
    assert rgb.mean == pytest.approx(bgr.mean[::-1], abs=1 / 255)  # published rounded


def test_unknown_preprocessing_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown preprocessing 'imagenet': use caffe or caffe-rgb or torchvision"):
        load_weights("vgg19", preprocessing="imagenet")


def test_preprocessing_that_contradicts_the_source_is_an_error(tiny_vgg):
    assert load_weights("vgg19", preprocessing="caffe").preprocessing.name == "caffe"
    with pytest.raises(UsageError, match="oxford requires the preprocessing caffe, not torchvision"):
        load_weights("vgg19", preprocessing="torchvision")


def test_file_without_preprocessing_requires_the_option(state, tmp_path):
    torch.save(rename(state, "features.{index}.{key}"), tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="add --weights-preprocessing caffe or caffe-rgb or torchvision"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"))


def test_weights_do_not_share_memory_with_the_file(state, tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    weights = load_weights("vgg19", str(path), "caffe")

    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)

    assert_same_weights(weights, state)


def test_half_precision_is_converted_to_float32(state, tmp_path):
    halves = {name: tensor.half() for name, tensor in state.items()}
    save_file(halves, tmp_path / "vgg.safetensors")

    weights = load_weights("vgg19", str(tmp_path / "vgg.safetensors"), "caffe")

    assert_same_weights(weights, {name: tensor.float() for name, tensor in halves.items()})


def test_unknown_preprocessing_in_metadata_is_ignored(state, tmp_path):
    save_file(state, tmp_path / "vgg.safetensors", {"preprocessing": "resize to 224"})
    with pytest.raises(UsageError, match="--weights-preprocessing"):
        load_weights("vgg19", str(tmp_path / "vgg.safetensors"))
    assert load_weights("vgg19", str(tmp_path / "vgg.safetensors"), "caffe").preprocessing.name == "caffe"


def test_non_finite_values_are_an_error(state, tmp_path):
    state["conv1_2.bias"][5] = torch.nan
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(StyleTransferError, match=r"non-finite values in conv1_2\.bias"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe")


def test_weights_of_another_network_are_an_error(state, tmp_path):
    def refusal(stored):
        torch.save(stored, tmp_path / "vgg.pth")
        with pytest.raises(UsageError) as error:
            load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe")
        return str(error.value).removeprefix(f"{tmp_path / 'vgg.pth'} ")

    without = {key: tensor for key, tensor in state.items() if key != "conv1_2.weight"}
    assert refusal(without) == "lacks conv1_2.weight of vgg19: check that it is a vgg19"
    narrow = {**state, "conv1_2.weight": torch.zeros(32, 64, 3, 3)}
    assert refusal(narrow).startswith("has conv1_2.weight of shape (32, 64, 3, 3), expected (64, 64, 3, 3)")
    assert refusal({"fc.weight": torch.zeros(2, 2)}).startswith("contains no convolution of vgg19: expected names")
    assert refusal({"features.17.weight": torch.zeros(2)}).startswith("vgg19 has no convolution for features.17")


def test_keras_model_of_another_network_is_an_error(state, tmp_path):
    with h5py.File(write_keras(tmp_path / "vgg.h5", state), "a") as file:
        file["block3_conv4/kernel:0"] = np.zeros((3, 3, 256, 256), np.float32)
    with pytest.raises(UsageError, match="vgg16 has no convolution for block3_conv4/kernel:0"):
        load_weights("vgg16", str(tmp_path / "vgg.h5"))
