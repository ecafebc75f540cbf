"""The files of options, their check before a run, and warnings of changed files."""

from pathlib import Path

import pytest

from core.cli.input_files import check_readable, files_of_options, warn_of_changes
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import sha256_of
from core.styles import Style


def test_files_of_options_are_those_that_a_run_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.pth").touch()
    config = TransferConfig(init="i.png", weights="w.pth", objective="o.onnx")
    names = {str(path) for path in files_of_options(config, Path("run.toml"))}
    assert names == {"i.png", "w.pth", "o.onnx", "o.onnx.sha256", "run.toml"}
    config = TransferConfig(init="i.png", weights="w.pth", extractor="e.onnx", objective="o.onnx")
    names = {str(path) for path in files_of_options(config, None)}
    assert names == {"i.png", "w.pth", "e.onnx", "e.onnx.sha256", "o.onnx", "o.onnx.sha256"}
    Path("w.pth").unlink()  # artifacts replace it
    names = {str(path) for path in files_of_options(config, None)}
    assert names == {"i.png", "e.onnx", "e.onnx.sha256", "o.onnx", "o.onnx.sha256"}
    assert files_of_options(TransferConfig(init="noise", weights="torchvision"), None) == ()


def test_check_readable_names_a_missing_mask_and_a_missing_initial_image(style_path: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.png"
    check_readable([Style((style_path,), region=style_path)], TransferConfig(init=style_path))
    with pytest.raises(UsageError, match=r"region mask .*none\.png does not exist"):
        check_readable([Style((style_path,), region=missing)], TransferConfig())
    with pytest.raises(UsageError, match=r"--init .*none\.png does not exist"):
        check_readable([Style((style_path,))], TransferConfig(init=missing))


def test_warn_of_changes_names_the_files_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same, changed, removed, other = (tmp_path / name for name in ("same", "changed", "removed", "other"))
    for path in (same, changed, removed, other):
        path.write_text("first")
    checksums = {str(path): sha256_of(path) for path in (same, changed, removed)}
    changed.write_text("second")
    removed.unlink()
    warn_of_changes({"checksums": checksums}, [same, str(changed), removed, other, None])
    assert capsys.readouterr() == (
        "",
        f"Warning: {changed} has changed since the run that --config records, so the result will differ\n",
    )
