"""Means over the pictures of a program, and a row for each picture."""

from pathlib import Path

from bench.reporting.quality_rows import picture_rows, summary_rows
from bench.reporting.text import NO_VALUE
from bench.results import QualityRun
from support.bench_files import PICTURES, changed, load_values


def run_of(folder: Path, *changes: tuple[tuple[str | int, ...], object]) -> QualityRun:
    values = PICTURES
    for path, value in changes:
        values = changed(values, path, value)
    run = load_values(folder, values)
    assert isinstance(run, QualityRun)
    return run


def test_a_program_has_means_and_the_largest_peak(tmp_path: Path) -> None:
    """Structure 0.2 and 0.4, 15 and 5 seconds, 900 and 1200 MB."""
    run = run_of(tmp_path, (("pictures", 2, "seconds"), 5.0), (("pictures", 2, "peak_memory_bytes"), 1.2e9))
    configuration, control = summary_rows(run)
    assert configuration == {
        "program": "[default]",
        "role": "configuration",
        "structure": "0.300",
        "style": "0.500",
        "colour": "12.0",
        "dirt": "2.00",
        "seconds": "10.0",
        "peak memory MB": "1,200",
    }
    assert (control["program"], control["structure"]) == ("painting", "0.650")
    assert control["seconds"] == control["peak memory MB"] == NO_VALUE


def test_a_mean_leaves_out_pictures_without_a_value(tmp_path: Path) -> None:
    run = run_of(tmp_path, (("pictures", 0, "measures", "dirt"), None), (("pictures", 2, "measures", "dirt"), 7.0))
    assert [row["dirt"] for row in summary_rows(run)] == ["7.00", "2.00"]
    none = run_of(tmp_path, *((("pictures", number, "measures", "dirt"), None) for number in range(4)))
    assert [row["dirt"] for row in summary_rows(none)] == [NO_VALUE, NO_VALUE]


def test_every_picture_has_a_row_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = picture_rows(run_of(tmp_path))
    assert [(row["style image"], row["program"], row["structure"], row["seconds"]) for row in rows] == [
        ("night.jpg", "[default]", "0.200", "15.0"),
        ("night.jpg", "painting", "0.600", NO_VALUE),
        ("glass.jpg", "[default]", "0.400", "15.0"),
        ("glass.jpg", "painting", "0.700", NO_VALUE),
    ]
