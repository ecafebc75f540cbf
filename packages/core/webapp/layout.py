"""The page from top to bottom: pictures and options on one side, the painting on the other."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.webapp.components import paint_mask
from core.webapp.job_queue import JobQueue
from core.webapp.options_form import choose_options
from core.webapp.request import Painting, StyleChoice, plan_painting
from core.webapp.status_panel import show_status_panel
from core.webapp.uploads import SessionDir, UploadedImage, find_samples, read_upload

MOST_STYLES = 4
THUMBNAIL = 220
"""Width of a chosen picture on the form, in pixels."""


def show() -> None:
    """The whole page, for one visitor, as their last click left it."""
    st.set_page_config(page_title="Style transfer", page_icon="🖌️", layout="wide")
    st.html(Path(__file__).with_name("page.css"))
    st.title("Paint one picture in the style of another", anchor=False)
    st.caption("After Gatys, Ecker and Bethge. The pictures stay on the machine that serves this page.")
    form, easel = st.columns([5, 7], gap="large")
    with form:
        _form(_queue(), _folder())
    with easel, st.container(key="easel"):
        show_status_panel(_queue(), st.session_state.get("painting"))


@st.cache_resource(show_spinner=False)
def _queue() -> JobQueue:
    """The one queue of all visitors."""
    queue = JobQueue()
    queue.start()
    return queue


def _folder() -> SessionDir:
    folder: SessionDir = st.session_state.setdefault("folder", SessionDir())
    return folder


def _form(queue: JobQueue, folder: SessionDir) -> None:
    content = _choose_content(folder)
    styles = _choose_styles(folder, content)
    options = choose_options()
    busy = "painting" in st.session_state and st.session_state["painting"].job.live
    clicked = st.button("Paint", type="primary", width="stretch", disabled=busy, key="paint")
    if clicked:
        try:
            painting = _begin(queue, folder, content, styles, options)
        except StyleTransferError as error:
            st.error(str(error))
            return
        st.session_state["painting"] = painting
        st.rerun()


def _begin(
    queue: JobQueue,
    folder: SessionDir,
    content: UploadedImage | None,
    styles: list[StyleChoice],
    options: dict[str, Any],
) -> Painting:
    if content is None or not styles:
        missing = "photograph" if content is None else "style"
        raise UsageError(f"no {missing} was chosen: upload one, or take a sample")
    return plan_painting(queue, folder, content, styles, TransferConfig.from_options(options))


def _choose_content(folder: SessionDir) -> UploadedImage | None:
    st.subheader("Photograph", anchor=False)
    upload = st.file_uploader("Upload the photograph", type="image", key="content", label_visibility="collapsed")
    samples = find_samples()["content"]
    sample = st.pills("or a sample", list(samples), key="content sample") if samples else None
    try:
        if upload:
            chosen = folder.add(f"content {upload.file_id}", upload.name, upload.getvalue, "content")
        elif sample:
            chosen = _sample(samples[sample], "content")
        else:
            return None
    except UsageError as error:
        st.error(str(error))
        return None
    st.image(chosen.shown, width=THUMBNAIL, alt=chosen.name)
    return chosen


def _choose_styles(folder: SessionDir, content: UploadedImage | None) -> list[StyleChoice]:
    st.subheader("Style", anchor=False)
    uploads = st.file_uploader(
        "Upload styles", type="image", key="styles", label_visibility="collapsed", accept_multiple_files=True
    )
    samples = find_samples()["style"]
    named = st.pills("or samples", list(samples), selection_mode="multi", key="style samples") if samples else []
    ways = [partial(folder.add, f"style {up.file_id}", up.name, up.getvalue, "style") for up in uploads]
    ways += [partial(_sample, samples[name], "style") for name in named]
    if len(ways) > MOST_STYLES:
        st.error(f"{len(ways)} styles were chosen: the first {MOST_STYLES} count, take the others away")
    pictures = []
    for read in ways[:MOST_STYLES]:
        try:
            pictures.append(read())
        except UsageError as error:
            st.error(str(error))
    return [_style_row(folder, content, picture, alone=len(pictures) == 1) for picture in pictures]


@st.cache_data(show_spinner=False)
def _sample(path: Path, kind: str) -> UploadedImage:
    return read_upload(path, str(path), kind)


def _style_row(
    folder: SessionDir, content: UploadedImage | None, picture: UploadedImage, *, alone: bool
) -> StyleChoice:
    """A style with its weight, if there are others, and the part of the photograph it is meant for."""
    with st.container(border=not alone):
        st.image(picture.shown, width=THUMBNAIL if alone else THUMBNAIL // 2, alt=picture.name)
        weight = 1.0
        if not alone:
            weight = st.slider(f"Weight of {picture.path.name}", 0.05, 1.0, 1.0, 0.05, key=f"weight {picture.path}")
        if content is None:
            return StyleChoice(picture, weight, None)
        with st.expander("Only in a part of the photograph"):
            return StyleChoice(picture, weight, _choose_region(folder, content, picture))


def _choose_region(folder: SessionDir, content: UploadedImage, style: UploadedImage) -> UploadedImage | None:
    key, kind = f"region {content.path} {style.path}", "region"
    upload = st.file_uploader("A mask, white where the style goes", type="image", key=f"{key} file")
    try:
        if upload:
            mask = folder.add(f"{key} {upload.file_id}", upload.name, upload.getvalue, kind)
            st.image(mask.shown, width=THUMBNAIL, alt=mask.name)
            return mask
        st.caption("or paint over the part with mouse or finger")
        if drawn := paint_mask(content.shown, key=key):
            told = hashlib.sha256(drawn).hexdigest()
            return folder.add(f"{key} {told}", f"{style.path.stem}-region.png", lambda: drawn, kind)
    except UsageError as error:
        st.error(str(error))
    return None
