"""The painting's side of the page: the place in the queue, the picture as it grows, and the result."""

import json
from functools import partial
from typing import Any

import streamlit as st

from core.webapp.components import compare
from core.webapp.job_queue import Job, JobQueue, Snapshot
from core.webapp.request import Painting

LOOK_EVERY = 1.0
"""Seconds between two looks at a painting on its way."""
MOST_POINTS = 400
"""Of the plot: more could not be told apart."""
COLOURS = {"total": "#c2602f", "style": "#5b8bb5", "content": "#7f9f5a", "tv": "#a07ab0"}
"""Of the lines of the plot, by day and by night."""


def show_status_panel(queue: JobQueue, painting: Painting | None) -> None:
    """How far the visitor's painting is, or what became of it."""
    if painting is None:
        with st.container(height=360, horizontal_alignment="center", vertical_alignment="center"):
            st.caption("The painting will appear here.", text_alignment="center")
    elif painting.job.live:
        st.fragment(_watch, run_every=LOOK_EVERY)(queue, painting)
    elif painting.job.state == "failed":
        st.error(painting.job.sentence)
    elif painting.job.state == "cancelled":
        st.info("This painting was cancelled.")
    else:
        _show_result(painting)


def _watch(queue: JobQueue, painting: Painting) -> None:
    job, ahead = painting.job, queue.look(painting.job)
    if not job.live:
        st.rerun()
    snapshot = job.snapshot
    if job.wish:
        st.progress(snapshot.fraction if snapshot else 0.0, "Finishing its last step …")
    elif job.state == "waiting":
        st.progress(
            0.0,
            "Yours is next"
            if ahead == 0
            else f"{ahead} {'painting is' if ahead == 1 else 'paintings are'} ahead of yours",
        )
    elif snapshot is None:
        st.progress(0.0, "Getting ready …")
    else:
        st.progress(snapshot.fraction, _told(snapshot))
    _show_buttons(queue, job)
    if snapshot:
        st.image(snapshot.image, width="stretch", alt="The painting so far")
        _plot(job)


def _told(snapshot: Snapshot) -> str:
    return (
        f"Evaluation {snapshot.evaluations} of {snapshot.total_evaluations} · {snapshot.seconds:.0f} s · "
        f"about {snapshot.left:.0f} s left"
    )


def _show_buttons(queue: JobQueue, job: Job) -> None:
    with st.container(horizontal=True):
        if job.state == "painting":
            keep = partial(queue.stop, job, keep=True)
            st.button("Stop and keep", on_click=keep, disabled=job.snapshot is None or job.wish is not None)
        cancel = partial(queue.stop, job, keep=False)
        st.button("Cancel", on_click=cancel, type="tertiary", disabled=job.wish is not None)


def _show_result(painting: Painting) -> None:
    result = painting.job.result
    assert result is not None, "a finished job has a result"
    compare(*painting.shown, key=f"compare {id(painting.job)}")
    record = result.record
    ended = "Stopped" if record["stopped"] else "Finished"
    width, height = result.image.size
    st.caption(
        f"{ended} after {result.losses[-1]['evaluations']} evaluations in {record['seconds']:.0f} s · "
        f"{width} × {height} px · loss {record['delivered']['loss']:.4g}"
    )
    _show_downloads(painting, record)
    _plot(painting.job)


def _show_downloads(painting: Painting, record: Any) -> None:
    formats = ["png", "jpg", "webp", "tif"] if painting.config.bit_depth == 8 else ["png", "tif"]
    ending = st.segmented_control("Format", formats, default="png", required=True, format_func=str.upper, key="format")
    with st.container(horizontal=True):
        st.download_button(
            "Save the painting", partial(painting.file, ending), f"{painting.stem}.{ending}", type="primary",
            on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Its record", json.dumps(record, indent=1) + "\n", f"{painting.stem}.json", on_click="ignore"
        )
        for style in painting.styles:
            if style.region:
                st.download_button(
                    style.region.name, style.region.path.read_bytes(), style.region.name, on_click="ignore"
                )
    with st.expander("The same from a command line"):
        st.code(painting.command(ending), language="bash", wrap_lines=True)


def _plot(job: Job) -> None:
    """The losses over the evaluations, on a logarithmic axis."""
    steps = list(job.losses)
    steps = steps[:: -(-len(steps) // MOST_POINTS)]
    points = [
        {"evaluations": step["evaluations"], "loss": step[part], "part": "total" if part == "loss" else part}
        for step in steps
        for part in step.keys() - {"scale", "evaluations", "seconds"}
        if step[part] > 0
    ]
    colours = {part: colour for part, colour in COLOURS.items() if part in {point["part"] for point in points}}
    lines = {
        "mark": {"type": "line"},
        "encoding": {
            "x": {"field": "evaluations", "type": "quantitative", "title": "evaluations", "scale": {"nice": False}},
            "y": {
                "field": "loss",
                "type": "quantitative",
                "title": "loss",
                "scale": {"type": "log"},
                "axis": {"tickCount": 4, "format": "~s"},
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": {"orient": "top"},
            },
        },
    }
    st.vega_lite_chart(
        {name: [point[name] for point in points] for name in ("evaluations", "loss", "part")}, lines, height=260
    )
