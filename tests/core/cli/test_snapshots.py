"""Intermediate images never replace another file of the run, nor another image."""

from pathlib import Path

import pytest
from PIL import Image

from core.cli.config_file import read_options
from core.cli.snapshots import check_snapshots, snapshot_path
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from support.core_commands import transfer

CONFIG = TransferConfig(iterations=300, save_every=3)


def test_snapshot_path_has_at_least_four_digits() -> None:
    assert snapshot_path(Path("a", "o.png"), 7) == Path("a", "o-0007.png")
    assert snapshot_path(Path("o.png"), 12345) == Path("o-12345.png")


@pytest.mark.parametrize("name", ["o-0006.png", "o-0300.png"])
def test_a_file_with_the_name_of_an_intermediate_image_is_refused(name: str, tmp_path: Path) -> None:
    for exists in (False, True):
        with pytest.raises(UsageError, match=rf"refusing to overwrite .*{name}"):
            check_snapshots(tmp_path / "o.png", CONFIG, [None, tmp_path / name])
        if not exists:
            (tmp_path / name).touch()


def test_a_link_to_an_intermediate_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "o-0006.png").touch()
    (tmp_path / "photograph.png").symlink_to("o-0006.png")
    with pytest.raises(UsageError, match=r"refusing to overwrite .*o-0006\.png"):
        check_snapshots(tmp_path / "o.png", CONFIG, [tmp_path / "photograph.png"])


def test_an_image_of_another_program_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "o-0006.png")
    with pytest.raises(UsageError, match=r"o-0006\.png exists and is not a result of this program: move it, or choose"):
        check_snapshots(tmp_path / "o.png", CONFIG, [])


@pytest.mark.usefixtures("tiny_vgg")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_repeated_run_replaces_its_intermediate_images(
    suffix: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    files = ("-c", content_path, "-s", style_path, "-o", tmp_path / f"o{suffix}")
    for strength in (0.2, 0.8):
        ran = transfer(*files, "--image-size", 48, "--iterations", 4, "--save-every", 2, "--strength", strength)
        assert (ran.exit_code, ran.stderr.count("Warning")) == (0, 0), ran.stderr
        (snapshot, *_) = tmp_path.glob("o-*")
        assert read_options(snapshot)["strength"] == strength


@pytest.mark.parametrize("name", ["o-0301.png", "o-2024.png", "o-6.png", "o-00006.png", "o-0006.jpg", "other-0006.png"])
def test_names_that_no_intermediate_image_will_have_are_accepted(name: str, tmp_path: Path) -> None:
    check_snapshots(tmp_path / "o.png", CONFIG, [tmp_path / name])


def test_other_files_may_have_such_names_in_another_folder_or_without_intermediate_images(tmp_path: Path) -> None:
    check_snapshots(tmp_path / "new" / "o.png", CONFIG, [tmp_path / "o-0006.png"])
    check_snapshots(tmp_path / "o.png", CONFIG.with_options(save_every=0), [tmp_path / "o-0006.png"])
