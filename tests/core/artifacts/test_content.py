"""The hash of a graph or a program: changes of what is computed show, changes of metadata do not."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.artifacts.content import content_sha256, content_state
from core.errors import UsageError
from support.manifests import MANIFEST

Change = Callable[[onnx.ModelProto], object]


def small_model() -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["z"]), helper.make_node("LeakyRelu", ["z"], ["y"], alpha=0.5)]
    weight = numpy_helper.from_array(np.arange(3, dtype=np.float32), "w")
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def hash_after(change: Change, folder: Path) -> str:
    model = small_model()
    change(model)
    onnx.save(model, folder / "e.onnx")
    return content_sha256(folder / "e.onnx")


def add_shapes(model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model)
    assert len(inferred.graph.value_info) == 1
    model.CopyFrom(inferred)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: helper.set_model_props(model, {"manifest": "{}"}),
        lambda model: setattr(model, "producer_name", "another program"),
        lambda model: setattr(model, "ir_version", 7),
        lambda model: setattr(model.graph, "doc_string", "text"),
        lambda model: setattr(model.graph.node[0], "name", "the first"),
        lambda model: setattr(model.graph.initializer[0], "doc_string", "text"),
        add_shapes,
    ],
)
def test_metadata_does_not_change_the_hash(change: Change, tmp_path: Path) -> None:
    assert hash_after(change, tmp_path) == hash_after(lambda model: None, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), "w")),
        lambda model: setattr(model.graph.node[0], "op_type", "Sub"),
        lambda model: setattr(model.graph.node[1].attribute[0], "f", 0.25),
        lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1),
        lambda model: setattr(model.opset_import[0], "version", 17),
        lambda model: model.graph.node.reverse(),
    ],
)
def test_every_change_of_the_graph_changes_the_hash(change: Change, tmp_path: Path) -> None:
    assert hash_after(change, tmp_path) != hash_after(lambda model: None, tmp_path)


@pytest.mark.parametrize("content", [b"\x0f", b"\x3a\x05ab", b"\xff" * 20, b"\x3a"])
def test_damaged_models_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is damaged or not an ONNX model: export it again"):
        content_sha256(path)


def write_archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_archive_is_hashed_without_its_manifest_and_root(tmp_path: Path) -> None:
    first = write_archive(tmp_path / "a", {"a/code": "1", "a/data": "2", "a/extra/manifest.json": "{}"})
    same = write_archive(
        tmp_path / "b", {"b/data": "2", "b/extra/manifest.json": "[]", "b/code": "1", "b/.data/serialization_id": "3"}
    )
    others = (
        {"c/code": "1", "c/data": "3"},
        {"c/code": "1", "c/date": "2"},
        {"c/code": "1", "c/data": "2", "c/extra/more": ""},
    )
    assert content_sha256(first) == content_sha256(same)
    for number, members in enumerate(others):
        assert content_sha256(write_archive(tmp_path / str(number), members)) != content_sha256(first)


def test_content_state(tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    onnx.save(small_model(), path)
    assert content_state(path, MANIFEST) == "unknown"
    assert content_state(path, replace(MANIFEST, content_sha256=content_sha256(path))) == "unchanged"
    assert content_state(path, replace(MANIFEST, content_sha256="00")) == "changed"
