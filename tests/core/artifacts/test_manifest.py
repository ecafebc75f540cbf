"""Manifests: what goes in comes out, from every kind of file, and whatever is no artifact is told so."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import onnx
import pytest

from core.artifacts.manifest import Manifest, checksum_path, metadata_props, read_manifest
from core.errors import UsageError
from core.files import sha256_of

MANIFEST = Manifest(
    kind="extractor",
    format="onnx",
    arch="vgg19",
    taps=("relu1_1", "relu4_2"),
    pooling="max",
    precision="fp32",
    weights={"source": "oxford", "sha256": "c347"},
    preprocessing="caffe",
    activation_scale=57.63,
    opset=18,
    inputs={"image": "float32 …"},
    outputs={"relu1_1": "float32 …", "relu4_2": "float32 …"},
    versions={"torch": "2.15"},
    parity={"features": {"relative_l2": 2.5e-7}},
)


def write_model(path: Path, manifest: Manifest | None = MANIFEST) -> Path:
    """A model with much in its graph and, behind it, the manifest."""
    tensor = onnx.helper.make_tensor("zeros", onnx.TensorProto.FLOAT, (500,), [0.0] * 500)
    model = onnx.helper.make_model(onnx.helper.make_graph([], "graph", [], [], [tensor]))
    onnx.helper.set_model_props(model, {"other": "entry"} | (metadata_props(manifest) if manifest else {}))
    onnx.save(model, path)
    return path


def write_archive(path: Path, manifest: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("name/data.pkl", b"\x80\x02" * 200)
        archive.writestr("name/extra/manifest.json", manifest)
    return path


def test_json_takes_everything_there_and_back() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


@pytest.mark.parametrize("format", ["onnx", "torchscript", "pt2"])
def test_a_manifest_is_read_back_from_a_file_of_each_format(format: str, tmp_path: Path) -> None:
    manifest = replace(MANIFEST, format=format)
    path = tmp_path / "file"
    if format == "onnx":
        write_model(path, manifest)
    else:
        write_archive(path, manifest.to_json())
    assert read_manifest(path) == manifest


def test_reading_one_imports_neither_torch_nor_onnx_nor_its_runtime(tmp_path: Path) -> None:
    write_model(tmp_path / "file")
    program = (
        "import sys; from core.artifacts.manifest import read_manifest; print(read_manifest(sys.argv[1]).arch)\n"
        "print(not {'torch', 'onnx', 'onnxruntime'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "file")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "vgg19\nTrue\n"


def test_another_program_finds_it_in_the_metadata_of_the_model(tmp_path: Path) -> None:
    model = onnx.load(write_model(tmp_path / "file"))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(entries["manifest"])["taps"] == ["relu1_1", "relu4_2"]
    assert entries["preprocessing"] == "caffe"


def refusal(path: Path, kind: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read_manifest(path, kind=kind)
    return str(caught.value).replace(str(path), "FILE")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x.onnx") == "there is no artifact 'FILE': write one with python -m export"


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\xff" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_model_at_all_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert refusal(path) in (
        "FILE carries no manifest: expected a file that python -m export wrote",
        "FILE is damaged or not complete: export it again",
    )


def test_a_model_of_another_program_is_told(tmp_path: Path) -> None:
    expected = "FILE carries no manifest: expected a file that python -m export wrote"
    assert refusal(write_model(tmp_path / "file", None)) == expected
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("name/data.pkl", b"")
    assert refusal(tmp_path / "zip") == expected


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("write", [write_model, lambda path: write_archive(path, MANIFEST.to_json())])
def test_a_truncated_file_is_told_wherever_it_ends(write, share: float, tmp_path: Path) -> None:
    path = write(tmp_path / "file")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert refusal(path) == "FILE is damaged or not complete: export it again"


def test_a_file_that_differs_from_its_checksum_is_told(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_text(f"{sha256_of(path)}  e.onnx\n")
    assert read_manifest(path) == MANIFEST
    content = bytearray(path.read_bytes())
    content[100] ^= 1  # a weight
    path.write_bytes(content)
    assert refusal(path) == (
        "FILE does not match its checksum in e.onnx.sha256: it was changed or is not complete, so export it again"
    )


def test_sha256sum_itself_accepts_the_checksum(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_text(f"{sha256_of(path)}  e.onnx\n")
    subprocess.run(["sha256sum", "--check", "--strict", "e.onnx.sha256"], cwd=tmp_path, check=True, capture_output=True)


def test_an_empty_checksum_does_not_match(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_bytes(b"")
    assert "does not match its checksum" in refusal(path)


def test_another_kind_is_told(tmp_path: Path) -> None:
    path = write_model(tmp_path / "file", replace(MANIFEST, kind="objective"))
    assert read_manifest(path, kind="objective").kind == "objective"
    assert refusal(path, kind="extractor") == (
        "FILE holds an objective, where an extractor was expected: write one with python -m export extractor"
    )


def test_a_manifest_of_another_format_is_told(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "file", MANIFEST.to_json())
    assert refusal(path) == "FILE is not the onnx that its manifest says: export it again"


def changed(**values: object) -> str:
    return json.dumps(asdict(MANIFEST) | values)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "the manifest in FILE is not a JSON object: export it again"),
        ("[1]", "the manifest in FILE is not a JSON object: export it again"),
        (
            changed(version=2),
            "the manifest in FILE has version 2 and this program reads version 1: export it again with this program",
        ),
        (changed(kind="web"), "the manifest in FILE says kind is 'web': export it again"),
        (changed(taps="relu1_1"), "the manifest in FILE says taps is 'relu1_1': export it again"),
        (changed(weights={}), "the manifest in FILE says weights is {}: export it again"),
        (changed(activation_scale=0), "the manifest in FILE says activation_scale is 0: export it again"),
        (changed(pooling=["max"]), "the manifest in FILE says pooling is ['max']: export it again"),
        ('{"version": 1, "kind": "extractor"}', "the manifest in FILE lacks format, arch, taps, "),
    ],
)
def test_a_manifest_that_makes_no_sense_is_told(text: str, sentence: str, tmp_path: Path) -> None:
    assert re.match(re.escape(sentence), refusal(write_archive(tmp_path / "file", text)))
