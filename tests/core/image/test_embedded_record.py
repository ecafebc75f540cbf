import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import UsageError
from core.image.embedded_record import RECORD_KEY, read_record
from core.image.writing import write_image
from support.image_files import CARRIERS

RECORD = json.dumps({"content": "Zürich 夜 😀.jpg", "loss": 0.1, "quote": '"\\'}, ensure_ascii=False)


@pytest.mark.parametrize(("suffix", "bit_depth"), CARRIERS)
def test_read_record_returns_the_written_record(tmp_path, pixels, suffix, bit_depth):
    path = tmp_path / f"a.{suffix}"
    write_image(path, pixels, bit_depth=bit_depth, record=RECORD)
    assert json.loads(read_record(path)) == json.loads(RECORD)
    write_image(path, pixels, bit_depth=bit_depth)
    assert read_record(path) is None


def test_the_record_of_a_bmp_file_follows_its_pixels(tmp_path, pixels):
    write_image(tmp_path / "a.bmp", pixels)
    write_image(tmp_path / "b.bmp", pixels, record=RECORD)
    plain, with_record = ((tmp_path / name).read_bytes() for name in ("a.bmp", "b.bmp"))
    assert with_record.startswith(plain)
    assert json.loads(with_record.removeprefix(plain)) == json.loads(RECORD)


def test_the_record_is_in_standard_metadata_fields(tmp_path, pixels):
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


def test_a_record_that_a_format_cannot_hold_is_omitted(tmp_path, pixels):
    long = json.dumps({"losses": "9" * 70_000})
    for suffix, expected in (("jpg", None), ("webp", long), ("png", long), ("tif", long), ("bmp", long)):
        write_image(tmp_path / f"a.{suffix}", pixels, record=long)
        assert read_record(tmp_path / f"a.{suffix}") == expected


def test_read_record_returns_none_for_files_of_other_programs(tmp_path, colors):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0taken in Rome"
    Image.fromarray(colors).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(colors).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", description="a scan", metadata=None)
    (tmp_path / "notes.txt").write_text("{}")
    for name in ("a.jpg", "a.png", "a.tif", "notes.txt"):
        assert read_record(tmp_path / name) is None
    with pytest.raises(UsageError, match="does not exist"):
        read_record(tmp_path / "missing.png")


def test_a_description_that_is_a_number_is_no_record(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((20, 20), np.uint8), metadata=None, extratags=[(270, 12, 1, 2.5, True)]
    )
    assert read_record(tmp_path / "a.tif") is None
