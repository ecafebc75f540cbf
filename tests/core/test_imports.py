"""Imports run one way, bench to export to core, and nothing heavy happens before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"
ALLOWED = {"core": {"core"}, "export": {"core", "export"}, "bench": {"core", "export", "bench"}}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted(PACKAGES.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGES)))
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(PACKAGES).parts[0]
    ours = {name.partition(".")[0] for name in imported(path)} & ALLOWED.keys()
    assert ours <= ALLOWED[package]
    assert "core.transfer" not in imported(path)


@pytest.mark.parametrize(
    "command", [["core.transfer", "--help"], ["core.transfer", "--content", "missing.jpg"], ["core.batch", "--help"]]
)
def test_the_command_line_does_not_import_torch_to_answer(command: list[str]) -> None:
    program = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_module(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"
