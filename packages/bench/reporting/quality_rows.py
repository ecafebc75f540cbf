"""Rows of the tables of a quality benchmark."""

from collections.abc import Sequence
from statistics import fmean

from bench.reporting.text import Row, format_number
from bench.results import Picture, QualityRun

SUMMARY_TEXT_COLUMNS = ("program", "role")


def summary_rows(run: QualityRun) -> list[Row]:
    """Return a row with the means over all pairs for each program."""
    return [
        {
            "program": program.name,
            "role": program.role,
            **_figures([picture for picture in run.pictures if picture.program == program.name]),
        }
        for program in run.programs
    ]


def picture_rows(run: QualityRun) -> list[Row]:
    """Return a row for each picture, pair by pair."""
    return [
        {"content": it.content, "style image": it.style, "program": it.program, **_figures([it])} for it in run.pictures
    ]


def _figures(pictures: Sequence[Picture]) -> Row:
    peaks = [it.peak_memory_bytes for it in pictures if it.peak_memory_bytes]
    return {
        "structure": format_number(_mean([it.measures.structure for it in pictures])),
        "style": format_number(_mean([it.measures.style for it in pictures])),
        "colour": format_number(_mean([it.measures.color for it in pictures])),
        "dirt": format_number(_mean([it.measures.dirt for it in pictures])),
        "seconds": format_number(_mean([it.seconds for it in pictures])),
        "peak memory MB": format_number(max(peaks) / 1e6 if peaks else None),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
