"""Result files with earlier field and program names."""

from pathlib import Path

from bench.results import TimeToQualityRun
from support.bench_files import QUALITY, load_values

OLD = {
    **{key: QUALITY[key] for key in ("date", "machine", "settings")},
    "kind": "peers",
    "contenders": [
        {"name": name, "description": "a program", "skipped": None, "points": QUALITY["programs"][0]["points"]}
        for name in ("ours", "seed", "plain", "adam")
    ],
    "ratios": [
        {
            "peer": "seed",
            "mark": 5.0,
            "peer_seconds": 7.5,
            "our_seconds": 5.0,
            "ratio": 1.5,
            "content_seconds": None,
            "content_ratio": None,
        }
    ],
}


def test_load_translates_the_earlier_format(tmp_path: Path) -> None:
    run = load_values(tmp_path, OLD)
    assert isinstance(run, TimeToQualityRun)
    assert [program.name for program in run.programs] == ["toolkit", "firekind", "plain-lbfgs", "adam"]
    assert run.programs[0].points[1].loss == 8
    (row,) = run.speedups
    assert (row.baseline, row.loss, row.baseline_seconds, row.toolkit_seconds) == ("firekind", 5.0, 7.5, 5.0)
    assert (row.speedup, row.content_seconds, row.content_speedup) == (1.5, None, None)
    assert run.settings == QUALITY["settings"]
