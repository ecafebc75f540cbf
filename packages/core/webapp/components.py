"""The two parts of the page that Streamlit does not have: a picture before and after, and a mask to paint."""

import base64
import binascii
import hashlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import streamlit as st

from core.errors import UsageError

MASK_SIDE = 384
"""Bound on the long side of a painted mask, in pixels."""
LARGEST_MASK = 4_000_000
"""Bytes that a painted mask may have; honest ones have a hundredth of it."""

_HEAD = "data:image/png;base64,"


def compare(before: PIL.Image.Image, after: PIL.Image.Image, *, key: str) -> None:
    """Two pictures of one size, one over the other, with a slider that moves the border between them."""
    _component("compare")(
        key=_id_of(key),
        data={"before": _data_url(before), "after": _data_url(after), "shape": after.width / after.height},
    )


def paint_mask(picture: PIL.Image.Image, *, key: str) -> bytes | None:
    """A copy of the picture to paint over; the mask as a PNG file, white where painted, or None where nothing is.

    Raises:
        UsageError: The browser sent something else.
    """
    small = picture.convert("RGB")
    small.thumbnail((MASK_SIDE, MASK_SIDE))
    drawn = _component("mask")(
        key=_id_of(key),
        data={"picture": _data_url(small), "width": small.width, "height": small.height},
        on_mask_change=_take_note,
    )
    return None if not drawn.mask else read_mask(drawn.mask)


def read_mask(sent: Any) -> bytes:
    """The PNG file in what a browser sent as a data URL.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(sent, str) and sent.startswith(_HEAD) and len(sent) < LARGEST_MASK:
        try:
            return base64.b64decode(sent.removeprefix(_HEAD), validate=True)
        except binascii.Error:
            pass
    raise UsageError("the painted region did not arrive whole: paint it again")


def _id_of(key: str) -> str:
    """Streamlit refuses a component whose key has `__` in it, and names of files and folders may."""
    return hashlib.sha256(key.encode()).hexdigest()


def _take_note() -> None:
    """Streamlit keeps the state of a component only where something is called when it changes."""


@cache
def _component(name: str) -> Any:
    folder = Path(__file__).parent
    html, css, js = (folder.joinpath(f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component(f"style-transfer-{name}", html=html, css=css, js=js)


def _data_url(image: PIL.Image.Image) -> str:
    file = BytesIO()
    image.save(file, "WEBP", quality=90)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
