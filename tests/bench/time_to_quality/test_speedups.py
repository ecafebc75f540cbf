"""Speedups, against ratios by hand."""

from bench.results import Point, Speedup
from bench.time_to_quality.speedups import speedup


def points(*rows: tuple[float, float, float]) -> list[Point]:
    """Points from seconds, content loss and style loss."""
    return [
        Point(number, seconds, content + style, {"content": content, "style": style})
        for number, (seconds, content, style) in enumerate(rows)
    ]


def test_speedup_divides_the_times_to_the_final_loss_of_the_baseline() -> None:
    baseline = points((1, 0, 50), (40, 8, 12))
    toolkit = points((2, 30, 30), (4, 15, 6), (5, 9, 11), (8, 7, 13), (9, 1, 1))
    assert speedup("adam", toolkit, baseline) == Speedup(
        baseline="adam",
        loss=20,
        baseline_seconds=40,
        toolkit_seconds=5,
        speedup=8,
        content_seconds=8,
        content_speedup=5,
    )


def test_speedup_is_none_if_the_loss_is_never_reached() -> None:
    row = speedup("adam", points((1, 10, 11), (99, 9, 11.5)), points((3, 10, 10)))
    assert (row.toolkit_seconds, row.speedup, row.content_seconds, row.content_speedup) == (None, None, None, None)


def test_content_speedup_is_none_if_only_the_total_is_reached() -> None:
    row = speedup("adam", points((1, 11, 8)), points((3, 10, 10)))
    assert (row.toolkit_seconds, row.speedup, row.content_seconds, row.content_speedup) == (1, 3, None, None)
