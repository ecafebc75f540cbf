import errno
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from core.errors import StyleTransferError, UsageError
from core.image.reading import read_image
from core.image.writing import check_output, quantize, to_image, write_image
from support.image_files import CARRIERS, HEIGHT, WIDTH, as_rows, smooth_pixels


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_quantize_rounds_to_the_values_of_a_file(pixels, bit_depth):
    top = 2**bit_depth - 1
    spread = pixels * 1.2 - 0.1
    result = quantize(spread, bit_depth)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, spread.clip(0, 1), atol=0.51 / top, rtol=0)
    levels = result.astype(np.float64) * top
    np.testing.assert_allclose(levels, levels.round(), atol=0.01, rtol=0)
    np.testing.assert_array_equal(quantize(result, bit_depth), result)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.tiff", "a.bmp", "deep/er/a.png"])
def test_quantize_equals_reading_back_a_lossless_file(tmp_path, pixels, name):
    write_image(tmp_path / name, pixels)
    np.testing.assert_array_equal(read_image(tmp_path / name).pixels, quantize(pixels))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), np.asarray(to_image(pixels)))


def test_write_image_writes_lossless_webp_at_quality_100(tmp_path, pixels):
    write_image(tmp_path / "a.webp", pixels, quality=100)
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp").pixels, quantize(pixels))


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_write_image_uses_the_quality_of_lossy_formats(tmp_path, suffix):
    fine, coarse = tmp_path / f"fine.{suffix}", tmp_path / f"coarse.{suffix}"
    write_image(fine, smooth_pixels())
    write_image(coarse, smooth_pixels(), quality=20)
    error = [np.abs(read_image(path).pixels - smooth_pixels()).mean() for path in (fine, coarse)]
    assert error[0] < 0.01
    assert error[0] < error[1] < 0.05
    assert coarse.stat().st_size < fine.stat().st_size


def test_write_image_does_not_subsample_chroma_of_jpeg(tmp_path):
    stripes = np.zeros((1, 3, 32, 32), np.float32)
    stripes[0, 0, :, ::2] = 1
    stripes[0, 2, :, 1::2] = 1
    write_image(tmp_path / "a.jpg", stripes, quality=100)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").pixels, stripes, atol=0.03)


@pytest.mark.parametrize(("suffix", "bit_depth"), [("png", 8), ("png", 16), ("tif", 8), ("tif", 16), ("webp", 8)])
def test_write_image_writes_alpha(tmp_path, pixels, alpha, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, alpha=alpha, bit_depth=bit_depth, quality=100)
    with Image.open(path) as image:
        assert image.mode == "RGBA"
    loaded = read_image(path)
    tolerance = 1e-6 if bit_depth == 8 else 1.01 / 255
    share = quantize(alpha, bit_depth)
    np.testing.assert_allclose(loaded.alpha, share, atol=tolerance)
    over_white = quantize(pixels, bit_depth) * share + 1 - share
    np.testing.assert_allclose(loaded.pixels, over_white, atol=2 * tolerance)


@pytest.mark.parametrize("suffix", ["jpg", "bmp"])
def test_write_image_composites_over_white_in_formats_without_alpha(tmp_path, suffix):
    alpha = smooth_pixels()[:, 1:2]
    write_image(tmp_path / f"a.{suffix}", smooth_pixels(), alpha=alpha)
    loaded = read_image(tmp_path / f"a.{suffix}")
    assert loaded.alpha is None
    np.testing.assert_allclose(loaded.pixels, smooth_pixels() * alpha + 1 - alpha, atol=0.05)


@pytest.mark.parametrize("channels", [3, 4])
def test_write_image_writes_16_bit_tiff(tmp_path, pixels, alpha, channels):
    write_image(tmp_path / "a.tif", pixels, alpha=alpha if channels == 4 else None, bit_depth=16)
    samples = tifffile.imread(tmp_path / "a.tif")
    expected = np.concatenate([pixels, alpha], 1)[:, :channels].astype(np.float64) * 65535
    assert samples.dtype == np.uint16
    np.testing.assert_allclose(samples, as_rows(expected), atol=0.51)


@pytest.mark.parametrize("channels", [3, 4])
def test_write_image_writes_16_bit_png(tmp_path, pixels, alpha, channels):
    """The test decodes the file itself (PNG, sections 5 and 9), because Pillow reads 8 bits only."""
    path = tmp_path / "a.png"
    write_image(path, pixels, alpha=alpha if channels == 4 else None, bit_depth=16, record="{}")
    data, chunks, at = path.read_bytes(), [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(body)
        chunks.append((body[:4], body[4:]))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"iCCP", b"iTXt", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (WIDTH, HEIGHT, 16, 2 if channels == 3 else 6, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[3][1]), np.uint8).reshape(HEIGHT, -1)
    assert (lines[:, 0] == 2).all()  # filter Up: add the row above
    rebuilt = np.add.accumulate(lines[:, 1:], axis=0, dtype=np.uint8)
    samples = np.frombuffer(rebuilt.tobytes(), ">u2").reshape(HEIGHT, WIDTH, channels)
    expected = np.concatenate([pixels, alpha], 1)[:, :channels].astype(np.float64) * 65535
    np.testing.assert_allclose(samples, as_rows(expected), atol=0.51)
    with Image.open(path) as image:
        image.verify()


def test_16_bit_files_are_read_back_within_8_bits(tmp_path, pixels):
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, pixels, bit_depth=16)
        np.testing.assert_allclose(read_image(tmp_path / name).pixels, pixels, atol=1.01 / 255)
        write_image(tmp_path / name, quantize(pixels), bit_depth=16)
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, quantize(pixels))


@pytest.mark.parametrize(("suffix", "bit_depth"), [carrier for carrier in CARRIERS if carrier[0] != "bmp"])
def test_write_image_embeds_srgb_and_is_reproducible(tmp_path, pixels, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, bit_depth=bit_depth, record='{"loss": 0.1}')
    with Image.open(path) as image:
        profile = image.info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(BytesIO(profile))
    assert profile[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # a constant date
    first = path.read_bytes()
    write_image(path, pixels, bit_depth=bit_depth, record='{"loss": 0.1}')
    assert path.read_bytes() == first


def test_to_image_rounds_and_clips(pixels, alpha):
    image = to_image(pixels * 1.5 - 0.25, alpha)
    assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
    expected = np.concatenate([(pixels * 1.5 - 0.25).clip(0, 1), alpha], axis=1) * 255
    np.testing.assert_allclose(np.asarray(image), as_rows(expected), atol=0.501)
    assert to_image(pixels).mode == "RGB"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_write_image_refuses_values_that_are_not_finite(tmp_path, pixels, value):
    pixels[0, 0, 0, 0] = value
    with pytest.raises(UsageError, match="not finite: expected numbers in"):
        write_image(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_write_image_preserves_the_old_file_if_the_disk_is_full(tmp_path, pixels, monkeypatch, name):
    write_image(tmp_path / name, pixels)
    before = (tmp_path / name).read_bytes()

    def full(*args, **_kwargs):
        next(argument for argument in args if isinstance(argument, Path)).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(StyleTransferError, match=f"^cannot write .*{name}: No space left on device; free some space"):
        write_image(tmp_path / name, 1 - pixels)
    assert (tmp_path / name).read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are specific to POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_write_image_uses_default_permissions(tmp_path, pixels, mask):
    before = os.umask(mask)
    try:
        write_image(tmp_path / "a.png", pixels)
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask


def test_write_image_reports_a_file_in_place_of_a_folder(tmp_path, pixels):
    (tmp_path / "file").touch()
    with pytest.raises(StyleTransferError, match=r"^cannot write"):
        write_image(tmp_path / "file" / "a.png", pixels)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a.psd", {}, "ends in .psd, but the suffix selects the format: use one of .png, .jpg,"),
        ("a", {}, "has no suffix, but"),
        (
            "a.jpg",
            {"bit_depth": 16},
            "cannot hold 16 bits per channel: use .png or .tif, or a bit depth of 8",
        ),
        ("a.bmp", {"bit_depth": 16}, "cannot hold 16 bits"),
        (
            "a.webp",
            {"size": (16_384, 20)},
            "at most 16383 px per side, but the image has 16384x20: use .png",
        ),
        ("a.jpg", {"size": (20, 65_501)}, "at most 65500 px per side"),
        ("folder.png", {}, "is a folder: name a file in it"),
        ("style.png", {}, "which this run also reads or writes: choose another name"),
        ("./folder.png/../style.png", {}, "which this run also reads or writes"),
        ("hard.png", {}, "which this run also reads or writes"),
        ("missing.png", {}, "which this run also reads or writes"),
        ("style.png/a.png", {}, "style.png is a file, not a folder; choose another folder"),
        ("x" * 300 + ".png", {}, "File name too long; choose a shorter name"),
    ],
)
def test_check_output_refuses_invalid_outputs(tmp_path, colors, name, options, sentence):
    (tmp_path / "folder.png").mkdir()
    Image.fromarray(colors).save(tmp_path / "style.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "style.png")
    before = sorted(tmp_path.rglob("*"))
    inputs = (str(tmp_path / "style.png"), tmp_path / "missing.png", colors, Image.new("L", (20, 20)))
    with pytest.raises(UsageError) as raised:
        check_output(tmp_path / name, inputs=inputs, **options)
    assert sentence in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("bit_depth", [0, 10, 32])
def test_check_output_refuses_other_bit_depths(tmp_path, bit_depth):
    with pytest.raises(UsageError, match=f"the bit depth is {bit_depth}: expected 8 or 16"):
        check_output(tmp_path / "a.png", bit_depth=bit_depth)


@pytest.mark.parametrize("name", ["a.png", "new/folder/a.tif", "old.png"])
def test_check_output_leaves_no_file_behind(tmp_path, colors, name):
    (tmp_path / "old.png").write_text("old")
    before = (tmp_path / "old.png").stat().st_mtime_ns
    path = check_output(tmp_path / name, bit_depth=16, inputs=[colors, tmp_path / "other.png"], size=(20_000, 20_000))
    assert path == tmp_path / name
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_text() == "old"
    assert (tmp_path / "old.png").stat().st_mtime_ns == before


def test_every_listed_format_can_be_written(tmp_path, pixels):
    with pytest.raises(UsageError) as raised:
        check_output(tmp_path / "a.unknown")
    endings = str(raised.value).partition("use one of ")[2].split(", ")
    assert len(endings) >= 6
    for ending in endings:
        write_image(check_output(tmp_path / f"a{ending}"), pixels)
        assert read_image(tmp_path / f"a{ending}").size == (WIDTH, HEIGHT)
