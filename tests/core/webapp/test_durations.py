"""The measurement of this machine's speed, and the durations that follow from it."""

from typing import Any

import pytest

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.runs.progress import Callback
from core.webapp import durations
from core.webapp.durations import DurationEstimate, MachineSpeed, duration_text
from core.webapp.job_queue import MAX_WAITING, VISITOR_TIMEOUT, JobQueue
from support.webapp import FakeClock, FakeRun, FakeSpeed, fake_task


@pytest.mark.usefixtures("tiny_vgg")
def test_speed_is_measured_once_by_a_job_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "MEASURED_SIDES", (32,))
    queue = JobQueue()
    speed = MachineSpeed(queue)
    assert (speed.measuring, speed.seconds_per_pixel()) == (False, None)
    speed.start_measurement()
    speed.start_measurement()
    assert (speed.measuring, speed.seconds_per_pixel()) == (True, None)
    assert queue.poll(queue.submit(fake_task())) == 1
    queue.run_next()
    measured = speed.seconds_per_pixel()
    assert measured is not None
    assert measured > 0
    speed.start_measurement()
    assert (speed.measuring, speed.seconds_per_pixel()) == (False, measured)


@pytest.mark.parametrize(
    ("seconds_per_pixel", "side"),
    [(durations.LONG_ENOUGH / 256**2 * 1.01, 256), (durations.LONG_ENOUGH / 256**2 * 0.99, 512), (1e-12, 1024)],
)
def test_measurement_ends_at_the_first_size_that_takes_long_enough(
    seconds_per_pixel: float, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_stylize(content: Any, style: Any, config: TransferConfig, *, callback: Callback) -> FakeRun:
        assert content.shape == style.shape == (config.image_size, config.image_size, 3)
        return FakeRun(config.image_size, config.iterations, seconds_per_pixel)

    monkeypatch.setattr(durations, "stylize", fake_stylize)
    result = durations.measure(lambda _: False)
    assert result.image.size == (side, side)
    assert durations.seconds_per_pixel(result) == pytest.approx(seconds_per_pixel)


@pytest.mark.usefixtures("tiny_vgg")
def test_measurement_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "MEASURED_SIDES", (32,))
    with pytest.raises(StyleTransferError, match=r"^the measurement was stopped$"):
        durations.measure(lambda _: True)


def test_failed_measurement_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(callback: Callback) -> None:
        raise StyleTransferError("no weights")

    monkeypatch.setattr(durations, "measure", fail)
    queue = JobQueue()
    speed = MachineSpeed(queue)
    for _ in range(2):
        speed.start_measurement()
    queue.run_next()
    speed.start_measurement()
    assert (speed.measuring, speed.seconds_per_pixel()) == (False, None)


def test_measurement_starts_again_after_a_full_queue_or_a_cancellation() -> None:
    clock = FakeClock()
    queue = JobQueue(clock)
    speed = MachineSpeed(queue)
    for _ in range(MAX_WAITING):
        queue.submit(fake_task())
    speed.start_measurement()
    assert not speed.measuring
    for _ in range(2):
        clock.now += VISITOR_TIMEOUT + 1
        queue.submit(fake_task())  # cancels what nobody has polled, such as the measurement of the round before
        assert not speed.measuring
        speed.start_measurement()
        assert speed.measuring


def test_seconds_are_evaluations_times_pixels_over_all_scales() -> None:
    config = TransferConfig(image_size=400, scales=2, iterations=100, pooling="average", strength=0.3)
    estimate = DurationEstimate(FakeSpeed(1e-6), (800, 600), [(500, 500)])
    assert estimate.seconds(config) == pytest.approx(50 * 232 * 182e-6 + 50 * 432 * 332e-6)  # with a padding of 16


def test_styles_decide_the_number_of_scales_once_they_are_chosen() -> None:
    config = TransferConfig(image_size=400, iterations=100, min_scale_size=50)
    tiny_style = DurationEstimate(FakeSpeed(1e-6), (800, 600), [(20, 20)])
    assert tiny_style.seconds(config) == pytest.approx(100 * 432 * 332e-6)
    without_style = DurationEstimate(FakeSpeed(1e-6), (800, 600), [])
    assert without_style.seconds(config) == DurationEstimate(FakeSpeed(1e-6), (800, 600), [(800, 600)]).seconds(config)


@pytest.mark.parametrize(
    ("speed", "options"), [(None, {}), (1e-6, {"style_loss": "wasserstein"}), (1e-6, {"style_layers": "relu1_1"})]
)
def test_seconds_are_unknown_without_a_measurement_of_such_a_run(speed: float | None, options: dict[str, Any]) -> None:
    assert DurationEstimate(FakeSpeed(speed), (800, 600), []).seconds(TransferConfig(**options)) is None


def test_seconds_refuse_a_style_that_becomes_too_small() -> None:
    with pytest.raises(UsageError, match="--style-scale"):
        DurationEstimate(FakeSpeed(1e-6), (800, 600), [(100, 100)]).seconds(TransferConfig(style_scale=0.05))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01, "about 1 s"),
        (4.4, "about 4 s"),
        (43.2, "about 45 s"),
        (89, "about 90 s"),
        (91, "about 2 min"),
        (1234, "about 20 min"),
        (6000, "about 2 h"),
        (10**5, "about 30 h"),
    ],
)
def test_duration_text_rounds_to_a_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text.replace(" ", "\N{NO-BREAK SPACE}")
