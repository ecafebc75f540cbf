"""Rows of the table of a race."""

from bench.reporting.text import NO_VALUE, Row, format_number
from bench.results import RaceRun

RACE_TEXT_COLUMNS = ("configuration",)


def race_rows(run: RaceRun) -> list[Row]:
    """Return a row for each racer: its finished picture, and when that of the first racer was as good."""
    leads = {lead.rival: lead for lead in run.leads}
    rows: list[Row] = []
    for racer in run.racers:
        end, lead = racer.points[-1], leads.get(racer.name)
        seconds = NO_VALUE if lead is None else "never" if lead.seconds is None else format_number(lead.seconds)
        rows.append(
            {
                "configuration": racer.name,
                "evaluations": str(end.evaluations),
                "seconds": format_number(end.seconds),
                "structure": format_number(end.measures.structure),
                "style": format_number(end.measures.style),
                "first as good after": seconds,
                "ratio": format_number(lead.ratio if lead else None),
            }
        )
    return rows
