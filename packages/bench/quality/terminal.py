"""Progress and results of the quality benchmark, and the tally of judges, on the terminal."""

from bench.quality.tally import Share, Tally
from bench.reporting.quality_rows import SUMMARY_TEXT_COLUMNS, summary_rows
from bench.reporting.terminal_table import print_rows
from bench.results import QualityRun
from core.cli.terminal import print_line


def print_progress(line: str) -> None:
    """Print a line to stderr."""
    print_line(line, stderr=True)


def print_quality(run: QualityRun) -> None:
    """Print a table with the mean measures of every program."""
    title = f"means of {len(run.pictures) // len(run.programs)} pairs, {run.size} px"
    print_rows(title, summary_rows(run), text_columns=SUMMARY_TEXT_COLUMNS)


def print_tally(tally: Tally) -> None:
    """Print a line for every judge and, for several of them, one for their majority."""
    for path, share in tally.judges.items():
        _print_share(tally, share, str(path))
    if len(tally.judges) > 1:
        _print_share(tally, tally.majority, "majority")


def _print_share(tally: Tally, share: Share, judge: str) -> None:
    """Print how often a judge preferred the first program."""
    first, second = tally.programs
    low, high = share.interval
    line = (
        f"{judge}: {first} preferred to {second} on {share.score:g} of {share.judged} sheets, {share.share:.0%} "
        f"(95 %: {low:.0%} to {high:.0%})"
    )
    missing = tally.sheets - share.judged
    print_line(line + (f"; {missing} not judged" if missing else ""))
