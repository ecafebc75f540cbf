"""Speedups: when the toolkit reaches the final loss of a baseline."""

from collections.abc import Sequence

from bench.results import Point, Speedup


def speedup(baseline: str, toolkit_points: Sequence[Point], baseline_points: Sequence[Point]) -> Speedup:
    """Compare the time of a baseline's last point with that of the first toolkit point that is at least as good."""
    end = baseline_points[-1]
    reached = [point for point in toolkit_points if point.loss <= end.loss]
    with_content = [point for point in reached if point.parts["content"] <= end.parts["content"]]
    seconds, content_seconds = (points[0].seconds if points else None for points in (reached, with_content))
    return Speedup(
        baseline=baseline,
        loss=end.loss,
        baseline_seconds=end.seconds,
        toolkit_seconds=seconds,
        speedup=seconds and end.seconds / seconds,
        content_seconds=content_seconds,
        content_speedup=content_seconds and end.seconds / content_seconds,
    )
