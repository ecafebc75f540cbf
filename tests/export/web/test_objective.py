"""The objective of a page, in ONNX Runtime for Python."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from core.artifacts.content import content_state
from core.artifacts.manifest import read_manifest
from core.artifacts.onnx_session import open_session, run_session
from core.errors import StyleTransferError
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from core.objective.moments import mean_and_covariance, moments
from export.web.objective import add_target_outputs
from support.objectives import exported_objective


def test_add_target_outputs_computes_features_and_gram_matrices(
    vgg19_weights: Weights, shallow_objective: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(shallow_objective, kind="objective")
    targets = add_target_outputs(shallow_objective, tmp_path / "objective.onnx", manifest)
    assert targets["content"] == {"content/relu3_1": "statistics/content/relu3_1"}
    assert list(targets["style"]) == [f"gram/{tap}" for tap in manifest.style_taps]

    written = read_manifest(tmp_path / "objective.onnx")
    assert content_state(tmp_path / "objective.onnx", written) == "unchanged"
    assert written.outputs["statistics/gram/relu1_1"] == manifest.inputs["gram/relu1_1"]

    session = open_session(tmp_path / "objective.onnx", "cpu")
    image = np.random.default_rng(0).random((1, 3, 37, 42), dtype=np.float32)
    inputs = {value.name: value for value in session.get_inputs()}
    sides = {"height": 37, "width": 42, "height // 4": 9, "width // 4": 10}
    zeros = {
        name: np.zeros([sides.get(side, side) for side in value.shape], np.float32) for name, value in inputs.items()
    }
    names = [*targets["content"].values(), *targets["style"].values()]
    actual = run_session(session, names, zeros | {"image": image})

    features = load_vgg_features(vgg19_weights, manifest.taps)(torch.from_numpy(image))
    expected = [features[tap].numpy() for tap in manifest.content_taps]
    for tap in manifest.style_taps:
        flat = features[tap].flatten(2).double()
        expected.append((flat @ flat.mT / flat.shape[2]).numpy())
    for name, value in zip(names, expected, strict=True):
        assert np.linalg.norm(actual[name] - value) < 1e-5 * np.linalg.norm(value), name


def test_add_target_outputs_computes_moments(
    tmp_path_factory: pytest.TempPathFactory, vgg19_weights: Weights, tmp_path: Path
) -> None:
    objective = exported_objective(tmp_path_factory, style_loss="moments")
    manifest = read_manifest(objective, kind="objective")
    targets = add_target_outputs(objective, tmp_path / "objective.onnx", manifest)
    assert list(targets["style"]) == [f"moments/{tap}" for tap in manifest.style_taps]

    session = open_session(tmp_path / "objective.onnx", "cpu")
    image = np.random.default_rng(0).random((1, 3, 37, 42), dtype=np.float32)
    sides = {"height": 37, "width": 42, "height // 4": 9, "width // 4": 10}
    zeros = {
        value.name: np.zeros([sides.get(side, side) for side in value.shape], np.float32)
        for value in session.get_inputs()
    }
    actual = run_session(session, [*targets["style"].values()], zeros | {"image": image})
    features = load_vgg_features(vgg19_weights, manifest.taps)(torch.from_numpy(image))
    for tap in manifest.style_taps:
        mean, covariance = mean_and_covariance(moments(features[tap].double()))
        expected = torch.cat([covariance, mean[..., None]], 2).numpy()
        found = actual[f"statistics/moments/{tap}"]
        assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected), tap


def write_changed(
    objective: Path, path: Path, target: str, change: Callable[[onnx.NodeProto], list[onnx.NodeProto]]
) -> None:
    """Write an objective in which the subtraction of a target is replaced by the nodes that `change` returns."""
    model = onnx.load(objective)
    nodes = list(model.graph.node)
    (index,) = (i for i, node in enumerate(nodes) if node.op_type == "Sub" and node.input[1] == target)
    nodes[index : index + 1] = change(nodes[index])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def test_add_target_outputs_rejects_an_objective_with_a_loss_at_its_targets(
    shallow_objective: Path, tmp_path: Path
) -> None:
    """Here the graph adds a million to the difference of features and target."""

    def add_a_million(difference: onnx.NodeProto) -> list[onnx.NodeProto]:
        output = difference.output[0]
        difference.output[0] = "difference"
        offset = onnx.helper.make_node("Constant", [], ["offset"], value_float=1e6)
        return [difference, offset, onnx.helper.make_node("Add", ["difference", "offset"], [output])]

    write_changed(shallow_objective, tmp_path / "changed.onnx", "content/relu3_1", add_a_million)
    manifest = read_manifest(shallow_objective, kind="objective")
    with pytest.raises(StyleTransferError, match="at its own targets, expected 0: export the objective again"):
        add_target_outputs(tmp_path / "changed.onnx", tmp_path / "objective.onnx", manifest)


def test_add_target_outputs_rejects_a_graph_without_the_difference(shallow_objective: Path, tmp_path: Path) -> None:
    """Here another program has replaced a subtraction by the sum with the negative target."""

    def add_the_negative(difference: onnx.NodeProto) -> list[onnx.NodeProto]:
        minuend, target = difference.input
        negative = onnx.helper.make_node("Neg", [target], ["negative"])
        return [negative, onnx.helper.make_node("Add", [minuend, "negative"], [*difference.output])]

    write_changed(shallow_objective, tmp_path / "changed.onnx", "gram/relu2_1", add_the_negative)
    manifest = read_manifest(shallow_objective, kind="objective")
    with pytest.raises(StyleTransferError, match="does not subtract gram/relu2_1, so another program has changed it"):
        add_target_outputs(tmp_path / "changed.onnx", tmp_path / "objective.onnx", manifest)
    assert not (tmp_path / "objective.onnx").exists()
