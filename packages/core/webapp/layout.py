"""The page from top to bottom: the form on the left, the status panel on the right."""

from pathlib import Path
from typing import Any

import streamlit as st

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.webapp.durations import DurationEstimate, MachineSpeed
from core.webapp.images_form import choose_content, choose_styles
from core.webapp.job_queue import JobQueue
from core.webapp.options_form import choose_options
from core.webapp.request import StyleChoice, TransferRequest, submit_request
from core.webapp.status_panel import show_status_panel
from core.webapp.uploads import SessionDir, UploadedImage


def show_page() -> None:
    """Render the page for one visitor and submit a transfer if the start button was clicked."""
    st.set_page_config(page_title="Style transfer", page_icon="🖌️", layout="wide")
    st.html(Path(__file__).with_name("page.css"))
    st.title("Transfer the style of one image to another", anchor=False)
    st.caption(
        "Neural style transfer after Gatys, Ecker and Bethge. "
        "Your images are processed on the machine that serves this page."
    )
    form, status = st.columns([5, 7], gap="large")
    with form:
        _show_form(_job_queue(), _session_dir())
    with status, st.container(key="status-panel"):
        show_status_panel(_job_queue(), st.session_state.get("request"))
    _machine_speed().start_measurement()  # after the page is shown, because it takes the processor


@st.cache_resource(show_spinner=False)
def _job_queue() -> JobQueue:
    """Return the queue that all visitors share."""
    queue = JobQueue()
    queue.start()
    return queue


@st.cache_resource(show_spinner=False)
def _machine_speed() -> MachineSpeed:
    """Return the speed of this machine, which is measured once for all visitors."""
    return MachineSpeed(_job_queue())


def _session_dir() -> SessionDir:
    session: SessionDir = st.session_state.setdefault("session", SessionDir())
    return session


def _show_form(queue: JobQueue, session: SessionDir) -> None:
    content = choose_content(session)
    styles = choose_styles(session, content)
    sizes = [style.image.size for style in styles]
    options = choose_options(DurationEstimate(_machine_speed(), content.size, sizes) if content else None)
    busy = "request" in st.session_state and st.session_state["request"].job.active
    if st.button("Start transfer", type="primary", width="stretch", disabled=busy, key="start"):
        try:
            request = _submit(queue, session, content, styles, options)
        except StyleTransferError as error:
            st.error(str(error))
            return
        st.session_state["request"] = request
        st.rerun()


def _submit(
    queue: JobQueue,
    session: SessionDir,
    content: UploadedImage | None,
    styles: list[StyleChoice],
    options: dict[str, Any],
) -> TransferRequest:
    if content is None or not styles:
        missing = "content image" if content is None else "style image"
        raise UsageError(f"no {missing} was chosen: upload one or choose a sample")
    return submit_request(queue, session, content, styles, TransferConfig.from_options(options))
