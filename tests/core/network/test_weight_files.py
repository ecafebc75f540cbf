"""Every file format returns the tensors it was written from; every failure is one sentence."""

import hashlib

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import StyleTransferError, UsageError
from core.network.weight_files import FORMATS
from core.network.weights import PREPROCESSINGS, load_weights
from support.weight_files import assert_same_weights, first_convolutions, rename, write_keras, write_onnx


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return first_convolutions()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize(
    "pattern",
    [
        "features.{index}.{key}",
        "module.features.{index}.{key}",
        "{index}.{key}",
        "block{block}_conv{position}.{key}",
        "conv{block}_{position}.{key}",
        "layers.conv{block}_{position}.{key}",
    ],
)
def test_names_of_torchvision_keras_and_caffe_are_read(suffix, pattern, state, tmp_path):
    path = tmp_path / f"vgg{suffix}"
    stored = {**rename(state, pattern), "classifier.0.weight": torch.full((4, 4), torch.nan)}
    save_file(stored, path) if suffix == ".safetensors" else torch.save(stored, path)

    weights = load_weights("vgg19", str(path), "torchvision")

    assert_same_weights(weights, state)
    assert weights.source == str(path)
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.preprocessing == PREPROCESSINGS["torchvision"]


@pytest.mark.parametrize("modern", [True, False])
def test_training_checkpoint_of_old_and_new_torch_is_read(modern, state, tmp_path):
    path = tmp_path / "vgg.PTH"
    stored = {"epoch": 3, "state_dict": rename(state, "features.{index}.{key}")}
    torch.save(stored, path, _use_new_zipfile_serialization=modern)

    assert_same_weights(load_weights("vgg19", str(path), "caffe"), state)


def test_safetensors_and_onnx_state_their_preprocessing(state, tmp_path):
    metadata = {"preprocessing": "caffe-rgb"}
    save_file(state, tmp_path / "vgg.safetensors", metadata)
    write_onnx(tmp_path / "vgg.onnx", state, metadata)

    for name in ("vgg.safetensors", "vgg.onnx"):
        assert load_weights("vgg19", str(tmp_path / name)).preprocessing.name == "caffe-rgb"


def test_onnx_convolutions_are_read_in_graph_order(state, tmp_path):
    path = write_onnx(tmp_path / "vgg.onnx", state)
    assert_same_weights(load_weights("vgg19", str(path), "torchvision"), state)


@pytest.mark.parametrize(
    "pattern",
    [
        "block{block}_conv{position}/block{block}_conv{position}_W_1:0"
        " block{block}_conv{position}/block{block}_conv{position}_b_1:0",
        "block{block}_conv{position}/block{block}_conv{position}/kernel:0"
        " block{block}_conv{position}/block{block}_conv{position}/bias:0",
        "model_weights/block{block}_conv{position}/kernel model_weights/block{block}_conv{position}/bias",
    ],
)
def test_keras_files_of_every_version_are_read(pattern, state, tmp_path):
    path = write_keras(tmp_path / "vgg.h5", state, pattern)
    with h5py.File(path, "a") as file:
        file["fc1/kernel:0"] = np.zeros((8, 8), np.float32)
        if pattern.startswith("model_weights"):
            file["optimizer_weights/block1_conv1/kernel"] = np.zeros((3, 3, 3, 64), np.float32)

    weights = load_weights("vgg19", str(path))

    assert weights.preprocessing == PREPROCESSINGS["caffe"]
    assert_same_weights(weights, state)


def test_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "vgg.caffemodel").touch()
    with pytest.raises(
        UsageError, match=r"unknown format of weight file .*vgg\.caffemodel: use one of \.safetensors, \.pth, \.pt"
    ):
        load_weights("vgg19", str(tmp_path / "vgg.caffemodel"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_file_is_an_error_of_one_line(suffix, tmp_path):
    path = tmp_path / f"vgg{suffix}"
    path.write_bytes(b"\x0b\xad" * 999)
    with pytest.raises(StyleTransferError, match=r"cannot read weight file .*vgg.*: it is damaged") as error:
        load_weights("vgg19", str(path))
    assert not isinstance(error.value, UsageError)
    assert "\n" not in str(error.value)


def test_truncated_file_is_an_error(state, tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(StyleTransferError, match="it is damaged"):
        load_weights("vgg19", str(path))


def test_pickled_model_is_not_executed(tmp_path):
    torch.save(torch.nn.Conv2d(3, 64, 3), tmp_path / "model.pth")
    with pytest.raises(StyleTransferError, match="its suffix does not match its format") as error:
        load_weights("vgg19", str(tmp_path / "model.pth"))
    assert "\n" not in str(error.value)
