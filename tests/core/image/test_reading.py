"""Pictures in and out, against NumPy arithmetic, ICC formulas and other programs' files."""

import errno
import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from core import files
from core.errors import StyleTransferError, UsageError
from core.files import check_writable, replacing
from core.image.reading import RECORD_KEY, read_image, read_record, read_size
from core.image.resize import fit_size, resample, resize
from core.image.writing import check_output, quantize, to_image, write_image
from core.network.architecture import MIN_SIDE

WIDTH, HEIGHT = 24, 20
RECORD = json.dumps({"content": "Zürich 夜 😀.jpg", "loss": 0.1, "quote": '"\\'}, ensure_ascii=False)
CARRIERS = [("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("jpg", 8), ("jpeg", 8), ("webp", 8)]
"""Endings and bit depths that carry a colour profile and a record."""
ORIENTED = {  # what a viewer must do with the stored rows and columns, by the EXIF standard
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def colours(rng):
    """(H, W, 3) uint8."""
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def pixels(rng):
    """(1, 3, H, W) float32, every value between two levels of a file."""
    return rng.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)


@pytest.fixture
def alpha(rng):
    return rng.random((1, 1, HEIGHT, WIDTH), dtype=np.float32)


def rows(pixels):
    """(1, C, H, W) as (H, W, C)."""
    return pixels[0].transpose(1, 2, 0)


def smooth():
    """A picture that lossy formats hold well, (1, 3, H, W)."""
    y, x = np.mgrid[0:64, 0:48].astype(np.float32)
    return np.stack([x / 47, y / 63, 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 11)])[None].astype(np.float32)


def srgb_encoded(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


D50 = (0.9642, 1.0, 0.8249)


def srgb_of_lightness(lightness):
    """The grey of this L*, as in CIE 15."""
    return srgb_encoded(np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3))


def cmyk_profile():
    """A printer whose L* falls in a straight line with its black ink, and whose other inks print grey."""
    unit_curve = bytes(range(256))
    corners = bytearray()
    for corner in np.ndindex(2, 2, 2, 2):  # cyan slowest, black fastest
        corners += bytes([round(255 * (1 - corner[3]) * (1 - sum(corner[:3]) / 3)), 128, 128])
    matrix = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel().tolist())
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + unit_curve * 4 + bytes(corners) + unit_curve * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in D50))
    return icc_file("CMYK", b"prtr", b"Lab ", {b"wtpt": white, b"A2B0": table})


def icc_profile(space, gamma):
    """A version 2 profile, "GRAY" or "RGB " with the primaries of sRGB, whose curve is v ** gamma."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    def xyz(*values):
        return b"XYZ \0\0\0\0" + fixed(*values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": xyz(*D50)}
    if space == "GRAY":
        tags[b"kTRC"] = curve
    else:
        primaries = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
        for letter, primary in zip("rgb", primaries, strict=True):
            tags[f"{letter}XYZ".encode()] = xyz(*primary)
            tags[f"{letter}TRC".encode()] = curve
    return icc_file(space, b"mntr", b"XYZ ", tags)


def icc_file(space, device, connection, tags):
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"t\0" + bytes(78)} | tags
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, device, space.encode(), connection)
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", *(round(value * 65536) for value in D50)) + bytes(48)
    return header + table + body


def deep_png(samples, *chunks):
    """A 16-bit PNG with no filter: (H, W) or (H, W, C) uint16."""
    height, width = samples.shape[:2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[samples.size // (height * width)]
    file = BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    raw = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    data = zlib.compress(np.pad(raw, ((0, 0), (1, 0))).tobytes())
    for kind, content in ((b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")):
        PngImagePlugin.putchunk(file, kind, content)
    file.seek(0)
    return file


# Reading: arrays


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_arrays_become_planes_in_the_unit_range(rng, dtype, shape):
    unit = rng.random((HEIGHT, WIDTH, *shape))
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (unit * top).astype(dtype)

    picture = read_image(array)

    expected = np.broadcast_to((array.astype(np.float64) / top).reshape(HEIGHT, WIDTH, -1), (HEIGHT, WIDTH, 3))
    assert picture.pixels.dtype == np.float32
    assert picture.pixels.shape == (1, 3, HEIGHT, WIDTH)
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.flags.writeable
    assert picture.alpha is None
    assert picture.size == read_size(array) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(rows(picture.pixels), expected, atol=1e-7)


def test_the_pixels_are_a_copy_of_the_array(pixels):
    array = rows(pixels)
    before = array.copy()
    read_image(array).pixels[:] = 0
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_transparent_pixels_are_composited_over_white(rng, dtype):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    array = (rng.random((HEIGHT, WIDTH, 4)) * top).astype(dtype)
    array[0, 0, 3] = 0  # its hidden colour must not matter

    picture = read_image(array)

    unit = array.astype(np.float64) / top
    np.testing.assert_allclose(picture.alpha[0, 0], unit[..., 3], atol=1e-7)
    np.testing.assert_allclose(rows(picture.pixels), unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:], atol=1e-6)
    assert (picture.pixels[0, :, 0, 0] == 1).all()


def test_opaque_alpha_is_none(colours):
    opaque = np.dstack([colours, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture = read_image(opaque)
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.pixels, read_image(colours).pixels)


def test_rounding_errors_past_the_range_are_clipped():
    array = np.full((HEIGHT, WIDTH, 3), 1 + 1e-7)
    array[0] = -1e-7
    picture = read_image(array)
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 1)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 20, 24)), r"has shape \(3, 20, 24\): expected \(height, width\)"),
        (np.zeros((20, 24, 2)), "has shape"),
        (np.zeros((1, 3, 20, 24)), "has shape"),
        (np.zeros(20), "has shape"),
        (np.zeros((15, 24)), "has 24x15 px, and VGG needs 16 a side: choose a larger one"),
        (np.zeros((0, 24, 3)), "has 24x0 px"),
        (np.zeros((20, 24), np.int64), "has values of type int64: expected uint8, uint16, or float"),
        (np.zeros((20, 24), bool), "has values of type bool"),
        (np.zeros((20, 24), complex), "has values of type complex128"),
        (np.full((20, 24, 3), 255.0), r"has values from 255 to 255: scale or clip them to \[0, 1\]"),
        (np.full((20, 24, 3), -0.5), "has values from -0.5 to -0.5"),
        (np.full((20, 24, 3), np.nan), "has values from nan to nan"),
        (np.full((20, 24, 3), np.inf), "has values from inf to inf"),
        ([[0, 1], [1, 0]], "is a list: expected a path, a PIL image or a NumPy array"),
        (None, "is a NoneType"),
        (b"photo.jpg", "is a bytes"),
    ],
)
def test_unusable_arrays_are_explained(array, sentence):
    with pytest.raises(UsageError, match=f"^content (array )?{sentence}"):
        read_image(array, name="content")


# Reading: modes of Pillow


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm", "tga", "jp2"])
def test_lossless_files_are_read_exactly(tmp_path, colours, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colours).save(path, **({"lossless": True} if suffix == "webp" else {}))
    for source in (path, str(path), Image.open(path)):
        np.testing.assert_array_equal(read_image(source).pixels, read_image(colours).pixels)
        assert read_size(source) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_equal_planes(tmp_path, colours, mode):
    image = Image.fromarray(colours).convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("L")) / 255
    for plane in read_image(tmp_path / "a.png").pixels[0]:
        np.testing.assert_allclose(plane, expected, atol=1e-7)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "La", "RGBa"])
def test_alpha_of_every_mode(colours, rng, mode):
    opacity = rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    if mode in ("La", "RGBa"):  # premultiplied: colours of faint pixels are coarse
        opacity[opacity < 128] = 255
        opacity[0] = 0
    grey = mode in ("LA", "La")
    shown = np.repeat(colours[..., :1], 3, axis=2) if grey else colours
    image = Image.fromarray(np.dstack([colours[..., 0], opacity] if grey else [colours, opacity]))
    if mode == "PA":
        image = Image.frombytes("PA", (WIDTH, HEIGHT), np.dstack([colours[..., 0], opacity]).tobytes())
        palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
        image.putpalette(palette.tobytes())
        shown = palette[colours[..., 0]]
    elif mode != image.mode:
        image = image.convert(mode)

    picture = read_image(image)

    share = opacity[..., None] / 255
    np.testing.assert_allclose(picture.alpha[0, 0], share[..., 0], atol=1e-6)
    tolerance = 1.5 / 255 if mode in ("La", "RGBa") else 1e-6
    np.testing.assert_allclose(rows(picture.pixels), shown / 255 * share + 1 - share, atol=tolerance)


@pytest.mark.parametrize("transparency", [None, 3, bytes([255, 0, 128, 255])])
def test_palettes_with_and_without_transparency(tmp_path, rng, transparency):
    palette = np.array([[10, 20, 30], [200, 100, 50], [0, 255, 0], [90, 90, 255]], np.uint8)
    index = rng.integers(0, 4, (HEIGHT, WIDTH), dtype=np.uint8)
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    image.save(tmp_path / "a.png", **({} if transparency is None else {"transparency": transparency}))
    opacity = np.full(4, 255)
    if transparency == 3:
        opacity[3] = 0
    elif transparency:
        opacity[:] = list(transparency)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_image(tmp_path / "a.png")

    share = opacity[index][..., None] / 255
    np.testing.assert_allclose(rows(picture.pixels), palette[index] / 255 * share + 1 - share, atol=1e-6)
    if transparency is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(picture.alpha[0, 0], share[..., 0], atol=1e-7)


@pytest.mark.parametrize(("mode", "key"), [("L", 9), ("RGB", (9, 9, 9))])
def test_a_transparent_colour(tmp_path, mode, key):
    array = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    array[:5] = 9
    Image.fromarray(array).convert(mode).save(tmp_path / "a.png", transparency=key)
    picture = read_image(tmp_path / "a.png")
    assert (picture.alpha[0, 0] == (np.arange(HEIGHT) >= 5)[:, None]).all()
    assert (picture.pixels[0, :, :5] == 1).all()


@pytest.mark.parametrize("path", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_of_several_frames_the_first_is_read(tmp_path, path):
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("#ff0000", "#0000ff"))
    first.save(
        tmp_path / path,
        save_all=True,
        append_images=[second],
        **({"lossless": True} if "webp" in path else {}),
    )
    picture = read_image(tmp_path / path)
    assert (picture.pixels == np.array([1, 0, 0]).reshape(1, 3, 1, 1)).all()


def test_cmyk_without_a_profile(tmp_path, rng):
    inks = rng.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    inks[0, 0] = 0
    inks[0, 1] = (0, 0, 0, 255)
    inks[0, 2] = (255, 0, 0, 0)
    Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes()).save(tmp_path / "a.tif")
    ink = inks / 255
    expected = (1 - ink[..., :3]) * (1 - ink[..., 3:])
    np.testing.assert_allclose(rows(read_image(tmp_path / "a.tif").pixels), expected, atol=1.01 / 255)


def test_lab_is_converted(tmp_path):
    grey = np.repeat(np.linspace(0, 255, 24).round().astype(np.uint8)[None], 20, axis=0)
    neutral = np.full_like(grey, 128)
    signed = (neutral ^ 128).astype(np.uint8)  # TIFF stores a* and b* as signed bytes, 0 for neutral
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([grey, signed, signed]), photometric="cielab", metadata=None)
    expected = np.repeat(srgb_of_lightness(grey / 255 * 100)[..., None], 3, axis=2)
    np.testing.assert_allclose(rows(read_image(tmp_path / "a.tif").pixels), expected, atol=2.5 / 255)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX"])
def test_other_modes_come_back_as_rgb(mode):
    picture = read_image(Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0)).convert(mode))
    np.testing.assert_allclose(picture.pixels[0, :, 0, 0], [1, 0, 0], atol=1.01 / 255)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_deep_grey_tiffs_keep_their_precision(tmp_path, rng, byteorder, compression):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, byteorder=byteorder, compression=compression, metadata=None)
    for plane in read_image(tmp_path / "a.tif").pixels[0]:
        np.testing.assert_allclose(plane, samples / 65535, atol=1e-7)


def test_deep_grey_of_other_kinds(tmp_path, rng):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    expected = samples / 65535
    (tmp_path / "a.png").write_bytes(deep_png(samples).read())
    tifffile.imwrite(tmp_path / "float.tif", expected.astype(np.float32), metadata=None)
    sources = [
        tmp_path / "a.png",
        tmp_path / "float.tif",
        Image.fromarray(samples.astype(np.int32)),
        Image.frombytes("I;16B", (WIDTH, HEIGHT), samples.astype(">u2").tobytes()),
    ]
    for source in sources:
        np.testing.assert_allclose(read_image(source).pixels[0, 1], expected, atol=1e-7)


@pytest.mark.parametrize("values", [np.full((20, 24), 70_000, np.int32), np.full((20, 24), -3, np.int32)])
def test_integers_of_more_than_16_bits_are_refused(values):
    with pytest.raises(UsageError, match=r"picture image has values from .* scale or clip them to \[0, 65535\]"):
        read_image(Image.fromarray(values))


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_deep_colours_are_read_with_eight_bits(tmp_path, rng, kind):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        path.write_bytes(deep_png(samples).read())
    else:
        tifffile.imwrite(path, samples, photometric="rgb", metadata=None)
    np.testing.assert_allclose(rows(read_image(path).pixels), samples / 65535, atol=1.01 / 255)


# Reading: orientation


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_is_applied(tmp_path, suffix, orientation):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16] = (255, 0, 0)
    stored[:16, 16:32] = (0, 255, 0)
    stored[16:, :16] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    expected = ORIENTED[orientation](stored) / 255

    picture = read_image(path)

    assert read_size(path) == read_size(Image.open(path)) == picture.size == expected.shape[1::-1]
    centres = np.s_[8::16, 8::16]  # away from the edges, where JPEG and WebP are exact enough
    np.testing.assert_allclose(rows(picture.pixels)[centres], expected[centres], atol=0.03)


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_orientation_of_deep_tiffs(tmp_path, rng, byteorder, orientation):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(path, samples, byteorder=byteorder, metadata=None, extratags=[tag])
    expected = ORIENTED[orientation](samples) / 65535
    assert read_size(path) == expected.shape[::-1]
    np.testing.assert_allclose(read_image(path).pixels[0, 0], expected, atol=1e-7)


def test_an_image_already_open_is_turned_and_left_alone(tmp_path, colours):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colours).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        picture = read_image(image)
        assert image.size == (WIDTH, HEIGHT)
        np.testing.assert_array_equal(np.asarray(image), colours)
    np.testing.assert_array_equal(rows(picture.pixels), np.rot90(colours, -1).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_broken_exif_data_is_ignored(tmp_path, colours, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colours).save(path, exif=b"Exif\0\0rubbish")
    assert read_image(path).size == read_size(path) == (WIDTH, HEIGHT)


# Reading: colour profiles


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_an_rgb_profile_is_converted(tmp_path, colours, suffix, gamma):
    path = tmp_path / f"a.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(colours).save(path, icc_profile=icc_profile("RGB ", gamma), **lossless)
    pixels = rows(read_image(path).pixels)
    np.testing.assert_allclose(pixels, srgb_encoded((colours / 255) ** gamma), atol=1.5 / 255)
    assert np.abs(pixels - colours / 255).max() > 0.05


def test_other_primaries_are_converted_as_the_matrices_say(tmp_path, colours):
    swapped = icc_profile("RGB ", 2.0).replace(b"rXYZ", b"xxxx").replace(b"gXYZ", b"rXYZ").replace(b"xxxx", b"gXYZ")
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=swapped)
    expected = srgb_encoded((colours[..., [1, 0, 2]] / 255) ** 2.0)
    np.testing.assert_allclose(rows(read_image(tmp_path / "a.png").pixels), expected, atol=1.5 / 255)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("space", ["GRAY", "RGB "])
def test_grey_with_a_grey_or_an_rgb_profile(tmp_path, colours, mode, space, gamma):
    grey = colours[..., 0]
    image = Image.fromarray(grey if mode == "L" else np.dstack([grey, np.full_like(grey, 128)]))
    image.save(tmp_path / "a.png", icc_profile=icc_profile(space, gamma))
    share = 1 if mode == "L" else 128 / 255
    expected = srgb_encoded((grey / 255) ** gamma) * share + 1 - share
    for plane in read_image(tmp_path / "a.png").pixels[0]:
        np.testing.assert_allclose(plane, expected, atol=1.5 / 255)


def test_deep_grey_with_a_profile(tmp_path, rng):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, metadata=None, iccprofile=icc_profile("GRAY", 1.8))
    expected = srgb_encoded((samples / 65535) ** 1.8)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").pixels[0, 0], expected, atol=2.5 / 255)


def test_a_palette_with_a_profile(tmp_path, colours):
    image = Image.fromarray(colours).quantize(16)
    image.save(tmp_path / "a.png", icc_profile=icc_profile("RGB ", 1.8))
    expected = srgb_encoded((np.asarray(image.convert("RGB")) / 255) ** 1.8)
    np.testing.assert_allclose(rows(read_image(tmp_path / "a.png").pixels), expected, atol=1.5 / 255)


def test_a_lab_profile_is_converted(tmp_path, rng):
    muted = rng.integers(90, 170, (HEIGHT, WIDTH, 3), dtype=np.uint8)  # Lab with 8 bits is coarse for others
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    image = ImageCms.profileToProfile(Image.fromarray(muted), srgb, lab, outputMode="LAB")
    image.save(tmp_path / "a.tif", icc_profile=lab.tobytes())
    np.testing.assert_allclose(rows(read_image(tmp_path / "a.tif").pixels), muted / 255, atol=4 / 255)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_a_cmyk_profile_is_converted(tmp_path, suffix):
    black = np.repeat(np.linspace(0, 255, 18).round().astype(np.uint8), 8)
    inks = np.zeros((16, len(black), 4), np.uint8)
    inks[..., 3] = black
    path = tmp_path / f"a.{suffix}"
    image = Image.frombytes("CMYK", (len(black), 16), inks.tobytes())
    image.save(path, icc_profile=cmyk_profile(), quality=100)
    expected = srgb_of_lightness(100 * (1 - black / 255))
    for plane in read_image(path).pixels[0]:
        np.testing.assert_allclose(plane[8], expected, atol=2.5 / 255)
    assert np.abs(expected - (1 - black / 255)).max() > 0.02  # what it would be without the profile


@pytest.mark.parametrize("profile", [b"rubbish", icc_profile("RGB ", 1.8)[:200], icc_profile("GRAY", 1.8)])
def test_a_profile_that_is_broken_or_of_other_colours_is_ignored(tmp_path, colours, profile):
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=profile)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, read_image(colours).pixels)


# Reading: what cannot work


def broken_pictures(folder):
    """What to read, and the sentence that it gets."""
    Image.new("RGB", (400, 300), "red").save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:-400])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "empty.png").touch()
    (folder / "folder").mkdir()
    return {
        "missing.jpg": "does not exist: check the path",
        "notes.txt/inside.jpg": "does not exist: check the path",
        "folder": "is a folder: name one picture in it",
        "notes.txt": "is not a picture that Pillow can read: convert it to PNG or JPEG",
        "empty.png": "is not a picture that Pillow can read: convert it to PNG or JPEG",
        "cut.jpg": r"is damaged or cut short \(image file is truncated.*\): download or export it again",
        "tiny.png": "has 1x1 px, and VGG needs 16 a side: choose a larger one",
        "x" * 300 + ".png": r"cannot be read \(File name too long\): check its permissions and its disk",
    }


def test_every_unreadable_picture_gets_its_sentence(tmp_path):
    for name, sentence in broken_pictures(tmp_path).items():
        path = tmp_path / name
        with pytest.raises(UsageError, match=f"^style {path} {sentence}$"):
            read_image(path, name="style")
        if name != "cut.jpg":  # the header is whole
            with pytest.raises(UsageError, match=f"^style {path} {sentence}$"):
                read_size(path, name="style")


def test_no_permission(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root, as whom tests often run, may read everything
    with pytest.raises(UsageError, match=r"cannot be read \(Permission denied\)"):
        read_image(tmp_path / "a.png")


def test_decompression_bombs(tmp_path, monkeypatch, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", WIDTH * HEIGHT // 2 - 1)
    for read in (read_image, read_size):
        with pytest.raises(UsageError, match=r"has more pixels than the 478 that are safe to open: scale it down"):
            read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", WIDTH * HEIGHT * 2 // 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).size == read_size(path) == (WIDTH, HEIGHT)


def test_running_out_of_memory_is_not_taken_for_damage(tmp_path, monkeypatch, colours):
    Image.fromarray(colours).save(tmp_path / "a.png")

    def too_much(_image):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", too_much)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", too_much)
    with pytest.raises(MemoryError):
        read_image(tmp_path / "a.png")


# Sizes


@pytest.mark.parametrize(
    ("size", "bound", "side", "expected"),
    [
        ((1000, 500), 512, "long", (512, 256)),
        ((500, 1000), 512, "long", (256, 512)),
        ((300, 200), 512, "long", (300, 200)),
        ((300, 200), 512, "short", (768, 512)),
        ((1000, 333), 100, "short", (300, 100)),
        ((1024, 683), 512, "long", (512, 342)),
        ((640, 640), 16, "long", (16, 16)),
    ],
)
def test_fit_size(size, bound, side, expected):
    assert fit_size(size, bound, side) == expected


@pytest.mark.parametrize(
    ("size", "bound", "side", "least"),
    [
        ((1600, 100), 100, "long", 256),
        ((100, 1000), 15, "short", 16),
        ((999, 101), 20, "long", 159),
        ((64, 64), 0, "long", 16),
    ],
)
def test_fit_size_says_what_would_do(size, bound, side, least):
    with pytest.raises(UsageError, match=f"VGG needs 16 a side: ask for at least {least}$"):
        fit_size(size, bound, side)
    assert min(fit_size(size, least, side)) >= MIN_SIDE


@pytest.mark.parametrize("size", [(13, 31), (60, 40), (24, 20), (7, 100)])
def test_resizing_a_constant_keeps_it(size):
    result = resize(np.full((1, 3, HEIGHT, WIDTH), 0.3, np.float32), size)
    assert result.shape == (1, 3, size[1], size[0])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, 0.3, atol=1e-6)


@pytest.mark.parametrize("change_size", [resize, resample])
def test_resizing_to_the_same_size_gives_a_copy(pixels, change_size):
    same = change_size(pixels, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(same, pixels)
    assert not np.shares_memory(same, pixels)


def test_halving_keeps_the_mean_and_removes_what_is_too_fine(rng):
    noise = rng.random((1, 1, 128, 128), dtype=np.float32)
    assert resize(noise, (32, 32)).mean() == pytest.approx(noise.mean(), abs=2e-3)
    stripes = np.tile(np.array([0, 1], np.float32), (1, 1, 128, 64))
    inside = resize(stripes, (32, 128))[..., 4:-4]
    np.testing.assert_allclose(inside, 0.5, atol=0.01)  # without antialiasing: 0 or 1


@pytest.mark.parametrize("width", [32, 128])
def test_resizing_keeps_a_ramp(width):
    ramp = np.tile(np.linspace(0.1, 0.9, 64, dtype=np.float32), (1, 1, 16, 1))
    centres = (np.arange(width) + 0.5) * 64 / width - 0.5
    expected = 0.1 + 0.8 * centres / 63
    edge = 4 * width // 64 + 4  # Lanczos reaches past the border there
    result = resize(ramp, (width, 16))[0, 0, 8]
    np.testing.assert_allclose(result[edge:-edge], expected[edge:-edge], atol=2e-3)


def test_only_resize_clips_the_overshoot():
    step = np.zeros((1, 1, 32, 32), np.float32)
    step[..., 16:] = 1
    free, clipped = resample(step, (64, 64)), resize(step, (64, 64))
    assert free.min() < -0.01
    assert free.max() > 1.01
    np.testing.assert_array_equal(clipped, free.clip(0, 1))


# Writing


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_quantize_rounds_to_the_levels_of_a_file(pixels, bit_depth):
    top = 2**bit_depth - 1
    spread = pixels * 1.2 - 0.1
    result = quantize(spread, bit_depth)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, spread.clip(0, 1), atol=0.51 / top, rtol=0)
    levels = result.astype(np.float64) * top
    np.testing.assert_allclose(levels, levels.round(), atol=0.01, rtol=0)
    np.testing.assert_array_equal(quantize(result, bit_depth), result)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.tiff", "a.bmp", "deep/er/a.png"])
def test_what_lossless_files_deliver_is_quantize(tmp_path, pixels, name):
    write_image(tmp_path / name, pixels)
    np.testing.assert_array_equal(read_image(tmp_path / name).pixels, quantize(pixels))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), np.asarray(to_image(pixels)))


def test_webp_is_lossless_at_quality_100(tmp_path, pixels):
    write_image(tmp_path / "a.webp", pixels, quality=100)
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp").pixels, quantize(pixels))


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_lossy_files_come_close_and_follow_the_quality(tmp_path, suffix):
    fine, coarse = tmp_path / f"fine.{suffix}", tmp_path / f"coarse.{suffix}"
    write_image(fine, smooth())
    write_image(coarse, smooth(), quality=20)
    error = [np.abs(read_image(path).pixels - smooth()).mean() for path in (fine, coarse)]
    assert error[0] < 0.01
    assert error[0] < error[1] < 0.05
    assert coarse.stat().st_size < fine.stat().st_size


def test_jpeg_keeps_colour_at_full_resolution(tmp_path):
    stripes = np.zeros((1, 3, 32, 32), np.float32)
    stripes[0, 0, :, ::2] = 1
    stripes[0, 2, :, 1::2] = 1
    write_image(tmp_path / "a.jpg", stripes, quality=100)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").pixels, stripes, atol=0.03)


@pytest.mark.parametrize(("suffix", "bit_depth"), [("png", 8), ("png", 16), ("tif", 8), ("tif", 16), ("webp", 8)])
def test_alpha_is_written(tmp_path, pixels, alpha, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, alpha=alpha, bit_depth=bit_depth, quality=100)
    with Image.open(path) as image:
        assert image.mode == "RGBA"
    picture = read_image(path)
    tolerance = 1e-6 if bit_depth == 8 else 1.01 / 255
    share = quantize(alpha, bit_depth)
    np.testing.assert_allclose(picture.alpha, share, atol=tolerance)
    over_white = quantize(pixels, bit_depth) * share + 1 - share
    np.testing.assert_allclose(picture.pixels, over_white, atol=2 * tolerance)


@pytest.mark.parametrize("suffix", ["jpg", "bmp"])
def test_formats_without_alpha_show_the_colours_as_they_are(tmp_path, alpha, suffix):
    write_image(tmp_path / f"a.{suffix}", smooth(), alpha=np.resize(alpha, (1, 1, 64, 48)))
    picture = read_image(tmp_path / f"a.{suffix}")
    assert picture.alpha is None
    np.testing.assert_allclose(picture.pixels, smooth(), atol=0.05)


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_tiffs_hold_16_bits(tmp_path, pixels, alpha, channels):
    write_image(tmp_path / "a.tif", pixels, alpha=alpha if channels == 4 else None, bit_depth=16)
    samples = tifffile.imread(tmp_path / "a.tif")
    expected = np.concatenate([pixels, alpha], 1)[:, :channels].astype(np.float64) * 65535
    assert samples.dtype == np.uint16
    np.testing.assert_allclose(samples, rows(expected), atol=0.51)


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_pngs_hold_16_bits(tmp_path, pixels, alpha, channels):
    """The file is taken apart by hand, since Pillow reads 8 bits of it only: PNG, sections 5 and 9."""
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
    np.testing.assert_allclose(samples, rows(expected), atol=0.51)
    with Image.open(path) as image:
        image.verify()


def test_deep_files_are_read_back_within_eight_bits(tmp_path, pixels):
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, pixels, bit_depth=16)
        np.testing.assert_allclose(read_image(tmp_path / name).pixels, pixels, atol=1.01 / 255)
        write_image(tmp_path / name, quantize(pixels), bit_depth=16)
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, quantize(pixels))


@pytest.mark.parametrize(("suffix", "bit_depth"), CARRIERS)
def test_the_srgb_profile_is_embedded_and_files_are_reproducible(tmp_path, pixels, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, bit_depth=bit_depth, record=RECORD)
    with Image.open(path) as image:
        profile = image.info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(BytesIO(profile))
    assert profile[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # not the time of writing
    first = path.read_bytes()
    write_image(path, pixels, bit_depth=bit_depth, record=RECORD)
    assert path.read_bytes() == first


def test_to_image(pixels, alpha):
    image = to_image(pixels * 1.5 - 0.25, alpha)
    assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
    expected = np.concatenate([(pixels * 1.5 - 0.25).clip(0, 1), alpha], axis=1) * 255
    np.testing.assert_allclose(np.asarray(image), rows(expected), atol=0.501)
    assert to_image(pixels).mode == "RGB"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(tmp_path, pixels, value):
    pixels[0, 0, 0, 0] = value
    with pytest.raises(UsageError, match="not finite: expected numbers in"):
        write_image(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


# The record


@pytest.mark.parametrize(("suffix", "bit_depth"), CARRIERS)
def test_the_record_is_kept_inside(tmp_path, pixels, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, bit_depth=bit_depth, record=RECORD)
    assert json.loads(read_record(path)) == json.loads(RECORD)
    write_image(path, pixels, bit_depth=bit_depth)
    assert read_record(path) is None


def test_the_record_lies_where_other_programs_look(tmp_path, pixels):
    for suffix in ("png", "jpg", "tif"):
        write_image(tmp_path / f"a.{suffix}", pixels, record=RECORD)
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.text[RECORD_KEY]) == json.loads(RECORD)
    with Image.open(tmp_path / "a.jpg") as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"ASCII\0\0\0"
    assert json.loads(comment[8:]) == json.loads(RECORD)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert json.loads(file.pages[0].description) == json.loads(RECORD)


def test_where_no_record_fits_none_is_kept(tmp_path, pixels):
    write_image(tmp_path / "a.bmp", pixels, record=RECORD)
    assert read_record(tmp_path / "a.bmp") is None
    long = json.dumps({"losses": "9" * 70_000})
    for suffix, expected in (("jpg", None), ("webp", long), ("png", long), ("tif", long)):
        write_image(tmp_path / f"a.{suffix}", pixels, record=long)
        assert read_record(tmp_path / f"a.{suffix}") == expected


def test_pictures_of_others_have_no_record(tmp_path, colours):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0taken in Rome"
    Image.fromarray(colours).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(colours).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", description="a scan", metadata=None)
    (tmp_path / "notes.txt").write_text("{}")
    for name in ("a.jpg", "a.png", "a.tif", "notes.txt"):
        assert read_record(tmp_path / name) is None
    with pytest.raises(UsageError, match="does not exist"):
        read_record(tmp_path / "missing.png")


# All at once or not at all


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="in the middle"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("in the middle")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_full_disk_while_encoding(tmp_path, pixels, monkeypatch, name):
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


def test_while_it_is_written_the_new_file_is_hidden_beside_the_old(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".txt"
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be replaced elsewhere")
def test_whoever_reads_the_old_file_reads_it_to_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("first")
    with path.open() as reader:
        with replacing(path) as temporary:
            temporary.write_text("second")
        assert reader.read() == "first"
    assert path.read_text() == "second"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_of_any_new_file(tmp_path, pixels, mask):
    before = os.umask(mask)
    try:
        write_image(tmp_path / "a.png", pixels)
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_neither_folders_nor_devices_are_replaced(tmp_path):
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(StyleTransferError, match="not a file"), replacing(path):
            pytest.exit_with_error("not reached")
    assert not Path(os.devnull).is_file()


def test_a_file_in_the_place_of_a_folder(tmp_path, pixels):
    (tmp_path / "file").touch()
    with pytest.raises(StyleTransferError, match=r"^cannot write"):
        write_image(tmp_path / "file" / "a.png", pixels)


# Checking before painting


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a.psd", {}, "ends in .psd, and the ending chooses the format: use one of .png, .jpg,"),
        ("a", {}, "has no ending, and"),
        (
            "a.jpg",
            {"bit_depth": 16},
            "cannot hold 16 bits a channel: choose .png or .tif, or a bit depth of 8",
        ),
        ("a.bmp", {"bit_depth": 16}, "cannot hold 16 bits"),
        (
            "a.webp",
            {"size": (16_384, 20)},
            "at most 16383 px a side and the picture has 16384x20: choose .png",
        ),
        ("a.jpg", {"size": (20, 65_501)}, "at most 65500 px a side"),
        ("folder.png", {}, "is a folder: name a file in it"),
        ("style.png", {}, "is another file of this run, which would be lost: choose another name"),
        ("./folder.png/../style.png", {}, "is another file of this run"),
        ("hard.png", {}, "is another file of this run"),
        ("missing.png", {}, "is another file of this run"),
        ("style.png/a.png", {}, "style.png is a file, not a folder; choose another folder"),
        ("x" * 300 + ".png", {}, "File name too long; choose another folder"),
    ],
)
def test_outputs_that_cannot_work(tmp_path, colours, name, options, sentence):
    (tmp_path / "folder.png").mkdir()
    Image.fromarray(colours).save(tmp_path / "style.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "style.png")
    before = sorted(tmp_path.rglob("*"))
    inputs = (str(tmp_path / "style.png"), tmp_path / "missing.png", colours, Image.new("L", (20, 20)))
    with pytest.raises(UsageError) as raised:
        check_output(tmp_path / name, inputs=inputs, **options)
    assert sentence in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("bit_depth", [0, 10, 32])
def test_bit_depths_are_8_and_16(tmp_path, bit_depth):
    with pytest.raises(UsageError, match=f"the bit depth is {bit_depth}: expected 8 or 16"):
        check_output(tmp_path / "a.png", bit_depth=bit_depth)


@pytest.mark.parametrize("name", ["a.png", "new/folder/a.tif", "old.png"])
def test_a_good_output_passes_and_nothing_is_left_behind(tmp_path, colours, name):
    (tmp_path / "old.png").write_text("old")
    before = (tmp_path / "old.png").stat().st_mtime_ns
    path = check_output(tmp_path / name, bit_depth=16, inputs=[colours, tmp_path / "other.png"], size=(20_000, 20_000))
    assert path == tmp_path / name
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_text() == "old"
    assert (tmp_path / "old.png").stat().st_mtime_ns == before


def test_a_relative_output_is_checked_where_it_would_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_output("a.png") == Path("a.png")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"^cannot write .*a.png: Read-only file system; choose another folder$"):
        check_output(tmp_path / "a.png")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_not_even_root_writes_everywhere():
    with pytest.raises(UsageError, match=r"cannot write /proc/self/new/a\.png"):
        check_output("/proc/self/new/a.png")


def test_devices_are_no_outputs():
    with pytest.raises(UsageError, match="is a device, not a file"):
        check_writable(os.devnull)


def test_every_format_that_is_checked_can_be_written(tmp_path, pixels):
    with pytest.raises(UsageError) as raised:
        check_output(tmp_path / "a.unknown")
    endings = str(raised.value).partition("use one of ")[2].split(", ")
    assert len(endings) >= 6
    for ending in endings:
        write_image(check_output(tmp_path / f"a{ending}"), pixels)
        assert read_image(tmp_path / f"a{ending}").size == (WIDTH, HEIGHT)


def test_importing_is_light():
    code = "import sys, core.image.reading; print(*(name for name in ('torch', 'tifffile') if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
