"""The page on deployment stays true: it shows the example programs, its commands run, and all find the same figures."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SECTIONS = dict(section.split("\n", 1) for section in PAGE.split("\n## ")[1:])
EXAMPLES = ROOT / "examples" / "deploy"
INSTALLED = shutil.ignore_patterns("node_modules", "package-lock.json")

Figures = Mapping[str, tuple[float, float]]
"""For each layer, the mean of the features and the norm of their Gram matrix."""

NO_NETWORK = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT")


def block(section: str, language: str) -> str:
    """The one block of that language in a section of the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], flags=re.MULTILINE | re.DOTALL)
    return str(found)


class Shell:
    """Runs the commands of the page's sections, all in one folder that stands for the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for pictures in ("content", "style"):
            shutil.copytree(ROOT / "examples" / pictures, folder / "examples" / pictures)
        shutil.copytree(EXAMPLES, folder / "examples" / "deploy", ignore=INSTALLED)
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(self, section: str) -> str:
        """Return what the commands of `section` print. A painting is made small, which changes nothing else."""
        commands = re.sub(r"(export run .*)", r"\1 --image-size 48 --iterations 2", block(section, "sh"))
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if "npm" in commands and NO_NETWORK.search(ran.stderr):
            pytest.skip("npm reaches no registry")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def image(self, name: str) -> Tensor:
        """A picture in the folder as (1, 3, H, W) in [0, 1]."""
        with Image.open(self.folder / name) as picture:
            return torch.from_numpy(np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / np.float32(255))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder where the artifacts and the pictures have been made."""
    shell = Shell(tmp_path_factory.mktemp("deploy"))
    shell.run("Write them")
    shell.run("The same figures everywhere")
    return shell


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return TorchBackend(TransferConfig(device="cpu"))


@pytest.fixture(scope="module")
def expected(shell: Shell) -> Figures:
    """The figures by eager PyTorch in float64."""
    config = TransferConfig()
    extractor = load_vgg_features(load_weights(config.arch), (*config.content_layers, *config.style_layers))
    features = extractor.double()(shell.image("cup.png").double())
    return {tap: (values.mean().item(), gram(values).norm().item()) for tap, values in features.items()}


def gram(features: Tensor) -> Tensor:
    return torch.einsum("nchw,ndhw->ncd", features, features) / features[0, 0].numel()


def figures(lines: str) -> Figures:
    """What a program printed."""
    found = re.findall(r"^(relu\d_\d)  \d+ x \d+ x \d+  mean (\S+)  gram (\S+)$", lines, flags=re.MULTILINE)
    return {tap: (float(mean), float(norm)) for tap, mean, norm in found}


def check_same(found: Figures, expected: Figures, tolerance: float = 1e-4) -> None:
    assert [*found] == [*expected]
    np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=tolerance)


def test_the_page_shows_every_program() -> None:
    shown = dict(re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))
    assert {path: (ROOT / path).read_text(encoding="utf-8") for path in shown} == shown
    programs = {path for suffix in ("*.py", "node/*.js*", "cpp/*") for path in EXAMPLES.glob(suffix)}
    programs -= {EXAMPLES / "node" / "package-lock.json"}
    assert {path.relative_to(ROOT).as_posix() for path in programs} == set(shown)


def test_what_it_links_is_there() -> None:
    local = [target for target in re.findall(r"\]\(([^)#]+)\)", PAGE) if not target.startswith("http")]
    assert len(local) >= 4
    assert [target for target in local if not (ROOT / "docs" / target).exists()] == []


def test_every_command_is_run_here() -> None:
    run = re.findall(r'shell\.run\("(.+?)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert {section for section, text in SECTIONS.items() if "```sh\n" in text} == set(run)


def test_the_figures_on_the_page(expected: Figures) -> None:
    """As exactly as decoders of JPEG agree."""
    check_same(figures(block("The same figures everywhere", "text")), expected, tolerance=1e-2)


def test_inspect_and_verify(shell: Shell) -> None:
    printed = shell.run("Manifest, checksum, proof")
    assert "extractor.onnx: OK" in printed
    manifest = json.loads((shell.folder / "objective.json").read_text())
    rows = re.findall(r"^\| `(.+?)`(.*?) \| \(", SECTIONS["What goes in and comes out"], flags=re.MULTILINE)
    on_page = [name for name, more in rows if more != ", …"]
    assert on_page == [name for name in manifest["inputs"] if not name.startswith("gram/")]


def test_python(shell: Shell, expected: Figures) -> None:
    check_same(figures(shell.run("Python without PyTorch")), expected)


@pytest.mark.parametrize("program", ["features", "paint"])
def test_the_python_needs_no_pytorch(program: str) -> None:
    tree = ast.parse((EXAMPLES / f"{program}.py").read_text(encoding="utf-8"))
    imports = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imports <= {"json", "sys", "numpy", "onnxruntime", "PIL", "features"}


def test_paint(shell: Shell, backend: TorchBackend) -> None:
    """The first loss is that of the content itself, by autograd."""
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", shell.run("Your own painter"))]
    content, style = shell.image("cup.png"), shell.image("night.png")
    evaluation = backend.objective(content.numpy(), style.numpy())(content)
    assert losses[0] == pytest.approx(evaluation.loss, rel=1e-4)
    assert losses[-1] < 0.2 * losses[0]
    assert shell.image("painting.png").shape == content.shape


def test_export_run(shell: Shell) -> None:
    shell.run("Paint without PyTorch")
    assert shell.image("coffee-night.png").shape == (1, 3, 32, 48)


def test_pytorch(shell: Shell) -> None:
    program = [sys.executable, "-W", "ignore", "-c", block("Python with PyTorch", "python")]
    ran = subprocess.run(program, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"tensor\(\d.*\)\n", ran.stdout)


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")
def test_node(shell: Shell, expected: Figures) -> None:
    check_same(figures(shell.run("Node")), expected)


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("c++")), reason="needs cmake and a C++ compiler")
def test_cpp(shell: Shell, expected: Figures) -> None:
    check_same(figures(shell.run("C++")), expected)
