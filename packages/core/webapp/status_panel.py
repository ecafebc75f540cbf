"""The job's side of the page: queue position, live preview, loss plot, result and downloads."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import PIL.Image
import streamlit as st

from core.errors import UsageError
from core.webapp.components import compare
from core.webapp.job_queue import Job, JobQueue, Preview
from core.webapp.loss_plot import loss_chart
from core.webapp.request import TransferRequest
from core.webapp.uploads import find_example, read_sample

POLL_INTERVAL = 1.0
"""Seconds between two updates of an active job."""


def show_status_panel(queue: JobQueue, request: TransferRequest | None) -> None:
    """Render the job status: queue position, live preview, result or error; before the first request an example."""
    if request is None:
        _show_example()
    elif request.job.active:
        st.fragment(_show_active_job, run_every=POLL_INTERVAL)(queue, request.job)
    elif request.job.state == "failed":
        st.error(request.job.error)
    elif request.job.state == "cancelled":
        st.info("This transfer was cancelled.")
    else:
        _show_result(request)


def _show_example() -> None:
    """Show a finished sample, or where to expect the result if there is none."""
    example = find_example()
    if example is None:
        with st.container(height=360, horizontal_alignment="center", vertical_alignment="center"):
            st.caption("The result appears here.", text_alignment="center")
        return
    try:
        content, result = (read_sample(path, "example").display_image for path in example)
    except UsageError as error:
        st.error(str(error))
        return
    compare(content.resize(result.size, PIL.Image.Resampling.LANCZOS), result, key="example")
    st.caption("An example. The result of your transfer appears here.")


def _show_active_job(queue: JobQueue, job: Job) -> None:
    jobs_ahead = queue.poll(job)
    if not job.active:
        st.rerun()
    st.progress(job.preview.fraction if job.preview else 0.0, _status(job, jobs_ahead))
    _show_buttons(queue, job)
    if job.preview:
        st.image(job.preview.image, width="stretch", alt="Intermediate result")
        _show_loss_plot(job)


def _status(job: Job, jobs_ahead: int) -> str:
    if job.stop_request:
        return "Stopping after the current step …"
    if job.state == "waiting":
        if jobs_ahead == 0:
            return "Next in the queue"
        return f"{jobs_ahead} {'transfer is' if jobs_ahead == 1 else 'transfers are'} ahead of yours in the queue"
    return _progress_text(job.preview) if job.preview else "Preparing …"


def _progress_text(preview: Preview) -> str:
    return (
        f"Evaluation {preview.evaluations} of {preview.total_evaluations} · {preview.seconds:.0f} s · "
        f"about {preview.seconds_left:.0f} s left"
    )


def _show_buttons(queue: JobQueue, job: Job) -> None:
    with st.container(horizontal=True):
        if job.state == "running":
            keep = partial(queue.stop, job, keep_result=True)
            disabled = job.preview is None or job.stop_request is not None
            st.button("Stop and keep the result", on_click=keep, disabled=disabled)
        cancel = partial(queue.stop, job, keep_result=False)
        st.button("Cancel", on_click=cancel, type="tertiary", disabled=job.stop_request is not None)


def _show_result(request: TransferRequest) -> None:
    result = request.job.result
    assert result is not None, "a finished job has a result"
    if request.job.error:
        st.error(f"{request.job.error}. This is the best image so far.")
    compare(*request.comparison, key=f"compare {id(request.job)}")
    record = result.record
    ended = "Stopped" if record["stopped"] else "Finished"
    width, height = result.image.size
    st.caption(
        f"{ended} after {result.losses[-1]['evaluations']} evaluations in {record['seconds']:.0f} s · "
        f"{width} × {height} px · loss {record['delivered']['loss']:.4g}"
    )
    _show_downloads(request, record)
    _show_loss_plot(request.job)


def _show_downloads(request: TransferRequest, record: Mapping[str, Any]) -> None:
    formats = ["png", "jpg", "webp", "tif"] if request.config.bit_depth == 8 else ["png", "tif"]
    suffix = st.segmented_control("Format", formats, default="png", required=True, format_func=str.upper, key="format")
    with st.container(horizontal=True):
        st.download_button(
            "Download result", partial(request.result_file, suffix), f"{request.stem}.{suffix}", type="primary",
            on_click="ignore",
        )  # fmt: skip
        record_json = json.dumps(record, indent=1) + "\n"
        st.download_button("Download run record", record_json, f"{request.stem}.json", on_click="ignore")
        for mask in (mask for style in request.styles for mask in style.masks):
            st.download_button(f"Download {mask.name}", mask.path.read_bytes(), mask.name, on_click="ignore")
    with st.expander("Command line for the same result"):
        st.code(request.command(suffix), language="bash", wrap_lines=True)


def _show_loss_plot(job: Job) -> None:
    points, spec = loss_chart(job.losses)
    st.vega_lite_chart(points, spec, height=260)
