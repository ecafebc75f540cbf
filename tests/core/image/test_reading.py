import errno
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from core.errors import UsageError
from core.image.opening import allow_large_images
from core.image.reading import list_images, read_image, read_mask, read_size
from support.image_files import HEIGHT, WIDTH, as_rows, icc_profile


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_read_image_composites_over_white(rng, dtype):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    array = (rng.random((HEIGHT, WIDTH, 4)) * top).astype(dtype)
    array[0, 0, 3] = 0  # its color must not matter

    loaded = read_image(array)

    unit = array.astype(np.float64) / top
    np.testing.assert_allclose(loaded.alpha[0, 0], unit[..., 3], atol=1e-7)
    np.testing.assert_allclose(as_rows(loaded.pixels), unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:], atol=1e-6)
    assert (loaded.pixels[0, :, 0, 0] == 1).all()


def test_read_image_returns_no_alpha_of_an_opaque_image(colors):
    opaque = np.dstack([colors, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    loaded = read_image(opaque)
    assert loaded.alpha is None
    np.testing.assert_array_equal(loaded.pixels, read_image(colors).pixels)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_read_image_reads_lossless_files_exactly(tmp_path, colors, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colors).save(path, **({"lossless": True} if suffix == "webp" else {}))
    for source in (path, str(path), Image.open(path)):
        np.testing.assert_array_equal(read_image(source).pixels, read_image(colors).pixels)
        assert read_size(source) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("path", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_read_image_reads_the_first_frame(tmp_path, path):
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), color) for color in ("#ff0000", "#0000ff"))
    first.save(
        tmp_path / path,
        save_all=True,
        append_images=[second],
        **({"lossless": True} if "webp" in path else {}),
    )
    loaded = read_image(tmp_path / path)
    assert (loaded.pixels == np.array([1, 0, 0]).reshape(1, 3, 1, 1)).all()


def test_read_image_does_not_modify_an_open_image(tmp_path, colors):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colors).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        loaded = read_image(image)
        assert image.size == (WIDTH, HEIGHT)
        np.testing.assert_array_equal(np.asarray(image), colors)
    np.testing.assert_array_equal(as_rows(loaded.pixels), np.rot90(colors, -1).astype(np.float32) / np.float32(255))


def unreadable_files(folder):
    """Write unreadable files, and return the error message of each by its name."""
    Image.new("RGB", (400, 300), "red").save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:-400])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("not an image")
    (folder / "empty.png").touch()
    (folder / "folder").mkdir()
    return {
        "missing.jpg": "does not exist: check the path",
        "notes.txt/inside.jpg": "does not exist: check the path",
        "folder": "is not a regular file but a folder: name a file",
        "notes.txt": "is not a JPEG, PNG, WebP, TIFF, BMP or GIF image: convert it to PNG or JPEG",
        "empty.png": "is not a JPEG, PNG, WebP, TIFF, BMP or GIF image: convert it to PNG or JPEG",
        "cut.jpg": r"is damaged or truncated \(image file is truncated.*\): download or export it again",
        "tiny.png": "has 1x1 px, but VGG needs at least 16 px per side: use a larger image",
        "x" * 300 + ".png": r"cannot be read \(File name too long\): check its permissions and the disk",
    }


def test_read_image_reports_unreadable_files(tmp_path):
    for name, message in unreadable_files(tmp_path).items():
        path = tmp_path / name
        with pytest.raises(UsageError, match=f"^style {path} {message}$"):
            read_image(path, name="style")
        if name != "cut.jpg":  # whose header is readable
            with pytest.raises(UsageError, match=f"^style {path} {message}$"):
                read_size(path, name="style")


def test_read_image_reports_a_missing_permission(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # tests often run as root, which may read every file
    with pytest.raises(UsageError, match=r"cannot be read \(Permission denied\)"):
        read_image(tmp_path / "a.png")


def test_read_image_refuses_decompression_bombs(tmp_path, monkeypatch, colors):
    path = tmp_path / "a.png"
    Image.fromarray(colors).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", WIDTH * HEIGHT // 2 - 1)
    for read in (read_image, read_size):
        with pytest.raises(
            UsageError, match=r"has more than 478 pixels, the limit for untrusted images: reduce its size"
        ):
            read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", WIDTH * HEIGHT * 2 // 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).size == read_size(path) == (WIDTH, HEIGHT)


def test_read_image_passes_memory_errors_on(tmp_path, monkeypatch, colors):
    Image.fromarray(colors).save(tmp_path / "a.png")

    def too_much(_image):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", too_much)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", too_much)
    with pytest.raises(MemoryError):
        read_image(tmp_path / "a.png")


def test_allow_large_images_raises_the_limit_within_its_block(tmp_path, monkeypatch, colors):
    Image.fromarray(colors).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with allow_large_images():
        assert read_image(tmp_path / "a.png").size == (WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="has more than 200 pixels"):
        read_image(tmp_path / "a.png")


def test_list_images_returns_image_files_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "._a.jpg", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert list_images(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b.PNG"]


def test_list_images_refuses_a_photograph_that_is_not_read(tmp_path):
    for name in ("a.jpg", "b.AVIF"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"^folder .* contains b\.AVIF, a format that is not read: convert it to PNG"):
        list_images(tmp_path)


HALF = np.repeat([[1.0, 0.0]], 8, axis=1).repeat(12, axis=0)  # white on the left
RAMP = np.linspace(0, 1, 16)[None].repeat(12, axis=0)
MASK_FORMS = {
    "bool": HALF > 0,
    "0 and 1": HALF.astype(np.uint8),
    "0 and 1 in 64 bits": HALF.astype(np.int64),
    "0 and 1 in 16 bits": HALF.astype(np.uint16),
    "0 and 255": (HALF * 255).astype(np.uint8),
    "0 and 255 in 16 bits": (HALF * 255).astype(np.uint16),
    "0 and 255 as float": HALF * 255,
    "0 and 4095": (HALF * 4095).astype(np.uint16),
    "0 and 65535": (HALF * 65535).astype(np.uint16),
    "float": HALF.astype(np.float32),
}


@pytest.mark.parametrize("form", MASK_FORMS)
def test_read_mask_scales_a_mask_by_its_own_range(tmp_path, form):
    array = MASK_FORMS[form]
    sources = [array, array[..., None], np.repeat(array[..., None], 3, axis=2)]
    if array.dtype in (np.uint8, np.uint16):
        Image.fromarray(array).save(tmp_path / "a.png")
        sources.append(tmp_path / "a.png")
        tifffile.imwrite(tmp_path / "a.tif", array, metadata=None)
        sources += [tmp_path / "a.tif", Image.fromarray(array)]
    if array.dtype in (np.float32, np.float64):
        tifffile.imwrite(tmp_path / "a.tif", array, metadata=None)
        sources.append(tmp_path / "a.tif")
    for source in sources:
        np.testing.assert_allclose(read_mask(source)[0, 0], HALF, atol=1e-6)


def test_read_mask_keeps_grey(tmp_path):
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / "ramp.png")
    np.testing.assert_allclose(read_mask(tmp_path / "ramp.png")[0, 0], RAMP, atol=2e-5)
    half = Image.new("L", (8, 8), 128)
    np.testing.assert_allclose(read_mask(half), 128 / 255, atol=1e-6)


def test_read_mask_applies_the_orientation_and_no_profile(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.rot90(HALF * 255).astype(np.uint8))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=100, icc_profile=icc_profile("GRAY", 1.0))
    np.testing.assert_allclose(read_mask(tmp_path / "a.jpg")[0, 0], HALF, atol=0.03)


def test_read_mask_of_a_color_is_its_luma():
    color = np.zeros((4, 4, 3), np.uint8)
    color[..., 0] = 255
    np.testing.assert_allclose(read_mask(color), 0.299, atol=1e-6)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (-HALF, "has values from -1"),
        (HALF * np.nan, r"has values that are not finite: expected numbers in \[0, 1\]$"),
        (HALF * 1j, "has values of"),
    ],
)
def test_read_mask_refuses_other_values(mask, message):
    with pytest.raises(UsageError, match=rf"^region mask \(array\) {message}"):
        read_mask(mask)


def test_read_mask_multiplies_brightness_by_alpha(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = pixels[0, 1] = (255, 255, 255, 255)
    pixels[1, 0] = (255, 255, 255, 0)
    pixels[1, 1] = (0, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), [[[[1, 1], [0, 0]]]])


def test_read_mask_refuses_a_black_or_missing_mask(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    with pytest.raises(UsageError, match=r"^region mask .*black\.png is entirely black, so its style would never"):
        read_mask(tmp_path / "black.png")
    with pytest.raises(UsageError, match=r"^region mask .*missing\.png does not exist"):
        read_mask(tmp_path / "missing.png")


def test_importing_reading_does_not_import_torch_or_tifffile():
    code = "import sys, core.image.reading; print(*(name for name in ('torch', 'tifffile') if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
