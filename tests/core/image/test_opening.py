"""Which files are opened."""

import os
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, PngImagePlugin

from core.errors import UsageError
from core.image.embedded_record import read_record
from core.image.reading import read_image, read_mask, read_size
from support.image_files import HEIGHT, WIDTH, png_16_bit


@pytest.mark.parametrize("suffix", ["eps", "ppm", "tga", "jp2", "avif", "ico"])
def test_only_documented_formats_are_decoded(tmp_path, colors, suffix, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_args, **_kwargs: pytest.fail("Ghostscript was started"))
    Image.fromarray(colors).save(tmp_path / f"a.{suffix}")
    path = (tmp_path / f"a.{suffix}").rename(tmp_path / "photo.png")
    for read in (read_image, read_size, read_mask):
        with pytest.raises(UsageError, match=r"photo\.png is not a JPEG, PNG, WebP, TIFF, BMP or GIF image"):
            read(path)
    assert read_record(path) is None


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a FIFO"), ("/dev/zero", "a device or a socket"), (tmp_path, "a folder")):
        for read in (read_image, read_size, read_mask, read_record):
            with pytest.raises(UsageError, match=f"{path} is not a regular file but {kind}: name a file"):
                read(path)


def test_long_texts_and_profiles_are_read(tmp_path, rng):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    text = b"Comment\0\0" + zlib.compress(bytes(2**21))
    profile = b"p\0\0" + zlib.compress(b"not a profile" * 2**18)
    (tmp_path / "a.png").write_bytes(png_16_bit(samples, (b"zTXt", text), (b"iCCP", profile)).read())
    assert read_image(tmp_path / "a.png").size == (WIDTH, HEIGHT)
    metadata = PngImagePlugin.PngInfo()
    metadata.add_text("Comment", "x" * 2**21)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "b.png", pnginfo=metadata)
    assert read_image(tmp_path / "b.png").size == (WIDTH, HEIGHT)
