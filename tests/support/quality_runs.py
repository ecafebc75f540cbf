"""Runs of `core.transfer` inside the test process, in place of fresh processes."""

from typer.testing import CliRunner

from bench.suites.peak_memory import ProcessUsage


class Transfers:
    """A `Transfer` that runs in this process, so that fixtures such as the tiny VGG apply, and records its calls."""

    USAGE = ProcessUsage(seconds=1.5, peak_memory_bytes=123_000_000)

    def __init__(self) -> None:
        self.options: list[list[str]] = []

    def __call__(self, options: list[str]) -> ProcessUsage:
        from core.transfer import app

        self.options.append(options)
        outcome = CliRunner().invoke(app, options)
        assert outcome.exit_code == 0, outcome.output
        return self.USAGE
