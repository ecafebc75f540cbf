"""The ONNX Runtime backend: the same losses and results as PyTorch, and its errors."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from core.arrays import Pixels
from core.artifacts.extractors import open_extractor
from core.artifacts.manifest import read_manifest
from core.artifacts.openvino_session import openvino_core
from core.backends.onnx_backend import OnnxBackend, features_for
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.network.weights import load_weights
from core.style_transfer import stylize
from core.styles import StyleExemplar
from export.objective.export import export_objective
from support.backends import objective_of
from support.objectives import OPTIONS, exported_objective, noise

Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def objective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_objective(tmp_path_factory)


def config_for(objective: Path, extractor: Path | None = None, **options: object) -> TransferConfig:
    artifacts = {"objective": str(objective), "extractor": extractor and str(extractor)}
    return TransferConfig(**(OPTIONS | {"device": "cpu"} | artifacts | options))


def backend_for(config: TransferConfig) -> OnnxBackend:
    assert config.objective
    return OnnxBackend(config.objective, features_for(config), config)


def images(content_path: Path, style_path: Path) -> tuple[Pixels, Pixels]:
    return resize(read_image(content_path).pixels, (47, 31)), resize(read_image(style_path).pixels, (36, 40))


def no_features(pixels: Pixels) -> Mapping[str, Pixels]:
    raise AssertionError


@pytest.mark.parametrize("tv_weight", [0, 2])
def test_the_objective_equals_that_of_pytorch(
    objective: Path, exported: Exported, content_path: Path, style_path: Path, tv_weight: float
) -> None:
    content, style = images(content_path, style_path)
    options = {"content_weight": 2, "style_weight": (0.3, 0.05), "tv_weight": tv_weight}
    config = config_for(objective, exported("onnx"), **options)
    eager = TorchBackend(TransferConfig(**(OPTIONS | options), device="cpu"))
    image = (content + 0.2 * np.random.default_rng(0).random(content.shape, np.float32)).clip(0, 1)
    found = objective_of(backend_for(config), content, style).scaled(content=4)(image)
    expected = objective_of(eager, content, style).scaled(content=4)(torch.from_numpy(image))
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert dict(found.parts) == pytest.approx(dict(expected.parts), rel=1e-5)
    gradient = expected.gradient.numpy()
    assert np.linalg.norm(found.gradient - gradient) < 1e-3 * np.linalg.norm(gradient)


def test_targets_computed_by_pytorch_or_by_an_extractor_are_equal(
    objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    content, style = images(content_path, style_path)
    losses = [
        objective_of(backend_for(config_for(objective, extractor)), content, style)(content[..., ::-1]).loss
        for extractor in (None, exported("onnx"))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("style_loss", ["gram", "moments"])
def test_several_styles_have_the_loss_and_gradient_of_pytorch(
    tmp_path_factory: pytest.TempPathFactory,
    exported: Exported,
    content_path: Path,
    style_path: Path,
    style_loss: str,
) -> None:
    objective = exported_objective(tmp_path_factory, style_loss=style_loss)
    content, style = images(content_path, style_path)
    others = style[..., 4:] ** 2, np.ascontiguousarray(style[:, ::-1])
    mask = np.linspace(0, 1, style[0, 0].size, dtype=np.float32).reshape(style[:, :1].shape)
    exemplars = [StyleExemplar((style,), 2.0, style_mask=mask), StyleExemplar(others, 0.5)]
    found, expected = (
        backend.objective(content, exemplars, backend.plan((47, 31), (36, 40))).scaled(style=3)
        for backend in (
            backend_for(config_for(objective, exported("onnx"), style_loss=style_loss)),
            TorchBackend(TransferConfig(**OPTIONS, device="cpu", style_loss=style_loss)),
        )
    )
    image = (content + 0.2 * np.random.default_rng(0).random(content.shape, np.float32)).clip(0, 1)
    onnx, pytorch = found(image), expected(torch.from_numpy(image))
    assert onnx.loss == pytest.approx(pytorch.loss, rel=1e-5)
    assert dict(onnx.parts) == pytest.approx(dict(pytorch.parts), rel=1e-5)
    gradient = pytorch.gradient.numpy()
    assert np.linalg.norm(onnx.gradient - gradient) < 1e-3 * np.linalg.norm(gradient)


@pytest.mark.parametrize(("regions", "final_pass"), [(False, False), (True, False), (True, True)])
def test_nearest_objective_has_the_loss_and_gradient_of_pytorch(
    tmp_path: Path, tiny_vgg: None, regions: bool, final_pass: bool
) -> None:
    path = tmp_path / "objective.onnx"
    options = OPTIONS | {"style_loss": "nearest", "device": "cpu"}
    export_objective(path, load_weights("vgg19"), *OPTIONS.values(), style_loss="nearest", regions=regions)
    content, start, *styles = (noise(1, 3, 32, 47, seed=seed).float().numpy() for seed in range(4))
    mask, region = ((noise(1, 1, 32, 47, seed=seed) > 0.3).float().numpy() for seed in (5, 6))
    exemplars = [
        StyleExemplar((styles[0],), 2.0, style_mask=mask),
        StyleExemplar((styles[1][..., 4:],), 0.5, region if regions else None),
    ]
    found, expected = (
        backend.objective(content, exemplars, backend.plan((47, 32), (47, 32)), image=start, separate_layers=final_pass)
        for backend in (
            backend_for(TransferConfig(**options, objective=str(path))),
            TorchBackend(TransferConfig(**options)),
        )
    )
    onnx, pytorch = found(start), expected(torch.from_numpy(start))
    assert onnx.loss == pytest.approx(pytorch.loss, rel=1e-5)
    assert dict(onnx.parts) == pytest.approx(dict(pytorch.parts), rel=1e-5)
    gradient = pytorch.gradient.numpy()
    assert np.linalg.norm(onnx.gradient - gradient) < 1e-3 * np.linalg.norm(gradient)


def test_regions_are_refused(objective: Path, content_path: Path, style_path: Path) -> None:
    content, style = images(content_path, style_path)
    backend = OnnxBackend(objective, no_features, config_for(objective))
    plan = backend.plan((47, 31), (36, 40))
    exemplars = [StyleExemplar((style,)), StyleExemplar((style,), mask=content[:, :1])]
    sentence = (
        r"max\.onnx supports styles for the whole image only: export an objective with --regions, remove the regions, "
        r"or run core\.transfer without --objective$"
    )
    with pytest.raises(UsageError, match=sentence):
        backend.objective(content, exemplars, plan)


@pytest.mark.parametrize("has_mask", [(False,), (False, True, True, False), (True,)], ids=["none", "some", "all"])
@pytest.mark.parametrize("style_loss", ["gram", "moments"])
def test_objective_with_regions_has_the_loss_and_gradient_of_pytorch(
    tmp_path_factory: pytest.TempPathFactory, style_loss: str, has_mask: tuple[bool, ...]
) -> None:
    objective = exported_objective(tmp_path_factory, style_loss=style_loss, regions=True)
    content, image, *styles = (noise(1, 3, 32, 47, seed=seed).float().numpy() for seed in range(6))
    exemplars = [
        StyleExemplar((style,), 1.0 + number, noise(1, 1, 32, 47, seed=number).float().numpy() if masked else None)
        for number, (style, masked) in enumerate(zip(styles, has_mask, strict=False))
    ]
    found, expected = (
        backend.objective(content, exemplars, backend.plan((47, 32), (47, 32))).scaled(style=2)
        for backend in (
            backend_for(config_for(objective, style_loss=style_loss)),
            TorchBackend(TransferConfig(**OPTIONS, device="cpu", style_loss=style_loss)),
        )
    )
    onnx, pytorch = found(image), expected(torch.from_numpy(image))
    assert onnx.loss == pytest.approx(pytorch.loss, rel=1e-5)
    assert dict(onnx.parts) == pytest.approx(dict(pytorch.parts), rel=1e-5)
    gradient = pytorch.gradient.numpy()
    assert np.linalg.norm(onnx.gradient - gradient) < 1e-3 * np.linalg.norm(gradient)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_moments_of_a_uniform_style_are_those_of_pytorch(
    tmp_path_factory: pytest.TempPathFactory, exported: Exported, content_path: Path, value: float
) -> None:
    """The features of a uniform style have next to no variance."""
    content = resize(read_image(content_path).pixels, (47, 31))
    config = config_for(
        exported_objective(tmp_path_factory, style_loss="moments"), exported("onnx"), style_loss="moments"
    )
    eager = TorchBackend(TransferConfig(**OPTIONS, device="cpu", style_loss="moments"))
    style = np.full((1, 3, 40, 36), value, np.float32)
    found = objective_of(backend_for(config), content, style)(content[..., ::-1].copy())
    expected = objective_of(eager, content, style)(torch.from_numpy(content).flip(3))
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    gradient = expected.gradient.numpy()
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(found.gradient - gradient) < 1e-3 * np.linalg.norm(gradient)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_results_have_the_loss_of_results_of_pytorch(
    objective: Path, exported: Exported, content_path: Path, style_path: Path, optimizer: str
) -> None:
    # After 18 evaluations L-BFGS magnifies rounding: the losses differ by 2 % at 24, and by less again later.
    options = {"image_size": 64, "iterations": 18, "optimizer": optimizer, "init": "content"}
    options |= {"content_weight": 1, "content_scaling": 2}
    results = [
        stylize(content_path, style_path, config)
        for config in (
            config_for(objective, exported("onnx"), **options),
            TransferConfig(**(OPTIONS | options), device="cpu"),
        )
    ]
    onnx, pytorch = (result.record["delivered"]["loss"] for result in results)
    assert onnx == pytest.approx(pytorch, rel=0.01)
    assert onnx < 0.7 * results[0].losses[0]["loss"]


@pytest.mark.parametrize(("precision", "bounds"), [("auto", (1e-5, 1e-3)), ("bf16", (5e-2, 0.15))])
def test_openvino_computes_the_objective_of_onnx_runtime(
    objective: Path,
    exported: Exported,
    content_path: Path,
    style_path: Path,
    precision: str,
    bounds: tuple[float, float],
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    if precision == "bf16" and "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16 instructions")
    content, style = images(content_path, style_path)
    image = content[..., ::-1].copy()
    backends = [
        backend_for(config_for(objective, exported("onnx"), **options))
        for options in ({}, {"runtime": "openvino", "precision": precision})
    ]
    expected, found = (objective_of(backend, content, style)(image) for backend in backends)
    assert found.loss == pytest.approx(expected.loss, rel=bounds[0])
    assert np.linalg.norm(found.gradient - expected.gradient) < bounds[1] * np.linalg.norm(expected.gradient)
    described = backends[1].describe()
    assert (described["name"], described["provider"], described["device"]) == ("openvino", "OpenVINO", "cpu")
    assert described["precision"] == ("bf16" if precision == "bf16" else "fp32")


def test_describe_names_runtime_and_weights(objective: Path, exported: Exported) -> None:
    described = backend_for(config_for(objective, exported("onnx"))).describe()
    assert described["name"] == "onnxruntime"
    assert (described["provider"], described["device"]) == ("CPUExecutionProvider", "cpu")
    assert described["weights"] == read_manifest(objective).weights


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"style_loss": "wasserstein"},
            "was exported with --style-loss gram, but this run uses wasserstein: use",
        ),
        ({"content_layers": "relu2_1"}, "add --content-layers relu3_1, or export the objective again"),
        (
            {"style_layers": "relu1_1,relu2_1,relu3_1"},
            "add --style-layers relu1_1,relu2_1, or export the objective again",
        ),
        ({"pooling": "average"}, "add --pooling max"),
        ({"arch": "vgg16"}, "add --arch vgg19"),
    ],
)
def test_another_configuration_is_refused(objective: Path, options: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        OnnxBackend(objective, no_features, config_for(objective, **options))


def test_a_changed_objective_gives_a_warning(objective: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    OnnxBackend(objective, no_features, config_for(objective))
    assert not caplog.records
    model = onnx.load(objective)
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.save(model, tmp_path / "objective.onnx")
    OnnxBackend(tmp_path / "objective.onnx", no_features, config_for(objective))
    (record,) = caplog.records
    assert record.getMessage().startswith(f"another program has changed {tmp_path / 'objective.onnx'} since its export")


def test_a_missing_device_is_refused(objective: Path) -> None:
    with pytest.raises(
        StyleTransferError, match=r"finds no mps device on this machine: use --device auto or --device cpu, or run core"
    ):
        OnnxBackend(objective, no_features, config_for(objective, device="mps"))


def test_an_extractor_is_refused_as_an_objective(objective: Path, exported: Exported) -> None:
    with pytest.raises(UsageError, match="holds an extractor, where an objective was expected"):
        OnnxBackend(exported("onnx"), no_features, config_for(objective))


def test_an_extractor_of_another_network_is_refused(
    tmp_path_factory: pytest.TempPathFactory, objective: Path, exported: Exported
) -> None:
    average = exported_objective(tmp_path_factory, "average")
    config = config_for(average, pooling="average")
    with pytest.raises(UsageError, match="exported with pooling average, the extractor with pooling max"):
        OnnxBackend(average, open_extractor(exported("onnx"), "cpu"), config)
