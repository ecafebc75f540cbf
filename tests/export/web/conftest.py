"""Fixtures of the tests of the page."""

from pathlib import Path

import pytest

from export.web import runtime
from export.web.page import write_page
from support.images import EXAMPLES
from support.javascript import NODE, Modules
from support.objectives import exported_objective


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    """The page's JavaScript modules, to be run in Node."""
    if NODE is None:
        pytest.skip("node is not installed")
    return Modules(tmp_path_factory.mktemp("modules"))


@pytest.fixture(scope="session")
def shallow_objective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported objective of the first layers, with trained weights: do not change."""
    return exported_objective(tmp_path_factory)


@pytest.fixture(scope="session")
def runtime_stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the names of ONNX Runtime Web's files."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in runtime.FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory, shallow_objective: Path, runtime_stub: Path) -> Path:
    """A page without a runtime, so that no browser can run it: do not change."""
    folder = tmp_path_factory.mktemp("page") / "page"
    write_page(folder, shallow_objective, runtime=runtime_stub, examples=EXAMPLES)
    return folder
