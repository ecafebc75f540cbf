"""Pictures, runs and artifacts that several tests share: small, but real, with the installed weights."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.images import CHROMIUM, EXAMPLES
from support.shared_files import shared_file

# The pictures are small and the cores may be busy: threads that wait for each other would take most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of some folders, here because pytest reads only this file before the command line."""
    parser.addoption("--long", action="store_true", help="try thousands of new cases in tests/robustness")
    parser.addoption("--write-table", action="store_true", help="write the measured rows of docs/runtimes.md")


def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores: for a third of the time tests wait for a program or for each other."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select tests, and put the files that take longest first, so that no process ends with a long one.

    Tests of runtimes are left out unless `-m` names their marker.
    """
    if "runtimes" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("runtimes")])
        items[:] = [item for item in items if not item.get_closest_marker("runtimes")]
    weights = Counter[Path]()
    for item in items:
        is_slow = any(item.get_closest_marker(name) for name in ("browser", "docs", "slow"))
        weights[item.path] += 20 if is_slow else 1
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(scope="session", autouse=True)
def single_precision() -> Iterator[None]:
    """Runs that choose their precision compute in float32 on every machine; half precision has tests of its own."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        yield


@pytest.fixture(scope="session")
def content_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph, 96 x 64."""
    path = tmp_path_factory.mktemp("content") / "cup.png"
    with Image.open(EXAMPLES / "content" / "coffee.jpg") as photograph:
        photograph.resize((96, 64), Image.Resampling.LANCZOS).save(path)
    return path


@pytest.fixture(scope="session")
def style_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painting of another shape, 72 x 80."""
    path = tmp_path_factory.mktemp("style") / "night.jpg"
    with Image.open(EXAMPLES / "style" / "night.jpg") as painting:
        painting.crop((0, 0, 432, 480)).resize((72, 80), Image.Resampling.LANCZOS).save(path, quality=95)
    return path


@pytest.fixture
def tiny_vgg() -> Iterator[None]:
    """Within the test "vgg16" and "vgg19" have few channels and random weights; see `support.tiny_vgg`."""
    from support.tiny_vgg import use_tiny_vgg

    with use_tiny_vgg():
        yield


@pytest.fixture(scope="session")
def vgg19_weights() -> Any:
    """Weights of the Oxford VGG-19, loaded once: do not change."""
    from core.network.weights import load_weights

    return load_weights("vgg19")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Extractors of the Oxford network with three taps, by format and precision: do not change the files."""
    from core.network.weights import load_weights
    from export.extractor import export_extractor

    def path_of(format: str, precision: str = "fp32") -> Path:
        def write(path: Path) -> None:
            taps = ("relu1_1", "relu2_1", "relu3_1")
            export_extractor(path, load_weights("vgg19"), taps, format=format, precision=precision)

        suffix = {"torchscript": "pt", "onnx": "onnx", "pt2": "pt2"}[format]
        return shared_file(tmp_path_factory, f"{precision}.{suffix}", write)

    return path_of


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the test PyTorch cannot be imported, as in the light installation."""
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture(scope="session")
def artifacts_folder(tmp_path_factory: pytest.TempPathFactory, exported: Callable[..., Path]) -> Path:
    """A folder of the light installation, with a small objective and its extractors: do not change the files."""
    from support.objectives import exported_objective

    folder = tmp_path_factory.mktemp("artifacts")
    shutil.copy(exported_objective(tmp_path_factory), folder / "objective.onnx")
    shutil.copy(exported("onnx"), folder / "extractor.onnx")
    shutil.copy(exported("torchscript"), folder / "extractor.pt")
    return folder


@pytest.fixture
def light_folder(artifacts_folder: Path, without_torch: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The light installation, simulated: no PyTorch, and the folder of its artifacts."""
    monkeypatch.setenv("STYLE_TRANSFER_ARTIFACTS", str(artifacts_folder))
    return artifacts_folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()
