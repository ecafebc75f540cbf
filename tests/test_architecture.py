"""Check that docs/architecture.md names every package in its layer and existing paths, and that tests mirror it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "packages"
TESTS = ROOT / "tests"
TEXT = (ROOT / "docs" / "architecture.md").read_text()

TABLES = re.findall(r"^\| Path in `packages/(\w+)/` \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
FULL_PATH = re.compile(r"(?:packages/)?(?:core|export|bench)/[\w/]*(?:\.py)?")


def described() -> dict[str, list[str]]:
    """Return the paths in the first column of each table, by package."""
    return {package: re.findall(r"`([\w/.]+)`", " ".join(_first_cells(rows))) for package, rows in TABLES}


def _first_cells(rows: str) -> list[str]:
    return [row.split("|")[1] for row in rows.splitlines()]


def test_architecture_names_every_package() -> None:
    inner = {package.name: sorted(path.parent.name for path in package.glob("*/__init__.py")) for package in packages()}
    named = {
        package: sorted(path.rstrip("/") for path in paths if path.endswith("/"))
        for package, paths in described().items()
    }
    missing = {package: set(names) - set(named[package]) for package, names in inner.items()}
    assert missing == {package: set() for package in inner}


def test_architecture_names_every_top_level_module() -> None:
    modules = {package.name: {path.name for path in package.glob("*.py")} - {"__init__.py"} for package in packages()}
    missing = {package: names - set(described()[package]) for package, names in modules.items()}
    assert missing == {package: set() for package in modules}


def test_architecture_names_existing_paths() -> None:
    paths = [PACKAGES / package / path for package, paths in described().items() for path in paths]
    paths += [PACKAGES / path.removeprefix("packages/") for path in FULL_PATH.findall(TEXT)]
    assert len(paths) > 40
    assert [str(path.relative_to(ROOT)) for path in paths if not path.exists()] == []


def test_architecture_shows_the_layers_that_are_checked() -> None:
    (block,) = re.findall(
        r"^## Layers of packages in core\n.*?^```text\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL
    )
    rows = re.split(r"\n(?=\w)", block.strip())  # a line without a label continues the row before
    shown = [set(row.split("  ", 1)[1].split()) for row in rows]
    assert shown == [set(re.split(r"[\s:|]+", layer)) for layer in layers("core")]


@pytest.mark.parametrize("package", ["core", "export", "bench"])
def test_a_package_has_at_most_six_layers(package: str) -> None:
    assert len(layers(package)) <= 6


def layers(package: str) -> list[str]:
    """Return the layers of the contract of `package` in pyproject.toml, from top to bottom."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == package)
    found: list[str] = contract["layers"]
    return found


def packages() -> list[Path]:
    """Return the folders of the packages that the page describes."""
    found = sorted(path.parent for path in PACKAGES.glob("*/__init__.py"))
    assert [path.name for path in found] == sorted(described())
    return found


UNTESTED = {
    "bench/conftest.py",  # of the suites, which are pytest files
    "core/backends/base.py",  # a protocol
    "core/objective/types.py",  # types
    "core/webapp/limits.py",  # a setting
    "core/webapp/main.py",  # the script that Streamlit runs
}
"""Modules without a test file, because they have no behaviour of their own. The suites of `bench` have none either."""

OF_SEVERAL_MODULES = {
    "core/test_failed_runs.py",
    "core/test_imports.py",
    "core/test_transfer_light.py",
    "core/webapp/test_browser.py",
    "export/web/test_browser.py",
}
"""Files of tests that belong to no single module. Other folders than those of the packages contain only such tests."""


def test_every_module_has_a_test_file_of_its_name() -> None:
    modules = {str(path.relative_to(PACKAGES)) for path in PACKAGES.rglob("*.py")}
    assert sorted(UNTESTED - modules) == []
    tested = {name for name in modules - UNTESTED if not Path(name).name.startswith(("__init__", "test_"))}
    assert sorted(name for name in tested if not (TESTS / mirrored(name)).exists()) == []


def test_every_test_file_has_a_module_of_its_name() -> None:
    """For the scripts of the page, `export/web/static/NAME.js`, the file is `export/web/test_NAME_js.py`."""
    files = {path.relative_to(TESTS) for package in packages() for path in (TESTS / package.name).rglob("test_*.py")}
    expected = {mirrored(str(path.relative_to(PACKAGES))) for path in PACKAGES.rglob("*.py")}
    scripts = (PACKAGES / "export" / "web" / "static").glob("*.js")
    expected |= {Path("export", "web", f"test_{path.stem}_js.py") for path in scripts}
    assert sorted(map(str, files - expected)) == sorted(OF_SEVERAL_MODULES)


def mirrored(module: str) -> Path:
    """Return the test file of a module, relative to `tests`."""
    path = Path(module)
    return path.with_name(f"test_{path.stem.strip('_')}.py")
