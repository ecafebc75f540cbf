"""Widgets for the input images: content image, style images, and the masks of the styles."""

import re
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import PIL.ImageOps
import streamlit as st

from core.errors import UsageError
from core.files import sha256_of_bytes
from core.webapp.components import data_url, draw_mask
from core.webapp.request import StyleChoice
from core.webapp.uploads import SessionDir, UploadedImage, find_samples, read_sample

MAX_STYLES = 4
THUMBNAIL_SIDE = 116
"""Side of a sample in pixels: twice its side on the page, for screens of high resolution."""
CHOSEN_WIDTH = 220
"""Width of a chosen image on the form, in pixels."""


def choose_content(session: SessionDir) -> UploadedImage | None:
    """Show the widgets for the content image; return the chosen image, or None if there is none."""
    st.subheader("Content image", anchor=False)
    upload = st.file_uploader("Upload the content image", type="image", key="content", label_visibility="collapsed")
    samples = _choose_samples("Sample images", "content", selection_mode="single", key="content sample")
    try:
        if upload:
            image = session.add(f"content {upload.file_id}", upload.name, upload.getvalue, "content image")
        elif samples:
            image = read_sample(samples[0], "content image")
        else:
            return None
    except UsageError as error:
        st.error(str(error))
        return None
    st.image(image.display_image, width=CHOSEN_WIDTH, alt=image.name)
    return image


def choose_styles(session: SessionDir, content: UploadedImage | None) -> list[StyleChoice]:
    """Show the widgets for the style images; return the readable ones with their weights and masks."""
    st.subheader("Style images", anchor=False)
    uploads = st.file_uploader(
        "Upload style images", type="image", key="styles", label_visibility="collapsed", accept_multiple_files=True
    )
    samples = _choose_samples("Sample styles", "style", selection_mode="multi", key="style samples")
    readers = [partial(session.add, f"style {up.file_id}", up.name, up.getvalue, "style image") for up in uploads]
    readers += [partial(read_sample, sample, "style image") for sample in samples]
    if len(readers) > MAX_STYLES:
        st.error(f"{len(readers)} style images were chosen: only the first {MAX_STYLES} are used")
    images = []
    for read in readers[:MAX_STYLES]:
        try:
            images.append(read())
        except UsageError as error:
            st.error(str(error))
    return [_choose_style_settings(session, content, image, only=len(images) == 1) for image in images]


def _choose_samples(label: str, role: str, *, selection_mode: Literal["single", "multi"], key: str) -> list[Path]:
    """Show the samples of a role as thumbnails to click on; return the chosen ones."""
    samples = find_samples()[role]
    if not samples:
        return []
    chosen: Any = st.pills(
        label, list(samples), selection_mode=selection_mode, format_func=lambda name: _thumbnail(samples[name]), key=key
    )
    names = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
    return [samples[name] for name in names]


@cache
def _thumbnail(sample: Path) -> str:
    """Return a square thumbnail as Markdown, or the name of the sample if it cannot be read.

    Streamlit shows images in labels as small as text; `page.css` enlarges them.
    """
    name = re.sub(r"[\[\]\\]", "", sample.stem)
    try:
        image = read_sample(sample, "sample").display_image.convert("RGB")
    except UsageError:
        return name
    return f"![{name}]({data_url(PIL.ImageOps.fit(image, (THUMBNAIL_SIDE, THUMBNAIL_SIDE)))})"


def _choose_style_settings(
    session: SessionDir, content: UploadedImage | None, image: UploadedImage, *, only: bool
) -> StyleChoice:
    """Show a style image with its masks and, unless it is the `only` one, its weight."""
    with st.container(border=not only):
        st.image(image.display_image, width=CHOSEN_WIDTH if only else CHOSEN_WIDTH // 2, alt=image.name)
        weight = 1.0
        if not only:
            weight = st.slider(f"Weight of {image.path.name}", 0.05, 1.0, 1.0, 0.05, key=f"weight {image.path}")
        mask = None
        if content is not None:
            with st.expander("Restrict to a region of the content image"):
                mask = _choose_mask(session, "region", content, image, "Region mask, white where the style applies")
        with st.expander("Use only a part of the style image"):
            style_mask = _choose_mask(session, "style", image, image, "Style mask, white where the style image counts")
        return StyleChoice(image, weight, mask, style_mask)


def _choose_mask(
    session: SessionDir, kind: Literal["region", "style"], masked: UploadedImage, style: UploadedImage, label: str
) -> UploadedImage | None:
    """Show an upload and a canvas for a mask of the image `masked`, which belongs to a style; return the mask."""
    key = f"{kind} mask {masked.path} {style.path}"
    upload = st.file_uploader(label, type="image", key=f"{key} file")
    try:
        if upload:
            mask = session.add(f"{key} {upload.file_id}", upload.name, upload.getvalue, f"{kind} mask")
            st.image(mask.display_image, width=CHOSEN_WIDTH, alt=mask.name)
            return mask
        st.caption("or draw it with mouse or finger")
        if drawn := draw_mask(masked.display_image, key=key):
            checksum = sha256_of_bytes(drawn)
            return session.add(f"{key} {checksum}", f"{style.path.stem}-{kind}.png", lambda: drawn, f"{kind} mask")
    except UsageError as error:
        st.error(str(error))
    return None
