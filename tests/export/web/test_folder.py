"""Recognising and replacing the folder of a page."""

import hashlib
import json
from pathlib import Path

import pytest

from core.errors import StyleTransferError, UsageError
from export.web.folder import check_replaceable, read_settings, replacing_folder, size_of


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "ort").mkdir(parents=True)
    contents = {"ort/a.mjs": b"a" * 1_000_000, "index.html": b"b" * 500_000}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    (folder / "page.json").write_text(json.dumps({"objective": {}, "files": checksums}))
    return folder


def test_size_of_adds_files_in_subfolders(page: Path) -> None:
    assert size_of(page) == "1.5 MB"


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"files": {}}'])
def test_read_settings_rejects_a_folder_without_a_page(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "page.json").write_text(content)
    with pytest.raises(UsageError) as error:
        read_settings(tmp_path)
    assert str(error.value) == f"{tmp_path} is not a page written by python -m export web: choose another folder"


def test_check_replaceable_accepts_a_page_an_empty_folder_and_a_new_one(page: Path, tmp_path: Path) -> None:
    check_replaceable(page)
    check_replaceable(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty")


def test_check_replaceable_rejects_other_files(page: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="notes is not a page"):
        check_replaceable(tmp_path / "notes")
    (page / "ort" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError) as error:
        check_replaceable(page)
    assert str(error.value) == (
        f"refusing to overwrite {page}: it contains ort/mine.txt, which is not part of a page; choose another folder"
    )
    with pytest.raises(UsageError, match="is a file: choose a folder for the page"):
        check_replaceable(page / "ort" / "mine.txt")


def test_check_replaceable_rejects_a_page_that_was_edited(page: Path) -> None:
    (page / "index.html").write_text("mine")
    with pytest.raises(UsageError) as error:
        check_replaceable(page)
    assert str(error.value) == (
        f"refusing to overwrite {page}: index.html has changed since the page was written; move this file, or choose "
        "another folder"
    )
    (page / "index.html").unlink()
    check_replaceable(page)


def test_paths_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    loop, file = tmp_path / "loop", tmp_path / "file"
    loop.symlink_to(loop)
    file.touch()
    for folder, problem in ((loop, "Too many levels of symbolic links"), (file / "page", "Not a directory")):
        with (
            pytest.raises(UsageError, match=f"cannot be used: {problem}; choose another path"),
            replacing_folder(folder),
        ):
            raise AssertionError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_replacing_folder_replaces_the_whole_folder(page: Path) -> None:
    with replacing_folder(page) as temporary:
        (temporary / "new.txt").write_text("new")
        assert (page / "index.html").exists()
    assert [path.name for path in page.iterdir()] == ["new.txt"]
    assert list(page.parent.iterdir()) == [page]


def test_replacing_folder_leaves_no_new_folder_if_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(UsageError), replacing_folder(tmp_path / "new" / "page"):
        raise UsageError("no")
    assert list(tmp_path.iterdir()) == []


def test_replacing_folder_keeps_the_folder_if_the_block_fails(page: Path) -> None:
    with (
        pytest.raises(StyleTransferError, match=r"cannot write .*: disk full; free disk space"),
        replacing_folder(page),
    ):
        raise OSError(28, "disk full")
    assert (page / "index.html").exists()
    assert list(page.parent.iterdir()) == [page]
