"""Every file format returns the tensors it was written from; every failure is one sentence."""

import hashlib
from zipfile import ZIP_DEFLATED

import h5py
import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from core.errors import StyleTransferError, UsageError
from core.network.weight_files import FORMATS
from core.network.weights import PREPROCESSINGS, load_weights
from support.archives import rewrite_archive
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


def write_hdf5_link(path, state, kind):
    """A Keras file that takes its weights, or one of them, from another file."""
    other = write_keras(path.with_name("other.h5"), state)
    raw = path.with_name("raw")
    raw.write_bytes(bytes(3 * 3 * 3 * 64 * 4))
    if kind == "root link":
        with h5py.File(path, "w") as file:
            file["model_weights"] = h5py.ExternalLink(other.name, "/")
        return
    write_keras(path, state)
    name = "block1_conv1/kernel:0"
    with h5py.File(path, "a") as file:
        del file[name]
        if kind == "external link":
            file[name] = h5py.ExternalLink(other.name, name)
        elif kind == "soft link":
            file[name] = h5py.SoftLink("/block1_conv2/kernel:0")
        elif kind == "external storage":
            file.create_dataset(name, (3, 3, 3, 64), "f4", external=[(str(raw), 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout((3, 3, 3, 64), "f4")
            layout[:] = h5py.VirtualSource(str(other), name, shape=(3, 3, 3, 64))
            file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("kind", ["root link", "external link", "soft link", "external storage", "virtual dataset"])
def test_keras_files_with_data_elsewhere_are_refused(kind, state, tmp_path):
    write_hdf5_link(tmp_path / "vgg.h5", state, kind)
    with pytest.raises(UsageError, match=r"vgg\.h5 refers to data in other files or under other names: use a file"):
        load_weights("vgg19", str(tmp_path / "vgg.h5"))


def test_onnx_weights_in_other_files_are_refused(state, tmp_path):
    model = onnx.load(write_onnx(tmp_path / "vgg.onnx", state))
    onnx.save(model, tmp_path / "vgg.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(UsageError, match=r"vgg\.onnx refers to data in other files"):
        load_weights("vgg19", str(tmp_path / "vgg.onnx"), "caffe")


def test_a_keras_tensor_that_is_not_stored_is_refused_unread(state, tmp_path):
    write_keras(tmp_path / "vgg.h5", state)
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        del file["block1_conv1/kernel:0"]
        file.create_dataset("block1_conv1/kernel:0", (2**20, 2**20), "f4", chunks=(2**10, 2**10))
    with pytest.raises(UsageError, match="stores almost nothing of block1_conv1/kernel:0"):
        load_weights("vgg19", str(tmp_path / "vgg.h5"))


def test_a_keras_tensor_larger_than_any_layer_is_refused_unread(state, tmp_path):
    write_keras(tmp_path / "vgg.h5", state)
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        del file["block1_conv1/kernel:0"]
        file["block1_conv1/kernel:0"] = np.zeros((2**10, 2**10, 3), np.int8)
    with pytest.raises(UsageError, match=r"block1_conv1/kernel:0 of shape \(1024, 1024, 3\), larger than any of VGG"):
        load_weights("vgg19", str(tmp_path / "vgg.h5"))


def test_an_onnx_file_of_more_than_two_gigabytes_is_refused_unread(tmp_path):
    with (tmp_path / "vgg.onnx").open("wb") as file:
        file.truncate(2**40)  # a sparse file that no memory holds
    with pytest.raises(UsageError, match=r"vgg\.onnx has 1099511627776 bytes, and an ONNX file has at most 2147483648"):
        load_weights("vgg19", str(tmp_path / "vgg.onnx"), "caffe")


def test_a_tensor_that_repeats_its_numbers_is_refused_before_it_is_copied(state, tmp_path):
    state["conv1_1.weight"] = torch.zeros(1).as_strided((2**20, 2**20, 3, 3), (0, 0, 0, 0))
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match=r"has conv1_1.weight of shape \(1048576, 1048576, 3, 3\), expected"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe")


@pytest.mark.parametrize(
    "tensor", [torch.zeros(64, 3, 3, 3).to_sparse(), torch.zeros((64, 3, 3, 3), dtype=torch.int32)]
)
def test_tensors_of_another_kind_are_refused(tensor, state, tmp_path):
    torch.save({**state, "conv1_1.weight": tensor}, tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match=r"has conv1_1.weight of type torch\.\w+, torch\.\w+: expected plain floats"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe")


def test_entries_without_a_name_are_ignored(state, tmp_path):
    torch.save({**state, ("conv1_1", "weight"): state["conv1_1.weight"], 5: 5}, tmp_path / "vgg.pth")
    assert_same_weights(load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe"), state)


def test_a_compressed_archive_is_refused(state, tmp_path):
    torch.save(state, tmp_path / "vgg.pth")
    path = rewrite_archive(tmp_path / "vgg.pth", tmp_path / "small.pth", lambda _, content: content, ZIP_DEFLATED)
    with pytest.raises(UsageError, match="has the compressed member"):
        load_weights("vgg19", str(path), "caffe")
