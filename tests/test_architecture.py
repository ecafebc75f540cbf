"""Check that docs/architecture.md names every package in its layer, and that every path it names exists."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "packages"
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
