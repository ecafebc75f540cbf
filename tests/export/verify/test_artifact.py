"""Verification of an artifact on disk against the weights it was exported from, or others."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from core.artifacts.manifest import read_manifest
from core.errors import UsageError
from core.network.weights import load_weights
from export.extractor import export_extractor
from export.verify.artifact import verify_artifact

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def test_verify_artifact_uses_the_weights_it_was_exported_from(tmp_path: Path) -> None:
    file, path = tmp_path / "w.safetensors", tmp_path / "e.pt"
    state = {name: values for name, values in load_weights("vgg19").state.items() if name.startswith("conv1_1")}
    save_file(state, file, {"preprocessing": "caffe"})
    export_extractor(path, load_weights("vgg19", str(file)), ["relu1_1"], format="torchscript")
    assert read_manifest(path).weights["source"] == "w.safetensors"  # without the folder, whose name may be private
    assert verify_artifact(path).passed
    save_file({name: values + 1 for name, values in state.items()}, file, {"preprocessing": "caffe"})
    with pytest.raises(UsageError, match=f"^the weights in {file} differ from the weights that {path} was exported"):
        verify_artifact(path)
    assert not verify_artifact(path, against=str(file)).passed
    assert verify_artifact(path, against="oxford").passed
    file.unlink()
    with pytest.raises(UsageError, match=f"^{path} was exported from w.safetensors, which is not beside it: add"):
        verify_artifact(path)
