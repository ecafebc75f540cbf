"""TorchScript archives: features of an extractor, and refusal of any other program before it runs."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.artifacts.extractors import open_extractor
from core.artifacts.manifest import EXTRA_FILE, read_manifest
from core.artifacts.torchscript import load_checked
from core.errors import UsageError
from support.archives import rewrite_archive

Exported = Callable[..., Path]

NOT_AN_EXTRACTOR = "FILE does not contain the program of an extractor: export it again"
IMAGE = torch.rand((1, 3, 32, 48), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_checked_program_equals_the_unchecked_one(precision: str, exported: Exported) -> None:
    path = exported("torchscript", precision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.jit.load(path)(IMAGE)
        found = load_checked(path, "cpu")(IMAGE)
    assert [*found] == [*expected]
    assert all(torch.equal(found[tap], expected[tap]) for tap in expected)


class WritesInForward(nn.Module):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        torch.save(image, "trace")
        return {"relu1_1": image}


class ReadsInForward(nn.Module):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"relu1_1": torch.from_file("trace", True, 4)}


class WritesInOtherMethod(nn.Module):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"relu1_1": torch.relu(image)}

    @torch.jit.export
    def other(self, image: Tensor) -> None:
        torch.save(image, "trace")


class WritesWhenLoaded(nn.Module):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"relu1_1": torch.relu(image)}

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return torch.zeros(1), self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        torch.save(state[0], "trace")
        self.training = state[1]


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        open_extractor(path, "cpu")
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("program", [WritesInForward, ReadsInForward, WritesInOtherMethod, WritesWhenLoaded])
def test_programs_that_use_files_are_refused_before_they_run(
    program: type[nn.Module], exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved, trace = tmp_path / "saved.pt", tmp_path / "trace"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(program())
        torch.jit.save(scripted, saved, _extra_files={EXTRA_FILE: read_manifest(exported("torchscript")).to_json()})
        if program is WritesWhenLoaded:
            torch.jit.load(saved)
            assert trace.exists()  # loading would be detected
            trace.unlink()
    path = rewrite_archive(saved, tmp_path / "bad.pt", lambda _, content: content)  # without compression
    assert refusal(path) == NOT_AN_EXTRACTOR
    assert not trace.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"torch.relu(", b"torch.save("),
        (b"torch.relu(", b"ops.aten.relu("),
        (b"-> Dict[str, Tensor]", b"-> Dict[str, str]"),
        (b"-> Dict[str, Tensor]", b"-> Tuple[Tensor, str]"),
        (b"    ordered = torch.flip(", b"    torch = image\n    ordered = torch.flip("),
        (b"    ordered = torch.flip(", b"    annotate = torch.save\n    ordered = torch.flip("),
        (b"    ordered = torch.flip(", b"    import os\n    ordered = torch.flip("),
        (b"[1, 1], [1, 1])", b"[1, 1], [100000, 100000])"),
        (b"    return features", b"    while True:\n      pass\n    return features"),
        (b'"relu1_1"', b'"relu1_1\\n"'),
        (b"CONSTANTS.c0", b"CONSTANTS.c" + b"9" * 30),
        (b"    return features", b"    values0 = torch.relu(values0)\n" * 600 + b"    return features"),
        (b"    return features", b"    " + b"(" * 5000),
        (b"    return features", b"    x = " + b"[" * 90 + b"]" * 90 + b"\n" + b"#" * 70_000),
        (b"class VGGFeatures", b"# coding: utf-7\nclass \xff"),
    ],
)
def test_other_statements_are_refused(old: bytes, new: bytes, exported: Exported, tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(old, new) if name.endswith(".py") else content

    path = rewrite_archive(exported("torchscript"), tmp_path / "bad.pt", change)
    assert refusal(path) == NOT_AN_EXTRACTOR


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ctorch\nFloatStorage\n", b"cos\nsystem\n"),
        (b"(K\x40K\x03K\x03K\x03t(K\x1bK\x09K\x03K\x01t", b"(K\x40K\xffK\xffK\x03t(K\0K\0K\0K\0t"),
        (b"(K\x40K\x03K\x03K\x03t(K\x1b", b"(K\x40K\x03K\x03K\x03t(K\xff"),
        (b"\x80\x02", b"\x80\x02r\xff\xff\xff\x7f"),
        (b".", b""),
    ],
)
def test_other_constants_are_refused(old: bytes, new: bytes, exported: Exported, tmp_path: Path) -> None:
    """Another class, a tensor that repeats its numbers or exceeds them, a long memo table, a truncated pickle."""

    def change(name: str, content: bytes) -> bytes:
        return content.replace(old, new, 1) if name.endswith("constants.pkl") else content

    path = rewrite_archive(exported("torchscript"), tmp_path / "bad.pt", change)
    assert refusal(path) == NOT_AN_EXTRACTOR


def test_a_storage_with_missing_bytes_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = rewrite_archive(
        exported("torchscript"),
        tmp_path / "bad.pt",
        lambda name, content: content[:-4] if name.endswith("constants/2") else content,
    )
    assert refusal(path) == NOT_AN_EXTRACTOR


def test_a_program_without_a_layer_of_its_manifest_is_refused(exported: Exported, tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b'"relu2_1", values6', b'"relu9_9", values6') if name.endswith(".py") else content

    path = rewrite_archive(exported("torchscript"), tmp_path / "bad.pt", change)
    assert refusal(path).startswith("FILE computes {'relu1_1': ")
