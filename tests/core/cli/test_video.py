"""Films of small real runs, read back frame by frame."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from core.cli.video import LONGEST_SIDE, MOST_FRAMES, Video
from core.errors import UsageError
from core.transfer import app
from support.images import pixels_of


class Step:
    """As much of a progress as a film looks at."""

    def __init__(self, evaluations: int, level: int, size: tuple[int, int] = (20, 16), resumed: bool = False) -> None:
        self.evaluations, self.resumed = evaluations, resumed
        self.image = Image.new("RGB", size, (level, 255 - level, 100))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """When each frame begins, in seconds, and its pixels; the last entry is the end of the film."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            (stream,) = container.streams.video
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
            return [*frames, (float(stream.duration * stream.time_base), frames[-1][1])]
    found, now = [], 0.0
    with Image.open(path) as film:
        for number in range(film.n_frames):
            film.seek(number)
            film.load()
            found.append((now, np.asarray(film.convert("RGB"))))
            now += film.info["duration"] / 1000
    return [*found, (now, found[-1][1])]


@pytest.mark.parametrize("ending", ["webp", "mp4"])
def test_the_film_of_a_run_ends_with_the_painting(
    ending: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    film, output = tmp_path / f"film.{ending}", tmp_path / "o.png"
    small = ["--image-size", 49, "--iterations", 8, "--scales", 2, "--optimizer", "adam"]
    ran = run("-c", content_path, "-s", style_path, "-o", output, "--film", film, "--film-fps", 10, *small)
    assert ran.exit_code == 0, ran.output
    painting = pixels_of(output).astype(float)
    assert painting.shape == (33, 49, 3)
    frames = frames_of(film)
    times = [time for time, _ in frames]
    assert times[:8] == pytest.approx([number / 10 for number in range(8)], abs=0.01)
    assert times[-1] == pytest.approx(0.8 + 1.0, abs=0.01)
    shown = frames[-1][1].astype(float)
    assert shown.shape == ((33, 49, 3) if ending == "webp" else (32, 48, 3))
    last = painting[: shown.shape[0], : shown.shape[1]]
    assert np.abs(shown - last).mean() < 8
    assert np.abs(shown.mean(axis=(0, 1)) - last.mean(axis=(0, 1))).max() < 3
    assert np.abs(frames[0][1] - last).mean() > 2 * np.abs(shown - last).mean()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([film.name, "o.png"])


@pytest.mark.parametrize("ending", ["webp", "mp4"])
def test_frames_come_in_order_and_at_the_pace_asked_for(ending: str, tmp_path: Path) -> None:
    film = Video(tmp_path / f"film.{ending}", (40, 32), fps=5, every=10)
    for evaluations in range(1, 41):
        film.add(Step(evaluations, 5 * evaluations))
    film.write(Image.new("RGB", (40, 32), (250, 5, 100)))
    frames = frames_of(film.path)
    distinct = [pixels.mean(axis=(0, 1)) for _, pixels in frames[:5]]
    for (red, green, blue), level in zip(distinct, (50, 100, 150, 200, 250), strict=True):
        assert (red, green, blue) == pytest.approx((level, 255 - level, 100), abs=4)
    assert frames[4][0] == pytest.approx(0.8, abs=0.01)
    assert frames[0][1].shape == (32, 40, 3)


def test_a_long_run_makes_no_long_film(tmp_path: Path) -> None:
    film = Video(tmp_path / "film.mp4", (16, 16))
    for evaluations in range(1, 1001):
        film.add(Step(evaluations, evaluations // 4, (16, 16)))
    film.write(Image.new("RGB", (16, 16), "blue"))
    reds = [pixels[..., 0].mean() for _, pixels in frames_of(film.path)]
    del reds[-1 - 12 :]  # the painting, held for a second
    assert MOST_FRAMES / 2 <= len(reds) <= MOST_FRAMES
    assert reds[0] < 10
    assert reds[-1] > 235
    assert max(np.abs(np.diff(reds))) < 10


def test_a_large_painting_makes_no_larger_film_than_players_take(tmp_path: Path) -> None:
    film = Video(tmp_path / "film.webp", (4000, 1000))
    film.write(Image.new("RGB", (4000, 1000), "navy"))
    with Image.open(film.path) as written:
        assert written.size == (LONGEST_SIDE, LONGEST_SIDE // 4)


def test_without_pyav_it_is_said_before_the_run(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--film", tmp_path / "film.mp4")
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (2, 1)
    assert "needs PyAV, which is not installed: pip install av" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("film.gif", {}, "ends in .webp or .mp4"),
        ("film", {}, "ends in .webp or .mp4"),
        ("film.webp", {"fps": 0.0}, "--film-fps is 0"),
        ("film.webp", {"fps": float("nan")}, "--film-fps is nan"),
    ],
)
def test_a_film_that_cannot_be_is_refused(name: str, options: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        Video(tmp_path / name, (20, 20), **options)
