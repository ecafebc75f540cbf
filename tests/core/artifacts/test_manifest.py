"""Manifests: round trip through every format, and refusal of other files."""

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

from core.artifacts.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    checksum_path,
    describe_shape,
    metadata_props,
    read_manifest,
)
from core.errors import UsageError
from core.files import sha256_of
from support.manifests import MANIFEST

NOT_A_MODEL = (
    f"FILE cannot be loaded by onnxruntime {onnxruntime.__version__}: it is damaged or not an ONNX model; "
    "export it again"
)


def write_model(path: Path, manifest: Manifest | None = MANIFEST) -> Path:
    """A model with an initializer of 2000 bytes and, after it, the manifest."""
    tensor = onnx.helper.make_tensor("zeros", onnx.TensorProto.FLOAT, (500,), [0.0] * 500)
    node = onnx.helper.make_node("Identity", ["zeros"], ["output"])
    output = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, (500,))
    graph = onnx.helper.make_graph([node], "graph", [], [output], [tensor])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {"other": "entry"} | (metadata_props(manifest) if manifest else {}))
    onnx.save(model, path)
    return path


def write_archive(path: Path, manifest: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("name/data.pkl", b"\x80\x02" * 200)
        archive.writestr("name/extra/manifest.json", manifest)
    return path


def test_from_json_restores_a_manifest() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_from_json_reads_versions_1_and_2() -> None:
    values = asdict(MANIFEST)
    del values["content_detail"]
    assert Manifest.from_json(json.dumps(values | {"version": 2})) == replace(MANIFEST, version=2)
    with pytest.raises(UsageError, match="lacks content_detail: export it again"):
        Manifest.from_json(json.dumps(values))
    added = ("license", "credit", "palette", "output_type", "batch", "size", "content_sha256")
    values = {name: value for name, value in values.items() if name not in added} | {"version": 1}
    assert Manifest.from_json(json.dumps(values)) == replace(MANIFEST, version=1)
    with pytest.raises(UsageError, match="lacks license, credit, palette, output_type, batch, size, content_sha256"):
        Manifest.from_json(json.dumps(values | {"version": 2}))


def test_describe_shape() -> None:
    assert describe_shape(MANIFEST) == "any size"
    assert describe_shape(replace(MANIFEST, batch=2)) == "any size, batch 2"
    assert describe_shape(replace(MANIFEST, batch=1, size=(48, 64))) == "48 x 64 pixels, batch 1"


@pytest.mark.parametrize("format", ["onnx", "torchscript", "pt2", "aoti"])
def test_read_manifest_supports_each_format(format: str, tmp_path: Path) -> None:
    manifest = replace(MANIFEST, format=format)
    path = tmp_path / "file"
    if format == "onnx":
        write_model(path, manifest)
    else:
        write_archive(path, manifest.to_json())
    assert read_manifest(path) == manifest


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_read_manifest_imports_no_torch(format: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if format == "onnx":
        write_model(path)
    else:
        write_archive(path, replace(MANIFEST, format=format).to_json())
    program = (
        "import sys; from core.artifacts.manifest import read_manifest; print(read_manifest(sys.argv[1]).arch)\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    imported = "['onnxruntime']" if format == "onnx" else "[]"
    assert ran.stdout == f"vgg19\n{imported}\n"


def test_metadata_props_are_entries_of_the_model(tmp_path: Path) -> None:
    model = onnx.load(write_model(tmp_path / "file"))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(entries["manifest"])["taps"] == ["relu1_1", "relu4_2"]
    assert entries["preprocessing"] == "caffe"


def refusal(path: Path, kind: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read_manifest(path, kind=kind)
    return str(caught.value).replace(str(path), "FILE")


def test_read_manifest_refuses_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x.onnx") == "there is no artifact 'FILE': write one with python -m export"


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\xff" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_read_manifest_refuses_other_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert refusal(path) == NOT_A_MODEL


def test_read_manifest_refuses_files_of_other_programs(tmp_path: Path) -> None:
    expected = "FILE carries no manifest: expected a file that python -m export wrote"
    assert refusal(write_model(tmp_path / "file", None)) == expected
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("name/data.pkl", b"")
    assert refusal(tmp_path / "zip") == expected


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_read_manifest_refuses_a_truncated_file(format: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if format == "onnx":
        write_model(path)
    else:
        write_archive(path, MANIFEST.to_json())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert refusal(path) == (NOT_A_MODEL if format == "onnx" else "FILE is damaged or incomplete: export it again")


def test_read_manifest_refuses_a_file_that_differs_from_its_checksum(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_text(f"{sha256_of(path)}  e.onnx\n")
    assert read_manifest(path) == MANIFEST
    content = bytearray(path.read_bytes())
    content[100] ^= 1  # a weight
    path.write_bytes(content)
    assert refusal(path) == (
        "FILE does not match its checksum in e.onnx.sha256: it was changed or is incomplete; export it again"
    )


def test_checksum_file_is_accepted_by_sha256sum(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_text(f"{sha256_of(path)}  e.onnx\n")
    subprocess.run(["sha256sum", "--check", "--strict", "e.onnx.sha256"], cwd=tmp_path, check=True, capture_output=True)


def test_read_manifest_refuses_an_empty_checksum_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    checksum_path(path).write_bytes(b"")
    assert "does not match its checksum" in refusal(path)


def test_read_manifest_reads_only_the_start_of_a_checksum_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    with checksum_path(path).open("w") as file:
        file.write(sha256_of(path))
        file.truncate(2**40)  # a sparse file that no memory holds
    assert read_manifest(path) == MANIFEST


def test_read_manifest_refuses_a_checksum_file_that_is_no_regular_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "e.onnx")
    os.mkfifo(checksum_path(path))
    assert refusal(path) == "checksum file FILE.sha256 is not a regular file but a FIFO: name a file"


def test_read_manifest_refuses_another_kind(tmp_path: Path) -> None:
    path = write_model(tmp_path / "file", replace(MANIFEST, kind="objective"))
    assert read_manifest(path, kind="objective").kind == "objective"
    assert refusal(path, kind="extractor") == (
        "FILE holds an objective, where an extractor was expected: write one with python -m export extractor"
    )


def test_read_manifest_refuses_a_manifest_of_another_format(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "file", MANIFEST.to_json())
    assert refusal(path) == "FILE is not a file of the format in its manifest, onnx: export it again"


def test_read_manifest_refuses_a_large_manifest(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("name/extra/manifest.json", b" " * (MAX_MANIFEST_BYTES + 1))
    assert refusal(tmp_path / "file") == "FILE has a manifest of 1048577 bytes: expected at most 1048576"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_read_manifest_refuses_a_compressed_member(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file", "w", method) as archive:
        archive.writestr("name/extra/manifest.json", MANIFEST.to_json())
    sentence = "FILE has the compressed member name/extra/manifest.json: write it again without compression"
    assert refusal(tmp_path / "file") == sentence


def test_read_manifest_refuses_a_damaged_member(tmp_path: Path) -> None:
    path, member = tmp_path / "file", "name/extra/manifest.json"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, MANIFEST.to_json())
    data = bytearray(path.read_bytes())
    start = 30 + len(member)
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    assert refusal(path) == "FILE is damaged or incomplete: export it again"


def changed(**values: object) -> str:
    return json.dumps(asdict(MANIFEST) | values)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "the manifest in FILE is not a JSON object: export it again"),
        ("[1]", "the manifest in FILE is not a JSON object: export it again"),
        (
            changed(version=4),
            "the manifest in FILE has version 4 and this program reads versions 1 to 3: export it again with this "
            "program",
        ),
        (
            changed(kind="web"),
            "the manifest in FILE is invalid: Invalid enum value 'web' - at `$.kind`; export it again",
        ),
        (changed(arch="vgg11"), "the manifest in FILE is invalid: Invalid enum value 'vgg11' - at `$.arch`"),
        (changed(taps="relu1_1"), "the manifest in FILE is invalid: Expected `array`, got `str` - at `$.taps`"),
        (changed(taps=[]), "the manifest in FILE is invalid: Expected `array` of length >= 1 - at `$.taps`"),
        (changed(taps=["relu9_1"]), "the manifest in FILE is invalid: there is no layer 'relu9_1' in vgg19"),
        (changed(taps=["r" * 10**6]), "the manifest in FILE is invalid: Expected `str` of length <= 20"),
        (changed(weights={}), "the manifest in FILE is invalid: weights lack source or sha256; export it again"),
        (changed(weights={"source": 5}), "the manifest in FILE is invalid: Expected `str`, got `int` - at `$.weights"),
        (changed(activation_scale=0), "the manifest in FILE is invalid: Expected `float` >= 0.001"),
        (changed(activation_scale=1e300), "the manifest in FILE is invalid: Expected `float` <= 1000.0"),
        (changed(activation_scale=float("nan")), "the manifest in FILE is invalid: Expected `float` >= 0.001"),
        (changed(size=[0, 16]), "the manifest in FILE is invalid: Expected `int` >= 1 - at `$.size"),
        (changed(batch=10**9), "the manifest in FILE is invalid: Expected `int` <= 65536 - at `$.batch`"),
        (changed(opset=True), "the manifest in FILE is invalid: Expected `int | null`, got `bool`"),
        (changed(parity={"features": {"max_abs": []}}), "the manifest in FILE is invalid: Expected `float`"),
        (changed(pooling=["max"]), "the manifest in FILE is invalid: Expected `str`, got `array` - at `$.pooling`"),
        ("[" * 100_000, "the manifest in FILE is not a JSON object: export it again"),
        (changed(version="9" * 1000), "the manifest in FILE has version '9999999999999999999 and this program reads"),
        ('{"version": 1, "kind": "extractor"}', "the manifest in FILE lacks format, arch, taps, "),
    ],
)
def test_read_manifest_refuses_an_invalid_manifest(text: str, sentence: str, tmp_path: Path) -> None:
    assert re.match(re.escape(sentence), refusal(write_archive(tmp_path / "file", text)))
