import numpy as np
import pytest
from PIL import Image

from core.errors import UsageError
from core.image.reading import read_image, read_mask, read_size
from core.image.reading_memory import KEPT_BYTES, READING_BYTES, ReadingMemory


def test_an_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("1", (4000, 3000)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("the image was decoded"))
    for read in (read_image, read_size, read_mask):
        with pytest.raises(
            UsageError,
            match=r"large\.png has 4000x3000 px, and reading it takes about 0\.4 GiB of memory, but only 0\.1 GiB is "
            r"available: scale it down or raise --max-memory$",
        ):
            read(tmp_path / "large.png", memory=ReadingMemory(10**8))


def test_images_that_were_read_leave_less_memory():
    image = np.zeros((100, 100))
    memory = ReadingMemory(READING_BYTES * 10**4 + 2 * KEPT_BYTES * 10**4)
    for _ in range(3):
        read_image(image, memory=memory)
    with pytest.raises(UsageError, match="100x100 px, and reading it takes"):
        read_image(image, memory=memory)
