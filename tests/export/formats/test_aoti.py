"""AOTInductor packages: equal to eager PyTorch, run only if trusted, refused in one sentence without a compiler."""

import shutil
from pathlib import Path

import pytest
import torch

from core.artifacts.content import content_state
from core.artifacts.extractors import open_extractor
from core.artifacts.manifest import read_manifest
from core.errors import StyleTransferError, UsageError
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.extractor import export_extractor
from support.export_command import refused, run

TAPS = ("relu1_1", "pool1", "relu2_1")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.mark.runtimes
@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="needs a C++ compiler")
def test_package_matches_float64_and_runs_only_if_trusted(tmp_path: Path) -> None:
    path = tmp_path / "e.aoti.pt2"
    ran = run("extractor", "-o", path, "--taps", ",".join(TAPS))
    assert (ran.exit_code, ran.stderr) == (0, "")
    manifest = read_manifest(path)
    assert (manifest.format, manifest.output_type, manifest.taps) == ("aoti", "dict", TAPS)
    assert manifest.parity["features"]["relative_l2"] < 1e-6
    assert content_state(path, manifest) == "unchanged"
    exact = load_vgg_features(load_weights("vgg19"), TAPS).double()
    extractor = open_extractor(path, "cpu", trusted=True)
    assert not extractor.differentiable
    for shape in ((1, 3, 16, 16), (2, 3, 37, 50)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        for tap, features in extractor(image).items():
            expected = exact(image.double())[tap]
            assert (features - expected).norm() < 1e-6 * expected.norm()
    with pytest.raises(UsageError, match=r"e\.aoti\.pt2 contains native code, which cannot be checked before it runs"):
        open_extractor(path)
    assert "contains native code" in refused("verify", path)
    verified = run("verify", path, "--trusted")
    assert (verified.exit_code, verified.stderr) == (0, "")


def test_missing_compiler_is_named_in_one_sentence(tmp_path: Path) -> None:
    from torch._inductor import config  # slow, so only in the process that needs it

    with (
        config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(StyleTransferError, match=r"^AOTInductor needs a C.* compiler, and there is none: install"),
    ):
        export_extractor(tmp_path / "e.aoti.pt2", load_weights("vgg19"), TAPS, format="aoti")
    assert list(tmp_path.iterdir()) == []
