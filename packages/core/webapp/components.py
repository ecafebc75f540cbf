"""Custom Streamlit components: a before/after comparison of two images, and a canvas to draw a region mask."""

import base64
import binascii
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import streamlit as st

from core.errors import UsageError
from core.files import sha256_of_bytes
from core.webapp.theme import component_css

MASK_SIDE = 384
"""Limit on the long side of a drawn mask, in pixels."""
MAX_MASK_LENGTH = 4_000_000
"""Limit on the length of a mask's data URL; a drawn mask takes about a hundredth of it."""

_PNG_URL_PREFIX = "data:image/png;base64,"


def compare(before: PIL.Image.Image, after: PIL.Image.Image, *, key: str) -> None:
    """Show two images of the same size on top of each other, with a slider that moves the border between them."""
    _component("compare")(
        key=_component_key(key),
        data={
            "before": data_url(before),
            "after": data_url(after),
            "aspectRatio": after.width / after.height,
        },
    )


def draw_mask(image: PIL.Image.Image, *, key: str) -> bytes | None:
    """Show an image to draw a mask on; return the mask as a PNG file, white where drawn, or None if it is empty.

    Raises:
        UsageError: The browser sent invalid data.
    """
    small = image.convert("RGB")
    small.thumbnail((MASK_SIDE, MASK_SIDE))
    state = _component("mask")(
        key=_component_key(key),
        data={"image": data_url(small), "width": small.width, "height": small.height},
        on_mask_change=_ignore_change,
    )
    return decode_mask(state.mask) if state.mask else None


def decode_mask(data_url: Any) -> bytes:
    """Return the content of the PNG file that a browser sent as a data URL.

    Raises:
        UsageError: The value is not a data URL of a PNG file, or it is too long.
    """
    if isinstance(data_url, str) and data_url.startswith(_PNG_URL_PREFIX) and len(data_url) < MAX_MASK_LENGTH:
        try:
            return base64.b64decode(data_url.removeprefix(_PNG_URL_PREFIX), validate=True)
        except binascii.Error:
            pass
    raise UsageError("the browser sent an invalid region mask: draw it again")


def data_url(image: PIL.Image.Image) -> str:
    """Return the image as a WebP file in a data URL, which a browser shows without another request."""
    file = BytesIO()
    image.save(file, "WEBP", quality=90)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _component_key(key: str) -> str:
    """Return a hash of the key: Streamlit rejects component keys that contain `__`, and file names may contain it."""
    return sha256_of_bytes(key.encode())


def _ignore_change() -> None:
    """Do nothing: Streamlit stores the state of a component only if a change callback is registered."""


@cache
def _component(name: str) -> Any:
    html, css, js = (Path(__file__).with_name(f"{name}.{suffix}").read_text() for suffix in ("html", "css", "js"))
    return st.components.v2.component(f"style-transfer-{name}", html=html, css=component_css() + css, js=js)
