"""The backward pass written out against autograd, exactly in float64, and the exported graph against both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from core.objective.losses import gram, mean_square, total_variation
from core.objective.objective import ReferenceObjective, StyleTarget, Targets, compute_targets
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from core.artifacts.manifest import read_manifest
from core.artifacts.onnx_session import open_session
from core.backends.onnx_backend import CONTENT, GRAM, OnnxObjective
from core.errors import StyleTransferError, UsageError
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.objective.weights import LossWeights
from export.objective import backward as gradients
from export.objective import graph as objective_graph
from export.objective.graph import export_objective, verify_objective
from export.objective.module import ObjectiveModule
from export.verify.objective import distance_from_kinks
from support.objectives import CONTENT_TAPS, STYLE_TAPS, exported_objective

SIZES = [(16, 16), (32, 18), (33, 47), (17, 24)]
DEFAULTS = (("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"))
MIXED = (("conv2_2", "pool2"), ("conv1_1", "pool1", "conv2_2", "relu3_2", "pool3"))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def difference(actual: object, expected: object) -> float:
    actual, expected = np.asarray(actual), np.asarray(expected)
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def photograph(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None].contiguous()


def terms_for(content: Sequence[str], style: Sequence[str], tv: float = 3.0) -> LossWeights:
    """Weights that differ from tap to tap, in the units of the Oxford features."""
    contents = {tap: (1 + number) / 57.6**2 for number, tap in enumerate(content)}
    styles = {tap: (0.1 + 0.05 * number) / 57.6**4 for number, tap in enumerate(style)}
    return LossWeights(contents, styles, tv, "gram")


def case_for(module: ObjectiveModule, image: Tensor, *, style: Tensor | None = None) -> tuple[ReferenceObjective, list]:
    """The objective by autograd, and the arguments with which the module computes the same."""
    terms = terms_for(module.content_taps, module.style_taps)
    other = noise(1, 3, 40, 35, seed=9).to(image.dtype) if style is None else style
    targets = compute_targets(module.extractor, image.flip(3), other, terms)
    contents = [targets.content[tap] for tap in module.content_taps]
    grams = [targets.styles[0].statistics[tap] for tap in module.style_taps]
    weights = [list(terms.content.values()), list(terms.style.values()), [terms.tv]]
    numbers = [torch.tensor(values, dtype=image.dtype) for values in weights]
    return ReferenceObjective(module.extractor, targets, terms), [image, contents, grams, *numbers]


@pytest.mark.parametrize("size", [(8, 8), (9, 6), (7, 5), (2, 3)])
@pytest.mark.parametrize("flat", [False, True])
def test_every_step_back_is_that_of_autograd(size: tuple[int, int], flat: bool) -> None:
    # Rounded to a few values, windows are full of ties: the first of equals must get the gradient.
    image = (noise(1, 4, *size) * 3).round() if flat else noise(1, 4, *size)
    image = image.requires_grad_()
    weight = noise(6, 4, 3, 3, seed=1) - 0.5
    steps = [
        (torch.relu(image - 0.5), gradients.through_relu),
        (conv2d(image, weight, padding=1), lambda pull, out: gradients.through_convolution(pull, weight)),
        (avg_pool2d(image, 2), lambda pull, out: gradients.through_average(pull, image)),
        (max_pool2d(image, 2), lambda pull, out: gradients.through_maximum(pull, image, out)),
        (mean_square(image), lambda pull, out: pull * gradients.of_mean_square(image)),
        (total_variation(image), lambda pull, out: pull * gradients.of_total_variation(image)),
    ]
    for output, step in steps:
        pull = noise(*output.shape, seed=2) - 0.5
        (expected,) = torch.autograd.grad(output, image, pull, retain_graph=True)
        torch.testing.assert_close(step(pull, output), expected, rtol=1e-13, atol=1e-15)


def test_the_step_back_from_a_gram_is_that_of_autograd() -> None:
    features = noise(1, 4, 5, 3).requires_grad_()
    pull = noise(1, 4, 4, seed=1)
    (expected,) = torch.autograd.grad(gram(features), features, pull + pull.mT)
    torch.testing.assert_close(gradients.of_gram(pull + pull.mT, features), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("taps", [DEFAULTS, MIXED], ids=["default", "mixed"])
def test_the_module_in_float64_equals_autograd(taps: tuple, pooling: str) -> None:
    module = ObjectiveModule(load_weights("vgg19"), *taps, pooling).double()
    for size in SIZES:
        objective, arguments = case_for(module, noise(1, 3, *size))
        expected = objective(arguments[0])
        loss, gradient, *parts = module(*arguments)
        assert difference(gradient, expected.gradient) < 1e-14
        assert loss.item() == pytest.approx(expected.loss, rel=1e-14)
        assert [part.item() for part in parts] == pytest.approx(list(expected.parts.values()), rel=1e-14)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_flat_areas_get_the_same_gradient_too(pooling: str) -> None:
    module = ObjectiveModule(load_weights("vgg19"), *DEFAULTS, pooling).double()
    image = noise(1, 3, 33, 40)
    image[..., 20:] = 1
    image[..., :16, :] = 0
    objective, arguments = case_for(module, image)
    assert difference(module(*arguments)[1], objective(image).gradient) < 1e-14


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_artifact_equals_autograd(
    tmp_path_factory: pytest.TempPathFactory, content_path: Path, style_path: Path, pooling: str
) -> None:
    path = exported_objective(tmp_path_factory, pooling)
    manifest = read_manifest(path, kind="objective")
    module = ObjectiveModule(load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, pooling)
    exact = ObjectiveModule(load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, pooling).double()
    pictures = [(noise(1, 3, *size).float(), None) for size in SIZES]
    pictures.append((photograph(content_path), photograph(style_path)))
    away = 0
    for image, style in pictures:
        _, (_, contents, grams, *_) = case_for(module, image, style=style)
        targets = {CONTENT.format(tap): values.numpy() for tap, values in zip(CONTENT_TAPS, contents, strict=True)}
        targets |= {GRAM.format(tap): values.numpy() for tap, values in zip(STYLE_TAPS, grams, strict=True)}
        terms = terms_for(CONTENT_TAPS, STYLE_TAPS)
        found = OnnxObjective(open_session(path, "cpu"), manifest, targets, terms)(image.numpy())
        doubled = Targets(
            {tap: values.double() for tap, values in zip(CONTENT_TAPS, contents, strict=True)},
            (StyleTarget({tap: values.double() for tap, values in zip(STYLE_TAPS, grams, strict=True)}),),
        )
        expected = ReferenceObjective(exact.extractor, doubled, terms)(image.double())
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert found.parts == pytest.approx(dict(expected.parts), rel=1e-6)
        smooth = distance_from_kinks(exact.extractor, image.double()) > 2e-6
        away += smooth
        assert difference(found.gradient, expected.gradient) < (1e-6 if smooth else 1e-3)
    assert away  # else nothing exact was compared


def test_the_artifact_is_one_small_file_of_standard_operators(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = exported_objective(tmp_path_factory)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not model.functions
    # The weights as they are would take four bytes each.
    assert path.stat().st_size < sum(state.numel() for state in load_extractor_state()) * 1.5


def load_extractor_state() -> list[Tensor]:
    return [*load_vgg_features(load_weights("vgg19"), CONTENT_TAPS).state_dict().values()]


def test_the_manifest_holds_the_contract(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = exported_objective(tmp_path_factory)
    manifest = read_manifest(path, kind="objective")
    model = onnx.load(path)
    assert (manifest.content_taps, manifest.style_taps) == (CONTENT_TAPS, STYLE_TAPS)
    assert manifest.taps == ("relu1_1", "relu2_1", "relu3_1")
    assert list(manifest.inputs) == [value.name for value in model.graph.input]
    assert list(manifest.outputs) == [value.name for value in model.graph.output]
    assert manifest.parity["gradient"]["relative_l2"] < 1e-6
    assert manifest.opset == 18


def test_verify_tells_another_network(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = exported_objective(tmp_path_factory)
    weights = load_weights("vgg19")
    weights.state["conv2_1.weight"] = weights.state["conv2_1.weight"] * 1.001
    assert not verify_objective(path, read_manifest(path), weights).passed


def test_a_graph_that_is_off_is_not_written(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(exported_objective(tmp_path_factory))
    bias = next(stored for stored in model.graph.initializer if stored.dims == [128])
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) * np.float32(1.01), bias.name))
    monkeypatch.setattr(objective_graph, "trace_objective", lambda module: model)
    with pytest.raises(StyleTransferError, match="is out of bounds: gradient"):
        export_objective(tmp_path / "objective.onnx", load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS)
    assert not [*tmp_path.iterdir()]


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean relu4_2"):
        export_objective(tmp_path / "objective.onnx", load_weights("vgg19"), ["relu4_22"], ["relu1_1"])
