"""ONNX models of extractors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from core.artifacts.extractors import open_extractor
from core.artifacts.manifest import read_manifest
from core.errors import StyleTransferError, UsageError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights, load_weights
from export.extractor import export_extractor
from export.formats.onnx_graph import finish
from export.graph.model import InputValues, build_model
from export.graph.network import GraphNetwork
from export.io_spec import TensorSpec, extractor_inputs, extractor_outputs
from export.options import ExportOptions
from support.tiny_vgg import use_tiny_vgg

Exported = Callable[..., Path]
TAPS = ("relu1_1", "relu2_1", "relu3_1")


def test_model_is_one_file_of_standard_operators(exported: Exported) -> None:
    model = onnx.load(exported("onnx"), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def sides(value: onnx.ValueInfoProto) -> list[str | int]:
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]


def test_model_names_its_axes_and_outputs(exported: Exported) -> None:
    graph = onnx.load(exported("onnx"), load_external_data=False).graph
    assert sides(graph.input[0]) == ["batch", 3, "height", "width"]
    assert [output.name for output in graph.output] == list(TAPS)
    assert sides(graph.output[2]) == ["batch", 256, "height // 4", "width // 4"]


def test_model_runs_in_old_runtimes_and_names_its_nodes(exported: Exported) -> None:
    model = onnx.load(exported("onnx"), load_external_data=False)
    assert model.ir_version == 8
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert not model.graph.value_info


def test_pooling_does_not_compute_indices(exported: Exported) -> None:
    pools = [node for node in onnx.load(exported("onnx")).graph.node if node.op_type == "MaxPool"]
    assert [len(node.output) for node in pools] == [1, 1]


@pytest.fixture(scope="module")
def built() -> tuple[VGGFeatures, onnx.ModelProto]:
    """A small extractor and its model before `finish`, which changes it: copy it."""
    with use_tiny_vgg():
        extractor = load_vgg_features(load_weights("vgg19"), TAPS)
        network, inputs = GraphNetwork(extractor), InputValues(extractor_inputs())
        features = network.features(**inputs.arguments)
        return extractor, build_model(inputs.by_name, {tap: features[tap] for tap in TAPS}, network.initializers)


def finished(built: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(built)
    with use_tiny_vgg():
        outputs = extractor_outputs("vgg19", TAPS)
        return finish(copied, extractor_inputs(), outputs, ExportOptions(**options), palette=False)


@pytest.mark.parametrize("opset", [18, 19, 21, 23, 25, onnx.defs.onnx_opset_version()])
def test_finished_model_has_the_opset_and_computes_the_same(opset: int, built: Any) -> None:
    extractor, model = built
    converted = finished(model, opset=opset)
    onnx.checker.check_model(converted, full_check=True)
    assert [(entry.domain, entry.version) for entry in converted.opset_import] == [("", opset)]
    assert converted.ir_version == max(8, onnx.helper.find_min_ir_version_for([*converted.opset_import]))
    image = torch.rand((1, 3, 18, 21), generator=torch.Generator().manual_seed(0))
    found = ReferenceEvaluator(converted).run(None, {"image": image.numpy()})
    for features, tap in zip(found, TAPS, strict=True):
        np.testing.assert_allclose(features, extractor(image)[tap], rtol=1e-4, atol=1e-3)


def test_finish_names_the_nodes_of_nested_graphs() -> None:
    scalar = [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in "xyz"]
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "body", [], scalar[2:])
    condition = helper.make_tensor("condition", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=body, else_branch=body)
    graph = helper.make_graph([node], "graph", scalar[:1], scalar[1:2], [condition])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    specs = [TensorSpec(name, ()) for name in "xy"]
    found = finish(model, {"x": specs[0]}, specs[1:], ExportOptions(), palette=False).graph.node[0]
    assert [found.name, *(branch.g.node[0].name for branch in found.attribute)] == ["If_0", "Neg_1", "Neg_2"]


def test_opset_that_the_runtime_cannot_verify_is_refused(
    tmp_path: Path, tiny_vgg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = onnx.defs.onnx_opset_version()
    path = tmp_path / "e.onnx"

    def cannot_load(*arguments: object, **options: object) -> None:
        raise RuntimeError(f"Opset {newest} is under development")

    monkeypatch.setattr(onnxruntime, "InferenceSession", cannot_load)
    with pytest.raises(UsageError) as caught:
        export_extractor(path, load_weights("vgg19"), ["relu1_1"], format="onnx", options=ExportOptions(opset=newest))
    assert str(caught.value) == (
        f"{path} needs a newer ONNX opset than onnxruntime {onnxruntime.__version__} supports: "
        "update onnxruntime, or export it with a lower --opset"
    )
    assert list(tmp_path.iterdir()) == []


def test_fixed_size_and_batch_make_every_shape_static(tmp_path: Path, tiny_vgg: None) -> None:
    path, weights = tmp_path / "e.onnx", load_weights("vgg19")
    export_extractor(path, weights, TAPS, format="onnx", options=ExportOptions(size=(18, 33), batch=2))
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    assert sides(model.graph.input[0]) == [2, 3, 18, 33]
    assert sides(model.graph.output[2]) == [2, 12, 4, 8]
    assert all(isinstance(side, int) for value in model.graph.value_info for side in sides(value))
    manifest = read_manifest(path)
    assert (manifest.size, manifest.batch) == ((18, 33), 2)
    assert manifest.inputs["image"] == "float32 (2, 3, 18, 33), RGB in [0, 1]"
    extractor = open_extractor(path, "cpu")
    assert extractor(np.zeros((2, 3, 18, 33), np.float32))["relu2_1"].shape == (2, 8, 9, 16)
    with pytest.raises(StyleTransferError, match=r"^ONNX Runtime failed with image \(1, 3, 18, 33\)"):
        extractor(np.zeros((1, 3, 18, 33), np.float32))


def test_palette_stores_an_extractor_in_a_quarter_of_the_size(
    exported: Exported, tmp_path: Path, vgg19_weights: Weights
) -> None:
    path = tmp_path / "e.onnx"
    manifest = export_extractor(path, vgg19_weights, TAPS, format="onnx", options=ExportOptions(palette=True))
    assert manifest.palette
    assert not read_manifest(exported("onnx")).palette
    assert path.stat().st_size < 0.3 * exported("onnx").stat().st_size
    image = np.random.default_rng(0).random((1, 3, 32, 40), dtype=np.float32)
    found, expected = (open_extractor(file, "cpu")(image) for file in (path, exported("onnx")))
    for tap in TAPS:
        np.testing.assert_array_equal(found[tap], expected[tap])
    loaded = load_weights("vgg19", str(path))
    assert all(torch.equal(values, vgg19_weights.state[name]) for name, values in loaded.state.items())


def test_model_is_a_source_of_weights_with_their_preprocessing(exported: Exported, vgg19_weights: Weights) -> None:
    loaded = load_weights("vgg19", str(exported("onnx")))
    assert loaded.preprocessing == vgg19_weights.preprocessing
    assert all(torch.equal(values, vgg19_weights.state[name]) for name, values in loaded.state.items())
