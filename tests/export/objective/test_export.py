"""Exported objectives: equal to autograd, standard, small, and only written if verified."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.artifacts.manifest import read_manifest
from core.artifacts.onnx_session import open_session
from core.backends.onnx_backend import OnnxObjective
from core.backends.onnx_targets import StyleTargets
from core.errors import StyleTransferError, UsageError
from core.network.vgg import load_vgg_features
from core.network.weights import Weights, load_weights
from core.objective.content import detail_mask
from core.objective.reference import ReferenceObjective
from core.objective.types import StyleTarget, Targets
from export.objective import export
from export.objective.export import export_objective
from export.objective.graph import ObjectiveGraph
from export.verify.objective import distance_from_nondifferentiability, verify_objective
from support.objectives import (
    CONTENT_TAPS,
    STYLE_TAPS,
    exported_objective,
    loss_weights,
    noise,
    reference_and_arguments,
    relative_difference,
)

SIZES = [(16, 16), (32, 18), (33, 47), (17, 24)]


def read(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None].contiguous()


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_artifact_equals_autograd(
    tmp_path_factory: pytest.TempPathFactory, content_path: Path, style_path: Path, vgg19_weights: Weights, pooling: str
) -> None:
    path = exported_objective(tmp_path_factory, pooling)
    session, manifest = open_session(path, "cpu"), read_manifest(path, kind="objective")
    objective = ObjectiveGraph(vgg19_weights, CONTENT_TAPS, STYLE_TAPS, pooling)
    exact = load_vgg_features(vgg19_weights, [*CONTENT_TAPS, *STYLE_TAPS], pooling=pooling).double()
    weights = loss_weights(CONTENT_TAPS, STYLE_TAPS)
    samples: list[tuple[Tensor, Tensor | None]] = [(noise(1, 3, *size).float(), None) for size in SIZES]
    samples.append((read(content_path), read(style_path)))
    differentiable = 0
    for image, style in samples:
        _, (_, content, grams, *_) = reference_and_arguments(objective, image, style=style)
        graph_content, graph_styles = (
            {tap: target.numpy() for tap, target in zip(taps, values, strict=True)}
            for taps, values in ((CONTENT_TAPS, content), (STYLE_TAPS, grams))
        )
        targets = StyleTargets(graph_styles, {}, np.ones(1, np.float32), {})
        actual = OnnxObjective(session, manifest, graph_content, targets, weights)(image.numpy())
        exact_targets = Targets(
            {tap: values.double() for tap, values in zip(CONTENT_TAPS, content, strict=True)},
            (StyleTarget({tap: values.double() for tap, values in zip(STYLE_TAPS, grams, strict=True)}),),
            content_masks={
                tap: detail_mask(values.double(), manifest.content_detail)
                for tap, values in zip(CONTENT_TAPS, content, strict=True)
            },
        )
        expected = ReferenceObjective(exact, exact_targets, weights)(image.double())
        assert actual.loss == pytest.approx(expected.loss, rel=1e-6)
        assert actual.parts == pytest.approx(dict(expected.parts), rel=1e-6)
        is_differentiable = distance_from_nondifferentiability(exact, image.double()) > 2e-6
        differentiable += is_differentiable
        assert relative_difference(actual.gradient, expected.gradient) < (1e-6 if is_differentiable else 1e-3)
    assert differentiable  # at least one gradient was compared exactly


def test_artifact_is_one_small_file_of_standard_operators(
    tmp_path_factory: pytest.TempPathFactory, vgg19_weights: Weights
) -> None:
    path = exported_objective(tmp_path_factory)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not model.functions
    state = load_vgg_features(vgg19_weights, CONTENT_TAPS).state_dict()
    # About one byte per weight; float32 takes four.
    assert path.stat().st_size < sum(values.numel() for values in state.values()) * 1.5


def test_manifest_describes_the_inputs_and_outputs_of_the_graph(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = exported_objective(tmp_path_factory)
    manifest = read_manifest(path, kind="objective")
    model = onnx.load(path)
    assert (manifest.content_taps, manifest.style_taps) == (CONTENT_TAPS, STYLE_TAPS)
    assert manifest.taps == ("relu1_1", "relu2_1", "relu3_1")
    assert list(manifest.outputs) == [value.name for value in model.graph.output]
    axes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    assert list(manifest.inputs) == list(axes)
    assert axes["image"] == [1, 3, "height", "width"]
    assert axes["content/relu3_1"] == [1, 256, "height // 4", "width // 4"]
    assert axes["gram/relu2_1"] == [1, 128, 128]
    assert manifest.inputs["content/relu3_1"].startswith("float32 (1, 256, height // 4, width // 4), ")
    assert manifest.parity["gradient"]["relative_l2"] < 1e-6
    assert manifest.opset == 18


def test_verify_objective_detects_other_weights(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = exported_objective(tmp_path_factory)
    weights = load_weights("vgg19")
    weights.state["conv2_1.weight"] = weights.state["conv2_1.weight"] * 1.001
    assert not verify_objective(path, read_manifest(path), weights).passed


def test_export_objective_writes_no_graph_that_exceeds_a_tolerance(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, vgg19_weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(exported_objective(tmp_path_factory))
    bias = next(stored for stored in model.graph.initializer if stored.dims == [128])
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) * np.float32(1.01), bias.name))
    monkeypatch.setattr(export, "build_objective", lambda objective, options: model)
    with pytest.raises(
        StyleTransferError, match="differs too much from PyTorch: the relative L2 error of the gradient"
    ):
        export_objective(tmp_path / "objective.onnx", vgg19_weights, CONTENT_TAPS, STYLE_TAPS)
    assert not [*tmp_path.iterdir()]


def test_nearest_objective_has_features_as_targets(tmp_path: Path, tiny_vgg: None) -> None:
    path = tmp_path / "objective.onnx"
    manifest = export_objective(path, load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, style_loss="nearest")
    assert read_manifest(path) == manifest
    assert manifest.style_loss == "nearest"
    assert manifest.parity["gradient"]["relative_l2"] < 1e-6
    assert manifest.inputs["nearest/relu2_1"] == (
        "float32 (1, 8, height // 2, width // 2), features of the most similar parts of the style image"
    )
    assert manifest.inputs["style_weights"].endswith("activation_scale ** 2")


@pytest.mark.parametrize("regions", [False, True])
def test_moments_objective_has_two_weights_for_each_layer(
    tmp_path_factory: pytest.TempPathFactory, vgg19_weights: Weights, regions: bool
) -> None:
    path = exported_objective(tmp_path_factory, style_loss="moments", regions=regions)
    manifest = read_manifest(path, kind="objective")
    count, per_region = ("regions", "regions, ") if regions else (1, "")
    assert manifest.style_loss == "moments"
    assert manifest.inputs["moments/relu2_1"].startswith(f"float32 ({count}, 128, 129), covariances of the features")
    assert manifest.inputs["style_weights"].startswith(
        f"float32 ({per_region}2, 2), per layer of style_taps its weight"
    )
    assert manifest.parity["gradient"]["relative_l2"] < 1e-6
    assert verify_objective(path, manifest, vgg19_weights).passed


def test_objective_with_regions_has_masks_as_inputs(tmp_path_factory: pytest.TempPathFactory) -> None:
    manifest = read_manifest(exported_objective(tmp_path_factory, regions=True))
    assert manifest.has_regions
    assert manifest.parity["gradient"]["relative_l2"] < 1e-6
    assert manifest.inputs["gram/relu2_1"].startswith("float32 (regions, 128, 128), Gram matrix")
    assert manifest.inputs["style_weights"].startswith("float32 (regions, 2), one weight per layer")
    assert manifest.inputs["mask/relu2_1"] == (
        "float32 (regions, 1, height // 2, width // 2), how much each position counts, with mean 1 in every region"
    )


def test_export_objective_refuses_unknown_layers(tmp_path: Path, vgg19_weights: Weights) -> None:
    with pytest.raises(UsageError, match="did you mean relu4_2"):
        export_objective(tmp_path / "objective.onnx", vgg19_weights, ["relu4_22"], ["relu1_1"])
