import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import UsageError
from core.image.reading import read_image, read_size
from support.image_files import HEIGHT, WIDTH, as_rows, png_16_bit


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_read_image_converts_arrays_of_every_type(rng, dtype, shape):
    unit = rng.random((HEIGHT, WIDTH, *shape))
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (unit * top).astype(dtype)

    loaded = read_image(array)

    expected = np.broadcast_to((array.astype(np.float64) / top).reshape(HEIGHT, WIDTH, -1), (HEIGHT, WIDTH, 3))
    assert loaded.pixels.dtype == np.float32
    assert loaded.pixels.shape == (1, 3, HEIGHT, WIDTH)
    assert loaded.pixels.flags.c_contiguous
    assert loaded.pixels.flags.writeable
    assert loaded.alpha is None
    assert loaded.size == read_size(array) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(as_rows(loaded.pixels), expected, atol=1e-7)


def test_read_image_copies_an_array(pixels):
    array = as_rows(pixels)
    before = array.copy()
    read_image(array).pixels[:] = 0
    np.testing.assert_array_equal(array, before)


def test_read_image_clips_rounding_errors():
    array = np.full((HEIGHT, WIDTH, 3), 1 + 1e-7)
    array[0] = -1e-7
    loaded = read_image(array)
    assert (loaded.pixels.min(), loaded.pixels.max()) == (0, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 20, 24)), r"has shape \(3, 20, 24\): expected \(height, width\)"),
        (np.zeros((20, 24, 2)), "has shape"),
        (np.zeros((1, 3, 20, 24)), "has shape"),
        (np.zeros(20), "has shape"),
        (np.zeros((15, 24)), "has 24x15 px, but VGG needs at least 16 px per side: use a larger image"),
        (np.zeros((0, 24, 3)), r"has shape \(0, 24, 3\)"),
        (np.zeros((20, 24), np.int64), "has values of type int64: expected uint8, uint16, or float"),
        (np.zeros((20, 24), bool), "has values of type bool"),
        (np.zeros((20, 24), complex), "has values of type complex128"),
        (np.full((20, 24, 3), 255.0), r"has values from 255 to 255: scale or clip them to \[0, 1\]"),
        (np.full((20, 24, 3), -0.5), "has values from -0.5 to -0.5"),
        (np.full((20, 24, 3), np.nan), r"has values that are not finite: expected numbers in \[0, 1\]"),
        (np.full((20, 24, 3), np.inf), "has values that are not finite"),
        ([[0, 1], [1, 0]], "is a list: expected a path, a PIL image or a NumPy array"),
        (None, "is a NoneType"),
        (b"photo.jpg", "is a bytes"),
    ],
)
def test_read_image_refuses_invalid_arrays(array, message):
    with pytest.raises(UsageError, match=rf"^content (\(array\) )?{message}"):
        read_image(array, name="content")


@pytest.mark.parametrize("mode", ["1", "L"])
def test_read_image_repeats_grey(tmp_path, colors, mode):
    image = Image.fromarray(colors).convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("L")) / 255
    for plane in read_image(tmp_path / "a.png").pixels[0]:
        np.testing.assert_allclose(plane, expected, atol=1e-7)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "La", "RGBa"])
def test_read_image_reads_alpha_of_every_mode(colors, rng, mode):
    opacity = rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    if mode in ("La", "RGBa"):  # premultiplied: colors of nearly transparent pixels are coarse
        opacity[opacity < 128] = 255
        opacity[0] = 0
    grey = mode in ("LA", "La")
    shown = np.repeat(colors[..., :1], 3, axis=2) if grey else colors
    image = Image.fromarray(np.dstack([colors[..., 0], opacity] if grey else [colors, opacity]))
    if mode == "PA":
        image = Image.frombytes("PA", (WIDTH, HEIGHT), np.dstack([colors[..., 0], opacity]).tobytes())
        palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
        image.putpalette(palette.tobytes())
        shown = palette[colors[..., 0]]
    elif mode != image.mode:
        image = image.convert(mode)

    loaded = read_image(image)

    share = opacity[..., None] / 255
    np.testing.assert_allclose(loaded.alpha[0, 0], share[..., 0], atol=1e-6)
    tolerance = 1.5 / 255 if mode in ("La", "RGBa") else 1e-6
    np.testing.assert_allclose(as_rows(loaded.pixels), shown / 255 * share + 1 - share, atol=tolerance)


@pytest.mark.parametrize("transparency", [None, 3, bytes([255, 0, 128, 255])])
def test_read_image_reads_palettes_with_and_without_transparency(tmp_path, rng, transparency):
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
        loaded = read_image(tmp_path / "a.png")

    share = opacity[index][..., None] / 255
    np.testing.assert_allclose(as_rows(loaded.pixels), palette[index] / 255 * share + 1 - share, atol=1e-6)
    if transparency is None:
        assert loaded.alpha is None
    else:
        np.testing.assert_allclose(loaded.alpha[0, 0], share[..., 0], atol=1e-7)


@pytest.mark.parametrize(("mode", "key"), [("L", 9), ("RGB", (9, 9, 9))])
def test_read_image_reads_a_transparent_color(tmp_path, mode, key):
    array = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    array[:5] = 9
    Image.fromarray(array).convert(mode).save(tmp_path / "a.png", transparency=key)
    loaded = read_image(tmp_path / "a.png")
    assert (loaded.alpha[0, 0] == (np.arange(HEIGHT) >= 5)[:, None]).all()
    assert (loaded.pixels[0, :, :5] == 1).all()


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX"])
def test_read_image_converts_other_modes_to_rgb(mode):
    loaded = read_image(Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0)).convert(mode))
    np.testing.assert_allclose(loaded.pixels[0, :, 0, 0], [1, 0, 0], atol=1.01 / 255)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_read_image_reads_16_bits_of_grey_tiffs(tmp_path, rng, byteorder, compression):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, byteorder=byteorder, compression=compression, metadata=None)
    for plane in read_image(tmp_path / "a.tif").pixels[0]:
        np.testing.assert_allclose(plane, samples / 65535, atol=1e-7)


def test_read_image_reads_16_bits_of_other_grey_images(tmp_path, rng):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    expected = samples / 65535
    (tmp_path / "a.png").write_bytes(png_16_bit(samples).read())
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
def test_read_image_refuses_integers_of_more_than_16_bits(values):
    with pytest.raises(UsageError, match=r"image \(PIL image\) has values from .* scale or clip them to \[0, 65535\]"):
        read_image(Image.fromarray(values))
