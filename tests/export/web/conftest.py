"""Fixtures of the tests of the page."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.javascript import NODE, Modules
from support.tiny_vgg import use_tiny_vgg


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    """The page's JavaScript modules, to be run in Node."""
    if NODE is None:
        pytest.skip("node is not installed")
    return Modules(tmp_path_factory.mktemp("modules"))
