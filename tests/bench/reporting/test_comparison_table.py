"""The comparison as a table."""

import io

from rich.console import Console

from bench.reporting.compare import Comparison, Row
from bench.reporting.comparison_table import comparison_table

SLOWER = Row(
    name="test_slow[red]",
    base=1.0,
    new=2.0,
    ratio=2.0,
    p_value=0.05,
    verdict="slower",
    memory_ratio=None,
    memory="same",
    note="",
)
LARGER = Row(
    name="test_large[cpu]",
    base=0.0123,
    new=0.0123,
    ratio=1.0,
    p_value=None,
    verdict="too few rounds",
    memory_ratio=1.5,
    memory="more",
    note="by time, no limit measured",
)


def test_comparison_table_shows_every_benchmark_of_either_run() -> None:
    comparison = Comparison(
        title="new.json against base.json, by time",
        fail_above=1.1,
        rows=(SLOWER, LARGER),
        only_base=("test_gone[b]",),
        only_new=("test_added[i]",),
        warnings=(),
    )
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(comparison_table(comparison))
    text = console.export_text()
    rows = {
        line.split()[1]: [cell.strip() for cell in line.split("│")[2:8]] for line in text.splitlines() if "│" in line
    }
    assert "new.json against base.json, by time" in text
    assert "above 1.1 times" in text
    assert rows["test_slow[red]"] == ["1,000", "2,000", "2.00", "0.050", "–", "slower"]
    assert rows["test_large[cpu]"] == [
        *("12.3", "12.3", "1.00", "–", "1.50"),
        "too few rounds, more memory (by time, no limit measured)",
    ]
    assert rows["test_gone[b]"][-1] == "only in base"
    assert rows["test_added[i]"][-1] == "only in new"
