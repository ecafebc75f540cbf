"""Tests of what is imported when: nothing heavy for help texts and errors, no torch in the packages without it.

The direction of imports between packages is declared in pyproject.toml and checked by import-linter.
"""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = ("torch", "onnx", "onnxruntime", "streamlit", "matplotlib", "scipy", "h5py", "tifffile")

COMMANDS = [
    ["core.transfer", "--help"],
    ["core.transfer", "--content", "missing.jpg"],
    ["core.batch", "--help"],
    ["core.app", "--help"],
    ["export", "--help"],
    ["bench", "--help"],
]

RUN_AS_MAIN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit:
    pass
"""

IMPORT_ALL = """
import importlib, pathlib, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for path in getattr(package, "__path__", ()):
        for file in pathlib.Path(path).glob("*.py"):
            importlib.import_module(f"{name}.{file.stem}" if file.stem != "__init__" else name)
"""


def heavy_imports(program: str, *arguments: str) -> list[str]:
    """Return the names in `HEAVY` that are imported after running `program` in a new process."""
    report = f"print('HEAVY', *(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}", *arguments], capture_output=True, text=True, check=True
    )
    return ran.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(("given", "expected"), [(None, "3000"), ("7", "7")])
def test_core_limits_active_waiting_unless_the_user_does(given: str | None, expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"GOMP_SPINCOUNT": given} if given else {}
    program = "import core, os; print(os.environ['GOMP_SPINCOUNT'])"
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == expected


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_and_errors_import_nothing_heavy(command: list[str]) -> None:
    assert heavy_imports(RUN_AS_MAIN, *command) == []


def test_modules_of_the_light_installation_import_nothing_heavy() -> None:
    (contract,) = (one for one in PYPROJECT["tool"]["importlinter"]["contracts"] if one["id"] == "torch")
    assert heavy_imports(IMPORT_ALL, *contract["source_modules"]) == []


@pytest.mark.parametrize(("name", "value"), PYPROJECT["project"]["scripts"].items())
def test_console_scripts_are_commands(name: str, value: str) -> None:
    assert isinstance(EntryPoint(name, value, "console_scripts").load(), typer.Typer)
