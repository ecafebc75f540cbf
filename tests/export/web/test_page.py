"""Writing a page."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from core.artifacts.manifest import metadata_props, read_manifest
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import sha256_of
from core.network.weights import Weights
from core.webapp.theme import scheme_css
from export.web import runtime
from export.web.page import write_page
from support.browser import contrast
from support.export_command import refused, run
from support.javascript import STATIC


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_write_page_writes_the_listed_files_and_no_others(page_folder: Path) -> None:
    settings = json.loads((page_folder / "page.json").read_text())
    assert files_in(page_folder) == {"page.json", *settings["files"]}
    assert all(sha256_of(page_folder / name) == checksum for name, checksum in settings["files"].items())
    assert {path.name for path in STATIC.iterdir()} < files_in(page_folder)
    assert {f"ort/{name}" for name in runtime.FILES} < files_in(page_folder)
    assert "objective.onnx" in settings["files"]
    assert list(page_folder.parent.iterdir()) == [page_folder]


def test_write_page_returns_the_settings(tmp_path: Path, shallow_objective: Path, runtime_stub: Path) -> None:
    settings = write_page(tmp_path / "page", shallow_objective, runtime=runtime_stub)
    assert settings["examples"] == {}
    assert json.loads((tmp_path / "page" / "page.json").read_text()) == json.loads(json.dumps(settings))


def test_write_page_without_an_objective_exports_the_default_one(
    tmp_path: Path, shallow_objective: Path, runtime_stub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = []

    def copy_shallow_objective(
        path: Path, weights: Weights, *layers: Sequence[str], style_loss: str, checksum: bool
    ) -> None:
        exported.append((weights.arch, *layers, style_loss))
        shutil.copy(shallow_objective, path)

    monkeypatch.setattr("export.objective.export.export_objective", copy_shallow_objective)
    settings = write_page(tmp_path / "page", runtime=runtime_stub)
    config = TransferConfig()
    assert exported == [(config.arch, config.content_layers, config.style_layers, config.style_loss)]
    assert "objective.onnx" in settings["files"]


def test_write_page_replaces_a_page(
    page_folder: Path, tmp_path: Path, shallow_objective: Path, runtime_stub: Path
) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page_folder, folder)
    write_page(folder, shallow_objective, runtime=runtime_stub)
    assert not (folder / "examples").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_write_page_leaves_a_page_unchanged_if_it_fails(
    page_folder: Path, tmp_path: Path, shallow_objective: Path
) -> None:
    folder, empty = tmp_path / "page", tmp_path / "empty"
    shutil.copytree(page_folder, folder)
    empty.mkdir()
    message = refused("web", "-o", folder, "--objective", shallow_objective, "--onnxruntime-web", empty)
    assert message.startswith(f"{empty} does not contain ort.wasm.min.mjs")
    assert files_in(folder) == files_in(page_folder)
    assert set(tmp_path.iterdir()) == {folder, empty}


@pytest.mark.parametrize("folder", ["file/page", "loop/page"])
def test_write_page_refuses_a_folder_that_it_cannot_create_before_the_export(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.delattr("export.objective.export.export_objective")
    with pytest.raises(UsageError, match=r"cannot write .*, not a folder; choose another folder$"):
        write_page(tmp_path / folder)


@pytest.mark.parametrize("argument", ["objective", "runtime", "examples"])
def test_write_page_refuses_an_input_in_the_folder_that_it_replaces(argument: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"refusing to replace .*page, which contains the input"):
        write_page(tmp_path / "page", **{argument: tmp_path / "page" / "examples"})


def test_web_command_names_the_page(tmp_path: Path, shallow_objective: Path, runtime_stub: Path) -> None:
    result = run("web", "-o", tmp_path / "page", "--objective", shallow_objective, "--onnxruntime-web", runtime_stub)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'page'}: a page, ")


def test_web_command_rejects_a_missing_objective(tmp_path: Path, runtime_stub: Path) -> None:
    missing = tmp_path / "missing.onnx"
    message = refused("web", "-o", tmp_path / "page", "--objective", missing, "--onnxruntime-web", runtime_stub)
    assert message.startswith("there is no artifact")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"size": (48, 64)}, "accepts only images of 48 x 64 pixels, batch 1, and a page has images of all sizes"),
        (
            {"inputs": {"mask/relu1_1": "float32"}},
            "has inputs for regions, and a page has none: export one without",
        ),
        (
            {"style_loss": "nearest"},
            "has the style loss nearest, whose targets a page cannot compute: export one with another style loss",
        ),
    ],
)
def test_write_page_refuses_an_objective_that_a_page_cannot_use(
    changed: dict, sentence: str, tmp_path: Path, shallow_objective: Path, runtime_stub: Path
) -> None:
    model = onnx.load(shallow_objective)
    onnx.helper.set_model_props(model, metadata_props(replace(read_manifest(shallow_objective), **changed)))
    onnx.save(model, tmp_path / "objective.onnx")
    with pytest.raises(UsageError, match=sentence):
        write_page(tmp_path / "page", tmp_path / "objective.onnx", runtime=runtime_stub)
    assert not (tmp_path / "page").exists()


def test_modules_import_only_files_of_the_page() -> None:
    names = {path.name for path in STATIC.iterdir()}
    for path in STATIC.glob("*.js"):
        imported = re.findall(r'^import .* from "\./(.+)";$', path.read_text(), re.MULTILINE)
        assert set(imported) <= names, path.name
        assert path.read_text().count("\nimport ") + path.read_text().startswith("import ") == len(imported), path.name


def test_the_page_has_the_colors_of_the_theme(page_folder: Path) -> None:
    assert (page_folder / "theme.css").read_text() == scheme_css()
    html = (page_folder / "index.html").read_text()
    assert html.index('href="theme.css"') < html.index('href="style.css"')


def test_theme_colors_are_defined_once() -> None:
    """Those of all pages in Python, and the others as custom properties at the top of the style sheet."""
    style = (STATIC / "style.css").read_text()
    variables = re.findall(r"^ +--[\w-]+: .*$", style, re.MULTILINE)
    shared = set(re.findall(r"#[0-9a-f]{6}\b", scheme_css()))
    own = {color for line in variables for color in re.findall(r"#[0-9a-f]{6}\b", line)}
    rest = [line for line in style.splitlines() if line not in variables]
    assert len(shared) == 10
    assert len(own) >= 8
    assert not shared & own
    assert not [line for line in rest if re.search(r": .*#[0-9a-f]{3,8}\b", line)]
    for path in STATIC.iterdir():
        if path.name != "style.css":
            assert not (shared | own) & set(re.findall(r"#[0-9a-f]{6}\b", path.read_text())), path.name


def test_variables_of_the_style_sheet_are_defined() -> None:
    style = (STATIC / "style.css").read_text()
    used = {name for path in STATIC.iterdir() for name in re.findall(r"var\((--[\w-]+)", path.read_text())}
    defined = set(re.findall(r"(--[\w-]+):", scheme_css() + style))
    assert used - defined == {"--shape"}  # set by output.js
    assert defined - used == {"--secondary-background"}  # of Streamlit only


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_is_readable_in_both_schemes(scheme: int) -> None:
    """Contrasts of at least 4.5, level AA of WCAG 2, where style.css sets a text colour on a background."""
    colors: dict[str, str] = {}
    for css in (scheme_css(), (STATIC / "style.css").read_text()):
        rules = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
        for name, value in re.findall(r"--([\w-]+): (#\w+);", rules[scheme]):
            colors[name] = value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])

    def rgb(name: str, share: float = 1, other: str = "text") -> str:
        pairs = [(int(colors[name][i : i + 2], 16), int(colors[other][i : i + 2], 16)) for i in (1, 3, 5)]
        return f"rgb({', '.join(str(share * first + (1 - share) * second) for first, second in pairs)})"

    for text in ("text", "soft", "warning", "primary"):
        for background in ("background", "surface"):
            assert contrast(rgb(text), rgb(background)) >= 4.5, (text, background)
    assert contrast(rgb("primary-text"), rgb("primary")) >= 4.5
    assert contrast(rgb("primary-text"), rgb("primary", 0.88, "text")) >= 4.5  # button.main:hover
    assert contrast(rgb("primary"), rgb("primary", 0.1, "surface")) >= 4.5  # .drop.over
