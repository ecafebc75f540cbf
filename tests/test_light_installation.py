"""The extra `light` in an environment of its own: its size, its commands, and style transfer with artifacts."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections import Counter
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

from core.image.embedded_record import read_record
from support.documented_exports import documented_export
from support.images import pixels_of
from support.programs import PROGRAMS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE")
MAX_MEGABYTES = 250

# Prints the help of every command of some modules.
ALL_HELP = """
import sys
from importlib import import_module
from typer.main import get_command

for module in sys.argv[1:]:
    command = get_command(import_module(module).app)
    for selected in ([], *([name] for name in getattr(command, "commands", ()))):
        assert command.main([*selected, "--help"], standalone_mode=False) == 0
"""


class Light:
    """An environment with the extra `light`, and a folder with artifacts that its commands find."""

    def __init__(self, folder: Path, artifacts: Path) -> None:
        self.folder, self.artifacts = folder, artifacts
        self._environment = folder / "environment"
        self.python = self._environment / ("Scripts" if os.name == "nt" else "bin") / "python"

    def install(self) -> None:
        """Install a copy of the source, with the versions of this environment, without writing to the repository."""
        venv.create(self._environment, with_pip=False)
        source, constraints = self.folder / "source", self.folder / "constraints.txt"
        source.mkdir()
        for name in SOURCES:
            shutil.copy(ROOT / name, source)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "recorded")
        shutil.copytree(ROOT / "packages", source / "packages", ignore=ignored)
        versions = {dist.name: dist.version for dist in distributions()}
        versions["onnxruntime"] = versions.get("onnxruntime-gpu", versions.get("onnxruntime"))
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "install", "-q"]
        ran = subprocess.run([*pip, "-c", constraints, f"{source}[light]"], capture_output=True, text=True, check=False)
        if "connection broken" in ran.stderr:
            pytest.skip("the package index is out of reach")
        assert ran.returncode == 0, ran.stderr

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder of the environment."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["STYLE_TRANSFER_ARTIFACTS"] = str(self.artifacts)
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def sizes(self) -> Counter[str]:
        """The bytes of the files in each folder of the packages."""
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": self._environment}))
        sizes = Counter[str]()
        for path in packages.rglob("*"):
            if path.is_file():
                sizes[path.relative_to(packages).parts[0]] += path.stat().st_size
        return sizes


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory, artifacts_folder: Path) -> Light:
    environment = Light(tmp_path_factory.mktemp("light"), artifacts_folder)
    environment.install()
    return environment


def test_the_environment_is_small_and_without_torch(
    light: Light, record_testsuite_property: Callable[[str, object], None]
) -> None:
    sizes = light.sizes()
    report = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sizes.most_common(12))
    record_testsuite_property("megabytes", f"{sizes.total() / 1e6:.0f}: {report}")
    assert not {"torch", "onnx", "streamlit", "scipy"} & {*sizes}
    assert sizes.total() <= MAX_MEGABYTES * 1e6, report


def test_every_command_has_help(light: Light) -> None:
    ran = light.run("-c", ALL_HELP, *PROGRAMS.values())
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("Usage: ") > 15


def test_commands_that_need_torch_say_so(light: Light) -> None:
    ran = light.run("-m", "export", "extractor", "-o", "e.onnx")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: python -m export extractor needs PyTorch, which is not installed: run pip ")


def test_transfer_gives_the_result_of_export_run(light: Light, content_path: Path, style_path: Path) -> None:
    images = ("--content", content_path, "--style", style_path, "--image-size", 48, "--iterations", 3, "--output")
    artifacts = (light.artifacts / "objective.onnx", light.artifacts / "extractor.onnx")
    for command in (("core.transfer", *images, "transfer.png"), ("export", "run", *artifacts, *images, "run.png")):
        ran = light.run("-m", *command)
        assert (ran.returncode, "3 evaluations" in ran.stdout) == (0, True), ran.stderr
    transfer, run = light.folder / "transfer.png", light.folder / "run.png"
    assert pixels_of(transfer).shape == (32, 48, 3)
    np.testing.assert_array_equal(pixels_of(transfer), pixels_of(run))
    records = [json.loads(read_record(path) or "") for path in (transfer, run)]
    for record in records:
        del record["seconds"]
    assert records[0] == records[1]
    assert records[0]["backend"]["name"] == "onnxruntime"


def test_a_painter_is_all_that_a_transfer_needs(
    light: Light, content_path: Path, style_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = documented_export(tmp_path_factory, "python -m export painter --output painter.onnx").parent
    images = ("--content", content_path, "--style", style_path, "--image-size", 48, "--iterations", 3)
    ran = Light(light.folder, folder).run("-m", "core.transfer", *images, "--output", "painted.png")
    assert (ran.returncode, "3 evaluations" in ran.stdout) == (0, True), ran.stderr
    assert pixels_of(light.folder / "painted.png").shape == (32, 48, 3)
    assert json.loads(read_record(light.folder / "painted.png") or "")["backend"]["name"] == "painter"


def test_inspect_prints_the_manifest(light: Light) -> None:
    ran = light.run("-m", "export", "inspect", light.artifacts / "objective.onnx")
    assert ran.returncode == 0, ran.stderr
    assert "relu3_1" in ran.stdout
