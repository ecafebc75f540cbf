"""TIFF files that Pillow cannot read, or reads wrongly."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import UsageError
from core.image.reading import read_image, read_size
from support.image_files import HEIGHT, WIDTH, as_rows


def stored(unit, dtype):
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return np.rint(unit * top).astype(dtype) if top > 1 else unit.astype(dtype)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}, {"byteorder": ">"}], ids=str)
def test_colors_of_every_depth_and_layout(tmp_path, rng, planes, dtype, options):
    unit = rng.random((HEIGHT, WIDTH, 3))
    samples = stored(unit, dtype)
    laid_out = samples if planes == "contig" else np.moveaxis(samples, -1, 0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, laid_out, photometric="rgb", planarconfig=planes, metadata=None, **options)
    tolerance = {np.uint8: 0.5 / 255, np.float16: 3e-4}.get(dtype, 1e-5)
    np.testing.assert_allclose(as_rows(read_image(path).pixels), unit, atol=tolerance)
    assert read_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_grey_where_0_is_white(tmp_path, rng, dtype, byteorder):
    unit = rng.random((HEIGHT, WIDTH))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored(unit, dtype), photometric="miniswhite", byteorder=byteorder, metadata=None)
    tolerance = 0.5 / 255 if dtype == np.uint8 else 1e-5
    np.testing.assert_allclose(read_image(path).pixels[0, 0], 1 - unit, atol=tolerance)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_other_readers(tmp_path, rng, orientation):
    samples = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    tag = (274, "H", 1, orientation, True)
    for name, factor, dtype in (("pillow", 1, np.uint8), ("tifffile", 1 / 255, np.float32)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            (samples * factor).astype(dtype),
            photometric="rgb",
            metadata=None,
            extratags=[tag],
        )
    loaded = read_image(tmp_path / "tifffile.tif")
    np.testing.assert_allclose(loaded.pixels, read_image(tmp_path / "pillow.tif").pixels, atol=1e-6)
    assert read_size(tmp_path / "tifffile.tif") == loaded.size


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_alpha_in_separate_planes(tmp_path, rng, extra):
    unit = rng.uniform(0.2, 1, (HEIGHT, WIDTH, 4))
    written = unit.copy()
    if extra == "assocalpha":
        written[..., :3] *= unit[..., 3:]
    planes = np.moveaxis(written.astype(np.float32), -1, 0)
    options = {"photometric": "rgb", "planarconfig": "separate", "extrasamples": [extra], "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", planes, **options)
    loaded = read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(loaded.alpha[0, 0], unit[..., 3], atol=1e-6)
    expected = unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:]
    np.testing.assert_allclose(as_rows(loaded.pixels), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "dtype", "message"),
    [
        (
            {"photometric": "cielab"},
            np.uint16,
            "is a TIFF file of CIELAB colours with 16 bits per sample, which",
        ),
        ({"photometric": "rgb"}, np.int16, "has values of type int16: expected uint8, uint16, or float"),
        ({"photometric": "rgb"}, np.float32, r"has values from 0 to 7: scale or clip them to \[0, 1\]"),
    ],
)
def test_what_cannot_be_read_faithfully_is_refused(tmp_path, options, dtype, message):
    samples = np.zeros((HEIGHT, WIDTH, 3), dtype)
    samples[0] = 7
    tifffile.imwrite(tmp_path / "a.tif", samples, metadata=None, **options)
    with pytest.raises(UsageError, match=message):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 4}], ids=str)
def test_a_truncated_file_is_refused_without_other_output(tmp_path, rng, capfd, options):
    path = tmp_path / "a.tif"
    samples = rng.random((HEIGHT, WIDTH, 3)).astype(np.float32)
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, **options)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UsageError, match=r"a\.tif is damaged or truncated"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_libtiff_prints_nothing(tmp_path, rng, capfd):
    path = tmp_path / "a.tif"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[3000:3400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.tif is damaged or truncated"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_tiles_that_are_much_larger_than_the_image_are_refused(tmp_path, rng):
    """A tile of 16 x 2 ** 28 samples of which a few bytes are stored."""
    path, image = tmp_path / "a.tif", rng.random((HEIGHT, WIDTH, 3)).astype(np.float32)
    tifffile.imwrite(path, image, photometric="rgb", tile=(16, 16), compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["TileLength"].overwrite(2**28)
    with pytest.raises(UsageError, match=r"is damaged or truncated \(its tiles are larger than the image\)"):
        read_image(path)
