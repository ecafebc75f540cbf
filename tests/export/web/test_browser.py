"""The page in headless Chromium."""

import functools
import json
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.image.reading import read_image
from core.image.resize import resample
from core.multiscale.preparation import GRADIENT_RATIO_AT_HALF
from core.network.vgg import load_vgg_features
from core.network.weights import Weights
from core.objective.content import detail_mask
from core.objective.weights import LossWeights
from export.web.page import write_page
from export.web.server import make_server
from support.backends import objective_of
from support.browser import Visit, contrast, serving, visit
from support.documented_exports import DEFAULT_OBJECTIVE, documented_export
from support.export_command import run
from support.images import CHROMIUM, EXAMPLES
from support.objectives import OPTIONS, exported_objective

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("npm") and CHROMIUM), reason="npm or chromium is not installed"),
]


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the default network and npm's package: do not change."""
    folder = tmp_path_factory.mktemp("page") / "page"
    objective = documented_export(tmp_path_factory, DEFAULT_OBJECTIVE)
    result = run("web", "-o", folder, "--objective", objective, "--examples", EXAMPLES)
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def opened(page_folder: Path, browser: Any) -> Iterator[Visit]:
    with serving(make_server(page_folder, 0)) as address:
        yield visit(browser, address)


def test_page_is_smaller_than_60_megabytes(page_folder: Path) -> None:
    assert sum(path.stat().st_size for path in page_folder.rglob("*")) < 60e6
    assert json.loads((page_folder / "page.json").read_text())["objective"]["content_taps"] == ["relu3_2", "relu4_2"]


def test_page_uses_threads_if_it_is_isolated(opened: Visit) -> None:
    assert opened.page.evaluate("crossOriginIsolated") is True
    threads = min(opened.page.evaluate("navigator.hardwareConcurrency"), 8)
    assert opened.page.inner_text("#backend") == f"WebAssembly, {threads} thread{'s' * (threads > 1)}"


def test_page_works_with_any_web_server_and_in_a_subfolder(page_folder: Path, browser: Any) -> None:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(page_folder.parent))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as address:
        opened = visit(browser, f"{address}page/")
        assert opened.page.inner_text("#backend") == "WebAssembly, 1 thread"
        opened.page.close()


def expected_evaluation(
    weights: Weights,
    content: torch.Tensor,
    style: torch.Tensor,
    image: torch.Tensor,
    *,
    content_factor: float = 1,
    style_factor: float = 1,
    tv_factor: float = 1,
) -> dict[str, torch.Tensor]:
    """Return the weighted losses of Gatys et al. and total variation with the default weights, and the gradient.

    The content counts more where it has detail, as by default.
    """
    config = TransferConfig()
    features = load_vgg_features(weights, (*config.content_layers, *config.style_layers)).double()
    loss_weights = LossWeights.of(config, weights.preprocessing.activation_scale)
    image = image.detach().requires_grad_(True)
    of_content, of_style, of_image = features(content), features(style), features(image)
    losses = {
        "content": content_factor
        * sum(
            weight
            * (detail_mask(of_content[tap], config.content_detail) * (of_image[tap] - of_content[tap]).square()).mean()
            for tap, weight in loss_weights.content.items()
        ),
        "style": style_factor
        * sum(
            weight * (gram(of_image[tap]) - gram(of_style[tap])).square().mean()
            for tap, weight in loss_weights.style.items()
        ),
    }
    squares = image.diff(dim=2).square().sum() + image.diff(dim=3).square().sum()
    losses["tv"] = tv_factor * loss_weights.tv * squares / image.numel()
    loss = losses["content"] + losses["style"] + losses["tv"]
    (gradient,) = torch.autograd.grad(loss, image)
    return {name: value.detach() for name, value in (losses | {"loss": loss, "gradient": gradient}).items()}


def gram(features: torch.Tensor) -> torch.Tensor:
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def evaluate(visit: Visit, images: list[np.ndarray], strength: float | None = None) -> dict[str, Any]:
    """Return losses and gradient that a page computes.

    `images` (1, 3, H, W) are content, style, the image to evaluate, and with a strength that of the comparison.
    """
    result: dict[str, Any] = visit.page.evaluate(
        """async ({ images, strength }) => {
            const revive = (image) => ({ ...image, pixels: Float32Array.from(image.pixels) });
            const [content, style, image, comparisonImage] = images.map(revive);
            const scales = { contentWeightScale: 8, tvWeightScale: 3 };
            const options = strength === null ? {} : { strength, comparisonImage, ...scales };
            const result = await styleTransfer.evaluate({ content, style, image, options });
            return { ...result, gradient: [...result.gradient] };
        }""",
        {
            "images": [
                {"height": pixels.shape[2], "width": pixels.shape[3], "pixels": pixels.ravel().tolist()}
                for pixels in images
            ],
            "strength": strength,
        },
    )
    return result


@pytest.mark.parametrize("strength", [None, 0.3, 0.7])
def test_evaluate_returns_loss_and_gradient_of_pytorch(
    opened: Visit, vgg19_weights: Weights, strength: float | None
) -> None:
    content = resample(read_image(EXAMPLES / "content" / "cat.jpg").pixels, (49, 34)).clip(0, 1)
    style = resample(read_image(EXAMPLES / "style" / "mosaic.jpg").pixels, (40, 45)).clip(0, 1)
    images = [content, style, np.random.default_rng(0).random(content.shape, dtype=np.float32)]
    images.append(1 - content)  # any image at which the gradients are compared
    expected_at = functools.partial(
        expected_evaluation, vgg19_weights, *(torch.from_numpy(pixels).double() for pixels in images[:2])
    )
    image, comparison = (torch.from_numpy(pixels).double() for pixels in images[2:])
    factors = {}
    if strength is not None:
        content_rms, style_rms = (
            float(expected_at(comparison, **others)["gradient"].square().mean().sqrt())
            for others in ({"style_factor": 0, "tv_factor": 0}, {"content_factor": 0})
        )
        balance = (GRADIENT_RATIO_AT_HALF * content_rms / style_rms) ** 0.5
        factors = {
            "content_factor": 8 * 4 * (1 - strength) ** 2,
            "style_factor": 4 * strength**2 * balance,
            "tv_factor": 3 * 4 * max(strength, 1 - strength) ** 2 * balance,
        }
    expected = expected_at(image, **factors)
    actual = evaluate(opened, images, strength)
    for part in ("loss", "content", "style", "tv"):
        assert actual[part] == pytest.approx(float(expected[part]), rel=1e-5), part
    gradient = expected["gradient"].numpy().ravel()
    assert np.linalg.norm(actual["gradient"] - gradient) < 1e-3 * np.linalg.norm(gradient)


def test_a_page_of_moments_evaluates_the_objective_of_python(
    page_folder: Path, browser: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    objective = exported_objective(tmp_path_factory, style_loss="moments")
    write_page(tmp_path / "page", objective, runtime=page_folder / "ort")
    generator = np.random.default_rng(0)
    content, style, image = (
        generator.random((1, 3, *sides), dtype=np.float32) for sides in ((34, 49), (45, 40), (34, 49))
    )
    config = TransferConfig(**OPTIONS, style_loss="moments", device="cpu", precision="fp32")
    expected = objective_of(TorchBackend(config), content, style)(torch.from_numpy(image))
    with serving(make_server(tmp_path / "page", 0)) as address:
        opened = visit(browser, address)
        actual = evaluate(opened, [content, style, image])
        opened.page.close()
    assert actual["style"] == pytest.approx(expected.parts["style"], rel=1e-4)
    assert actual["loss"] == pytest.approx(expected.loss, rel=1e-4)
    gradient = expected.gradient.numpy().ravel()
    assert np.linalg.norm(actual["gradient"] - gradient) < 1e-3 * np.linalg.norm(gradient)


def test_run_displays_and_saves_the_result(opened: Visit, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    page = opened.page
    opened.choose(content_path, style_path)
    page.wait_for_selector("#canvas[aria-label='The content image']")
    content = opened.canvas()
    page.fill("#strength", "90")
    page.click("#run:enabled")
    page.wait_for_selector("#losses:visible")
    first = opened.loss()
    opened.wait_for_status("^Finished after 10 evaluations in ")
    assert opened.loss() < 0.5 * first
    assert opened.loss() == pytest.approx(sum(map(opened.loss, ("content", "style", "tv"))), rel=0.01)
    assert len(page.get_attribute("#curve polyline", "points").split()) > 5
    with page.expect_download() as download:
        page.click("#save:enabled")
    assert download.value.suggested_filename == "cup-night.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        assert saved.size == (64, 43)
        result = np.asarray(saved.convert("RGB"))
    assert np.array_equal(result, opened.canvas())
    # The content image is brown, the style image blue.
    assert content[..., 0].mean() > content[..., 2].mean() + 30
    assert result[..., 2].mean() > result[..., 0].mean()


def test_stop_returns_the_best_image(opened: Visit, content_path: Path, style_path: Path) -> None:
    page = opened.page
    opened.choose(content_path, style_path, evaluations=390)
    page.click("#run:enabled")
    opened.wait_for_status("^Evaluation .* of 390, about .* left$")
    assert page.is_disabled("#run")
    page.click("#stop:enabled")
    opened.wait_for_status("^Stopped after")
    page.wait_for_selector("#save:enabled")
    assert opened.canvas().shape == (43, 64, 3)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (None, "notes.png cannot be read by this browser: choose a JPEG or PNG file."),
        ((20, 15), "notes.png has 20 × 15 pixels: choose an image with at least 16 pixels per side."),
    ],
)
def test_choosing_an_unsuitable_file_displays_an_error(
    opened: Visit, tmp_path: Path, size: tuple[int, int] | None, message: str
) -> None:
    path = tmp_path / "notes.png"
    if size is None:
        path.write_text("no image")
    else:
        Image.new("RGB", size).save(path)
    opened.page.set_input_files("#content-file", path)
    opened.page.locator("#error", has_text=message).wait_for()


def test_choosing_an_example_displays_it(opened: Visit) -> None:
    button = opened.page.get_by_role("button", name="cat", exact=True)
    button.click()
    opened.page.wait_for_selector("#content-examples button[aria-pressed=true]")
    assert button.get_attribute("aria-pressed") == "true"
    assert opened.canvas().shape == (300, 451, 3)


def test_every_control_has_an_accessible_name(opened: Visit) -> None:
    session = opened.page.context.new_cdp_session(opened.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "textbox", "progressbar", "image", "alert", "group", "form", "region")
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles and not node["ignored"]]
    names = [node.get("name", {}).get("value") for node in controls]
    assert len(names) > 10
    assert all(names), [node["role"]["value"] for node, name in zip(controls, names, strict=True) if not name]
    for name in ("Choose the content image", "Size", "Style strength", "Evaluations", "Run", "Stop", "Save"):
        assert name in " ".join(names)


def test_every_control_is_reached_by_the_keyboard(opened: Visit, content_path: Path, style_path: Path) -> None:
    opened.choose(content_path, style_path)
    opened.page.wait_for_selector("#run:enabled")
    opened.page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        opened.page.keyboard.press("Tab")
        reached.add(opened.page.evaluate("document.activeElement.id"))
    assert {"content-file", "style-file", "size", "strength", "evaluations", "run"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_with_readable_text(opened: Visit, scheme: str) -> None:
    # Without motion, because colours would be read during the transition between the schemes.
    opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened.page.set_viewport_size({"width": 360, "height": 740})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    texts = ("h1", "header p", "h2", ".slider label", ".slider output", "#status", "footer p", "#save", "#run")
    for selector in texts:
        color, background = opened.page.eval_on_selector(
            selector,
            """(element) => {
                let behind = element;
                while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
                return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
            }""",
        )
        assert contrast(color, background) >= 4.5, selector


def test_icon_has_the_primary_color(opened: Visit) -> None:
    opened.page.emulate_media(color_scheme="light")  # as the page was opened
    icon = opened.page.get_attribute("link[rel=icon]", "href")
    primary = opened.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--primary')")
    assert icon.startswith("data:image/svg+xml,%3Csvg")
    assert primary.replace("#", "%23") in icon


def test_page_requests_nothing_from_other_hosts_and_logs_no_errors(opened: Visit) -> None:
    """In the tests above."""
    others = [url for url in opened.requests if not url.startswith((opened.address, "blob:", "data:"))]
    assert len(opened.requests) > 20
    assert others == []
    assert opened.errors == []
