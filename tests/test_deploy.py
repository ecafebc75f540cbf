"""docs/deploy.md: its commands run, and its programs compute the same numbers as PyTorch in float64."""

import ast
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.artifacts.painter import OnnxPainter
from core.artifacts.runtimes import Execution
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.style_transfer import stylize
from export.io_spec import RUNTIME_TOLERANCES, TOLERANCES
from support.backends import objective_of
from support.browser import serving
from support.documented_exports import copy_documented_export
from support.images import CHROMIUM

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SECTIONS = dict(section.split("\n", 1) for section in PAGE.split("\n## ")[1:])
EXAMPLES = ROOT / "examples" / "deploy"
INSTALLED = shutil.ignore_patterns("node_modules", "package-lock.json", "bin", "obj")

Statistics = Mapping[str, tuple[float, float]]
"""For each layer, the mean of the features and the norm of their Gram matrix."""

pytestmark = pytest.mark.docs

NETWORK_ERROR = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|error NU1301")


def block(section: str, language: str) -> str:
    """Return the only block of this language in a section of the page."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], flags=re.MULTILINE | re.DOTALL)
    return str(text)


class Shell:
    """Runs the commands of the page in a folder with a copy of the examples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for images in ("content", "style"):
            shutil.copytree(ROOT / "examples" / images, folder / "examples" / images)
        shutil.copytree(EXAMPLES, folder / "examples" / "deploy", ignore=INSTALLED)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # Without a network npm would wait for many minutes.
        self.environment = {
            **os.environ,
            "PATH": path,
            "npm_config_fetch_retries": "0",
            "npm_config_fetch_timeout": "60000",
        }

    def run(self, section: str) -> str:
        """Run the commands of `section`, style transfer at a small size, and return their output."""
        commands = re.sub(r"(export run .*)", r"\1 --image-size 48 --iterations 2", block(section, "sh"))
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode and NETWORK_ERROR.search(ran.stdout + ran.stderr):
            pytest.skip("the registry of npm or NuGet is out of reach")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def image(self, name: str) -> Tensor:
        """Return an image in the folder as (1, 3, H, W) in [0, 1]."""
        with Image.open(self.folder / name) as image:
            return torch.from_numpy(
                np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)[None] / np.float32(255)
            )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder with the artifacts and images of the page."""
    shell = Shell(tmp_path_factory.mktemp("deploy"))
    for command in block("Export", "sh").splitlines():
        copy_documented_export(tmp_path_factory, command, shell.folder)
    shell.run("Expected output")
    return shell


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return TorchBackend(TransferConfig(style_weight=0.1, tv_weight=0, device="cpu"))  # the weights of stylize.py


@pytest.fixture(scope="module")
def expected(shell: Shell) -> Statistics:
    """The statistics by eager PyTorch in float64."""
    config = TransferConfig()
    extractor = load_vgg_features(load_weights(config.arch), (*config.content_layers, *config.style_layers))
    features = extractor.double()(shell.image("cup.png").double())
    return {tap: (values.mean().item(), gram(values).norm().item()) for tap, values in features.items()}


def gram(features: Tensor) -> Tensor:
    return torch.einsum("nchw,ndhw->ncd", features, features) / features[0, 0].numel()


def parse_statistics(lines: str) -> Statistics:
    """Return the statistics that a program printed."""
    matches = re.findall(r"^(relu\d_\d)  \d+ x \d+ x \d+  mean (\S+)  gram (\S+)$", lines, flags=re.MULTILINE)
    return {tap: (float(mean), float(norm)) for tap, mean, norm in matches}


def assert_close(actual: Statistics, expected: Statistics, tolerance: float = 1e-4) -> None:
    assert [*actual] == [*expected]
    np.testing.assert_allclose([*actual.values()], [*expected.values()], rtol=tolerance)


def test_page_links_every_program() -> None:
    local = [target for target in re.findall(r"\]\(([^)#]+)\)", PAGE) if not target.startswith("http")]
    assert [target for target in local if not (ROOT / "docs" / target).exists()] == []
    patterns = ("*.py", "node/*.js*", "cpp*/*", "browser/*")
    programs = {path for pattern in patterns for path in EXAMPLES.glob(pattern)}
    programs -= {EXAMPLES / "node" / "package-lock.json"}
    assert programs <= {(ROOT / "docs" / target).resolve() for target in local}


def test_every_command_of_the_page_is_run() -> None:
    sections = re.findall(r'shell\.run\("(.+?)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert {section for section, text in SECTIONS.items() if "```sh\n" in text} == {"Export", *sections}


def test_expected_output_of_the_page(expected: Statistics) -> None:
    """The tolerance covers the differences between JPEG decoders."""
    assert_close(parse_statistics(block("Expected output", "text")), expected, tolerance=1e-2)


def test_bounds_of_the_page() -> None:
    rows = re.findall(
        r"^\| (extractor|objective|painter)(?:, (\w+))? \|" + r" (.+) \|" * 4 + "$", PAGE, flags=re.MULTILINE
    )
    bounds = {
        (kind, precision or "fp32"): {
            quantity: float(bound)
            for quantity, bound in zip(("features", "loss", "gradient", "image"), values, strict=True)
            if bound != "–"
        }
        for kind, precision, *values in rows
    }
    assert bounds == TOLERANCES


def test_bounds_of_other_runtimes() -> None:
    rows = re.findall(
        r"^\| `--runtime (\w+)(?: --precision (\w+))?` \| (.+) \| (.+) \| (.+) \|$", PAGE, flags=re.MULTILINE
    )
    bounds = {
        Execution(runtime, precision or "fp32"): dict(
            zip(("features", "loss", "gradient"), map(float, values), strict=True)
        )
        for runtime, precision, *values in rows
    }
    assert bounds == RUNTIME_TOLERANCES


def test_inspect_and_verify(shell: Shell) -> None:
    printed = shell.run("Inspect and verify")
    assert "extractor.onnx: OK" in printed
    manifest = json.loads((shell.folder / "objective.json").read_text())
    objective = SECTIONS["Inputs and outputs"].partition("### Objective")[2]
    rows = re.findall(r"^\| `(.+?)`(.*?) \| \(", objective, flags=re.MULTILINE)
    documented = [name for name, more in rows if more != ", …"]
    assert documented == [name for name in manifest["inputs"] if not name.startswith("gram/")]


def test_python(shell: Shell, expected: Statistics) -> None:
    assert_close(parse_statistics(shell.run("Python without PyTorch")), expected)


@pytest.mark.parametrize("program", ["features", "stylize", "paint"])
def test_python_programs_import_no_torch(program: str) -> None:
    tree = ast.parse((EXAMPLES / f"{program}.py").read_text(encoding="utf-8"))
    imports = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imports <= {"json", "sys", "numpy", "onnxruntime", "PIL", "features"}


def test_stylize(shell: Shell, backend: TorchBackend) -> None:
    """The first loss is that of the content image."""
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", shell.run("Your own optimiser"))]
    content, style = shell.image("cup.png"), shell.image("night.png")
    evaluation = objective_of(backend, content.numpy(), style.numpy())(content)
    assert losses[0] == pytest.approx(evaluation.loss, rel=1e-4)
    assert losses[-1] < 0.2 * losses[0]
    assert shell.image("result.png").shape == content.shape


def test_export_run(shell: Shell) -> None:
    shell.run("Style transfer without PyTorch")
    assert shell.image("coffee-night.png").shape == (1, 3, 32, 48)


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")
def test_paint_with_one_file(shell: Shell) -> None:
    printed = shell.run("Paint with one file")
    assert printed.count("evaluation 10 ") == 2
    result = shell.image("painted.png")
    assert result.shape == shell.image("cup.png").shape
    assert torch.equal(result, shell.image("painted-by-node.png"))
    config = TransferConfig(iterations=10, device="cpu", precision="fp32")
    expected = stylize(shell.folder / "cup.png", shell.folder / "night.png", config)
    assert abs(result - torch.from_numpy(expected.pixels)).mean() < 2 / 255


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and shutil.which("npm")), reason="needs Chromium and npm")
def test_paint_in_the_browser(shell: Shell, browser: Any) -> None:
    """The page paints what the painter paints elsewhere, up to the rounding of another runtime."""
    shell.run("Paint in the browser")
    with serving(make_static_server(shell.folder / "site")) as address:
        page = browser.new_page()
        page.goto(f"{address}paint.html?evaluations=3")
        for role, name in (("content", "cup.png"), ("style", "night.png")):
            page.set_input_files(f"#{role}", shell.folder / name)
        page.click("#start")
        page.wait_for_selector("body[data-status]", timeout=180_000)
        assert page.inner_text("#progress") == "3 evaluations"
        url = page.evaluate("document.getElementById('result').toDataURL()")
        page.close()
    with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        shown = np.asarray(image.convert("RGB"), np.int16)
    assert abs(shown - painted(shell, 3)).mean() < 2


def painted(shell: Shell, evaluations: int) -> np.ndarray:
    """Return what the painter of the page paints in Python, uint8 (H, W, 3)."""
    images = []
    for name in ("cup.png", "night.png"):
        with Image.open(shell.folder / name) as image:
            images.append(np.asarray(image.convert("RGB")))
    *_, last = OnnxPainter(shell.folder / "painter.onnx", "cpu").paint(*images, evaluations=evaluations)
    return last.image


def make_static_server(folder: Path) -> ThreadingHTTPServer:
    """Return a server of the files in a folder, on a free port."""
    return ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def test_pytorch(shell: Shell) -> None:
    program = [sys.executable, "-W", "ignore", "-c", block("Python with PyTorch", "python")]
    ran = subprocess.run(program, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"tensor\(\d.*\)\n", ran.stdout)


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")
def test_node(shell: Shell, expected: Statistics) -> None:
    assert_close(parse_statistics(shell.run("Node")), expected)


@pytest.mark.runtimes
@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("c++")), reason="needs cmake and a C++ compiler")
def test_cpp(shell: Shell, expected: Statistics) -> None:
    assert_close(parse_statistics(shell.run("C++ with LibTorch")), expected)


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("c++")), reason="needs cmake and a C++ compiler")
def test_cpp_with_onnx_runtime(shell: Shell, expected: Statistics) -> None:
    places = (Path(os.environ.get("ONNXRUNTIME", "/usr"), "include"), Path("/usr/include/onnxruntime"))
    if not any((place / "onnxruntime_cxx_api.h").exists() for place in places):
        pytest.skip("needs the headers of ONNX Runtime: set ONNXRUNTIME to the folder of a release")
    printed = shell.run("C++ with ONNX Runtime")
    assert_close(parse_statistics(printed), expected)
    assert "evaluation 10\n" in printed
    assert abs(shell.image("painted.ppm") * 255 - torch.from_numpy(painted(shell, 10)).permute(2, 0, 1)).mean() < 2


@pytest.mark.skipif(not shutil.which("dotnet"), reason="needs the .NET SDK")
def test_csharp(shell: Shell) -> None:
    assert "evaluation 10\n" in shell.run("C#")
    expected = torch.from_numpy(painted(shell, 10)).permute(2, 0, 1)
    assert abs(shell.image("painted-by-csharp.ppm") * 255 - expected).mean() < 2


def test_triton(shell: Shell) -> None:
    assert shell.run("Triton") == "models: a model repository with objective and extractor and painter\n"
