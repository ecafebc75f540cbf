"""The option that writes the table, and what all measurements share."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from runtimes.artifacts import ARTIFACTS, Case, make_cases
from runtimes.table import Results
from support.documented_exports import documented_export


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """The results of the session, which `--write-table` writes to the page."""
    results = Results()
    yield results
    if request.config.getoption("--write-table"):
        results.write()


@pytest.fixture(scope="session")
def exported_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that exports an artifact once, given its name and the format."""
    return lambda name, format: documented_export(tmp_path_factory, ARTIFACTS[name].export_command(format))


@pytest.fixture(scope="session")
def cases(exported_file: Callable[..., Path]) -> Callable[[str], list[Case]]:
    """Return a function that returns the cases of an artifact, computed once."""
    return cache(lambda name: make_cases(ARTIFACTS[name], {one: exported_file(one, "onnx") for one in ARTIFACTS}))
