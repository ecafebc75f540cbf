"""Lines of the tally, and the table of means."""

from pathlib import Path

import pytest

from bench.quality.tally import Share, Tally
from bench.quality.terminal import print_quality, print_tally
from bench.results import QualityRun
from support.bench_files import PICTURES, load_values


def test_print_tally_has_a_line_per_judge_and_the_majority(capsys: pytest.CaptureFixture[str]) -> None:
    judges = {Path("a.tsv"): Share(4, 8), Path("b.tsv"): Share(8, 8)}
    print_tally(Tally(("ours", "[theirs]"), 9, judges, Share(6.5, 9)))
    assert capsys.readouterr().out.splitlines() == [
        "a.tsv: ours preferred to [theirs] on 4 of 8 sheets, 50% (95 %: 22% to 78%); 1 not judged",
        "b.tsv: ours preferred to [theirs] on 8 of 8 sheets, 100% (95 %: 68% to 100%); 1 not judged",
        "majority: ours preferred to [theirs] on 6.5 of 9 sheets, 72% (95 %: 40% to 91%)",
    ]


def test_print_tally_of_one_judge_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_tally(Tally(("a", "b"), 2, {Path("a.tsv"): Share(1, 2)}, Share(1, 2)))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_print_quality_shows_the_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = load_values(tmp_path, PICTURES)
    assert isinstance(run, QualityRun)
    print_quality(run)
    text = capsys.readouterr().out
    assert "means of 2 pairs, 512 px" in text
    row = next(line for line in text.splitlines() if "[default]" in line)
    assert row.replace("│", " ").split() == [
        "[default]",
        "configuration",
        "0.300",
        "0.500",
        "12.0",
        "2.00",
        "15.0",
        "900",
    ]
