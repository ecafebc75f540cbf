import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.temporary_folder import temporary_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no locks for folders")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that has a temporary folder with a file in `tmp_path`."""
    program = f"""
        import time
        from pathlib import Path
        from core.temporary_folder import temporary_folder
        with temporary_folder(Path({str(tmp_path)!r})) as folder:
            (folder / "half").touch()
            print("ready", flush=True)
            time.sleep(60)
        """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_folder_is_removed_with_its_files(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_program_is_removed_by_the_next(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    (abandoned,) = tmp_path.iterdir()
    with temporary_folder(tmp_path) as folder:
        assert sorted(tmp_path.iterdir()) == sorted([abandoned, folder])
    holder.kill()
    holder.wait()
    assert (abandoned / "half").exists()
    with temporary_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_folders_in_use_by_this_program_are_not_removed(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_only_folders_with_the_prefix_are_removed(tmp_path: Path) -> None:
    names = {".style-transfer-of-a-killed-program": False, ".style-transfer-link": True, ".style": True}
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in names:
        (tmp_path / name).symlink_to(kept) if name.endswith("link") else (tmp_path / name).mkdir()
    with temporary_folder(tmp_path):
        assert {name: (tmp_path / name).exists() for name in names} == names
    assert kept.exists()
