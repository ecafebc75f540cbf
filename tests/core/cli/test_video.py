"""Videos of runs and of made-up steps, decoded frame by frame."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.cli.video import MAX_FRAMES, MAX_SIDE, Video
from core.errors import UsageError
from support.core_commands import transfer
from support.images import pixels_of


class FakeProgress:
    """The attributes of `core.runs.progress.Progress` that a video reads."""

    def __init__(self, evaluations: int, level: int, size: tuple[int, int] = (20, 16), resumed: bool = False) -> None:
        self.evaluations, self.resumed = evaluations, resumed
        self.image = Image.new("RGB", size, (level, 255 - level, 100))


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """The start of each frame in seconds, with its pixels; the last entry is the end of the video."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            (stream,) = container.streams.video
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
            return [*frames, (float(stream.duration * stream.time_base), frames[-1][1])]
    found, start = [], 0.0
    with Image.open(path) as video:
        for number in range(video.n_frames):
            video.seek(number)
            video.load()
            found.append((start, np.asarray(video.convert("RGB"))))
            start += video.info["duration"] / 1000
    return [*found, (start, found[-1][1])]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["webp", "mp4"])
def test_video_of_a_run_has_a_frame_per_step_and_ends_with_the_output(
    ending: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    video, output = tmp_path / f"video.{ending}", tmp_path / "o.png"
    small = ["--image-size", 49, "--iterations", 8, "--scales", 2, "--optimizer", "adam"]
    ran = transfer("-c", content_path, "-s", style_path, "-o", output, "--video", video, "--video-fps", 10, *small)
    assert ran.exit_code == 0, ran.output
    expected = pixels_of(output).astype(float)
    assert expected.shape == (33, 49, 3)
    frames = frames_of(video)
    times = [time for time, _ in frames]
    assert times[:8] == pytest.approx([number / 10 for number in range(8)], abs=0.01)
    assert times[-1] == pytest.approx(0.8 + 1.0, abs=0.01)
    shown = frames[-1][1].astype(float)
    assert shown.shape == ((33, 49, 3) if ending == "webp" else (32, 48, 3))
    last = expected[: shown.shape[0], : shown.shape[1]]
    assert np.abs(shown - last).mean() < 8
    assert np.abs(shown.mean(axis=(0, 1)) - last.mean(axis=(0, 1))).max() < 3
    assert np.abs(frames[0][1] - last).mean() > 2 * np.abs(shown - last).mean()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([video.name, "o.png"])


@pytest.mark.parametrize("ending", ["webp", "mp4"])
def test_video_has_its_frames_in_order_and_at_the_given_rate(ending: str, tmp_path: Path) -> None:
    video = Video(tmp_path / f"video.{ending}", (40, 32), fps=5, every=10)
    for evaluations in range(1, 41):
        video.add(FakeProgress(evaluations, 5 * evaluations))
    video.write(Image.new("RGB", (40, 32), (250, 5, 100)))
    frames = frames_of(video.path)
    distinct = [pixels.mean(axis=(0, 1)) for _, pixels in frames[:5]]
    for (red, green, blue), level in zip(distinct, (50, 100, 150, 200, 250), strict=True):
        assert (red, green, blue) == pytest.approx((level, 255 - level, 100), abs=4)
    assert frames[4][0] == pytest.approx(0.8, abs=0.01)
    assert frames[0][1].shape == (32, 40, 3)


def test_video_of_a_long_run_drops_frames(tmp_path: Path) -> None:
    video = Video(tmp_path / "video.mp4", (16, 16))
    for evaluations in range(1, 1001):
        video.add(FakeProgress(evaluations, evaluations // 4, (16, 16)))
    video.write(Image.new("RGB", (16, 16), "blue"))
    reds = [pixels[..., 0].mean() for _, pixels in frames_of(video.path)]
    del reds[-1 - 12 :]  # the output image, shown for a second
    assert MAX_FRAMES / 2 <= len(reds) <= MAX_FRAMES
    assert reds[0] < 10
    assert reds[-1] > 235
    assert max(np.abs(np.diff(reds))) < 10


def test_video_of_a_large_image_has_smaller_frames(tmp_path: Path) -> None:
    video = Video(tmp_path / "video.webp", (4000, 1000))
    video.write(Image.new("RGB", (4000, 1000), "navy"))
    with Image.open(video.path) as written:
        assert written.size == (MAX_SIDE, MAX_SIDE // 4)


def test_missing_pyav_is_reported_before_the_run(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--video", tmp_path / "v.mp4")
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (2, 1)
    assert "needs PyAV, which is not installed: pip install av" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("video.gif", {}, "ends in .webp or .mp4"),
        ("video", {}, "ends in .webp or .mp4"),
        ("video.webp", {"fps": 0.0}, "--video-fps is 0"),
        ("video.webp", {"fps": float("nan")}, "--video-fps is nan"),
    ],
)
def test_video_refuses_invalid_arguments(name: str, options: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        Video(tmp_path / name, (20, 20), **options)
