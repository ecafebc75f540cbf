"""Formats by suffix, and manifests as tables."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.network.weights import load_weights
from export.command_line import check_outputs, format_of, manifest_table
from export.io_spec import extractor_inputs, extractor_outputs, flatten
from export.manifests import new_manifest
from export.options import ExportOptions


@pytest.mark.parametrize(
    ("name", "format"), [("e.pt", "torchscript"), ("e.ONNX", "onnx"), ("e.x.pt2", "pt2"), ("e.aoti.pt2", "aoti")]
)
def test_format_of_follows_the_suffix(name: str, format: str) -> None:
    assert format_of(Path(name)) == format


def test_format_of_refuses_other_suffixes() -> None:
    with pytest.raises(UsageError) as caught:
        format_of(Path("folder/e.model"))
    assert str(caught.value) == (
        "cannot infer the format from the name e.model: add --format, or end it in .onnx, .pt, .pt2, .aoti.pt2"
    )


@pytest.mark.parametrize("weights", ["e.onnx", "e.onnx.sha256"])
def test_check_outputs_protects_the_weights_from_the_artifact_and_its_checksum(weights: str, tmp_path: Path) -> None:
    (tmp_path / weights).touch()
    config = TransferConfig(weights=tmp_path / weights)
    with pytest.raises(UsageError, match=rf"refusing to overwrite .*{weights}"):
        check_outputs(tmp_path / "e.onnx", config)
    check_outputs(tmp_path / "other.onnx", config)


def test_manifest_table_omits_empty_fields(tiny_vgg: None) -> None:
    manifest = new_manifest(
        load_weights("vgg16", "torchvision"),
        kind="extractor",
        format="pt2",
        taps=("relu1_1", "relu2_1"),
        pooling="max",
        precision="fp32",
        options=ExportOptions(),
        inputs=flatten(extractor_inputs()),
        outputs=extractor_outputs("vgg16", ["relu1_1", "relu2_1"]),
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(manifest_table(Path("e.pt2"), manifest, "changed"))
    text = console.export_text()
    assert "relu1_1, relu2_1" in text
    assert "source: torchvision" in text
    assert "changed by another program since the export" in text
    for empty in ("opset", "content_taps", "parity"):
        assert empty not in text
