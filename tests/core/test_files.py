import errno
import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from core.artifacts.manifest import read_manifest
from core.cli.config_file import read_options
from core.errors import StyleTransferError, UsageError
from core.files import check_regular, check_writable, replacing, sha256_of, sha256_of_bytes
from core.image.embedded_record import read_record
from core.network.weight_sources import read_source


def test_replacing_preserves_the_old_file_after_a_failure(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="in the middle"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("in the middle")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_writes_to_a_hidden_folder_beside_the_target(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        assert temporary.name == path.name
        assert temporary.parent.parent == path.parent
        assert temporary.parent.name.startswith(".")
        temporary.write_text("first")
        temporary.with_suffix(".log").write_text("an encoder may write more files")
        assert not path.exists()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_replacing_leaves_no_new_folder_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError, match="in the middle"), replacing(tmp_path / "new" / "inner" / "a.txt"):
        raise RuntimeError("in the middle")
    assert list(tmp_path.iterdir()) == []


def test_replacing_leaves_a_folder_that_another_program_uses(tmp_path):
    with pytest.raises(RuntimeError, match="in the middle"), replacing(tmp_path / "new" / "inner" / "a.txt"):
        (tmp_path / "new" / "b.txt").touch()
        raise RuntimeError("in the middle")
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "b.txt"]


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot replace open files")
def test_replacing_does_not_disturb_readers_of_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("first")
    with path.open() as reader:
        with replacing(path) as temporary:
            temporary.write_text("second")
        assert reader.read() == "first"
    assert path.read_text() == "second"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "permissions"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_replacing_gives_the_default_permissions_even_if_the_encoder_replaces_the_file(tmp_path, umask, permissions):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a.txt") as temporary:
            other = temporary.with_name("other")
            other.touch(mode=0o600)
            other.replace(temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == permissions


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems flush folders")
def test_replacing_flushes_the_file_before_and_the_folder_after_the_replacement(tmp_path, monkeypatch):
    path, flushed = tmp_path / "a.txt", []

    def note(descriptor):
        flushed.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    with replacing(path) as temporary:
        temporary.write_text("text")
    assert flushed == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_replacing_reports_a_file_that_cannot_be_flushed(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(StyleTransferError, match=r"a\.txt: No space left on device; free some space"),
        replacing(tmp_path / "a.txt"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need a privilege on Windows")
def test_replacing_preserves_symbolic_links(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_replacing_refuses_folders_and_devices(tmp_path):
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(StyleTransferError, match="not a file"), replacing(path):
            pytest.fail("the block was entered")
    assert not Path(os.devnull).is_file()


def test_check_writable_accepts_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_writable("a.png") == Path("a.png")
    assert not list(tmp_path.iterdir())


def test_check_writable_reports_a_read_only_folder(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(UsageError, match=r"^cannot write .*a.png: Read-only file system; choose another folder$"):
        check_writable(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["a file", "a loop of symbolic links"])
def test_check_writable_names_what_is_no_folder(kind, tmp_path):
    parent = tmp_path / "parent"
    if kind == "a file":
        parent.touch()
    else:
        parent.symlink_to(parent)
    with pytest.raises(UsageError) as error:
        check_writable(parent / "new" / "a.png")
    assert str(error.value) == (
        f"cannot write {parent / 'new' / 'a.png'}: {parent} is {kind}, not a folder; choose another folder"
    )


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "new/" + "é" * 126 + ".png", "x" * 300 + "/a.png"])
def test_check_writable_refuses_names_that_are_too_long(tmp_path, name):
    with pytest.raises(UsageError, match=r"^cannot write .*png: File name too long; choose a shorter name$"):
        check_writable(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_check_writable_accepts_the_longest_name(tmp_path):
    path = check_writable(tmp_path / "new" / ("é" * 125 + "x.png"))
    with replacing(path) as temporary:
        temporary.touch()
    assert len(os.fsencode(path.name)) == 255
    assert path.is_file()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_check_writable_reports_a_folder_that_root_cannot_write():
    with pytest.raises(UsageError, match=r"cannot write /proc/self/new/a\.png"):
        check_writable("/proc/self/new/a.png")


def test_check_writable_refuses_devices():
    with pytest.raises(UsageError, match="is a device, not a file"):
        check_writable(os.devnull)


def test_check_writable_refuses_inputs(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    with pytest.raises(
        UsageError, match=r"^refusing to overwrite .*a\.png, which this run also reads or writes: choose"
    ):
        check_writable(path, inputs=[None, str(path)])


def test_sha256_of_a_file_and_of_bytes(tmp_path):
    """Of "abc" after FIPS 180-2, appendix B.1."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "a.bin").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a.bin") == sha256_of_bytes(b"abc") == expected


def test_sha256_of_equals_the_digest_of_the_contents(tmp_path):
    contents = bytes(range(256)) * 1000
    (tmp_path / "a.bin").write_bytes(contents)
    assert sha256_of(tmp_path / "a.bin") == hashlib.sha256(contents).hexdigest()


def test_check_regular_refuses_what_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    check_regular(tmp_path / "file", "a file")
    check_regular(tmp_path / "missing", "a file")
    for name, kind in (("fifo", "a FIFO"), ("link", "a FIFO"), (".", "a folder"), ("/dev/null", "a device")):
        with pytest.raises(UsageError, match=f"^--config x is not a regular file but {kind}"):
            check_regular(tmp_path / name, "--config x")


def test_no_input_of_a_run_waits_for_a_fifo(tmp_path):
    fifo = tmp_path / "fifo.onnx"
    os.mkfifo(fifo)
    readers = (read_options, read_manifest, lambda path: read_source(str(path), "vgg19"), read_record)
    for read in readers:
        with pytest.raises(UsageError, match=r"fifo\.onnx is not a regular file but a FIFO: name a file$"):
            read(fifo)
