"""Workload of the suite `transfer`: one whole run of `core.style_transfer`."""

from pathlib import Path

from bench.suites.cases import CONFIG, Case, Workload, count_flop, synthetic_image
from core.errors import StyleTransferError
from core.multiscale.schedule import build_schedule
from core.runs.progress import Result
from core.style_transfer import stylize


def transfer_workload(case: Case, artifacts: Path) -> Workload:
    """Prepare a run; `case.backend` is its number of evaluations."""
    config = CONFIG.with_options(device=case.device, iterations=int(case.backend), image_size=case.width)
    content, style = (synthetic_image(case.width, case.height, seed)[0].transpose(1, 2, 0) for seed in (0, 1))
    scales = build_schedule((case.width, case.height), [(case.width, case.height)], config)
    flop = sum(scale.evaluations * count_flop(*scale.size, gradient=True) for scale in scales)

    def check(result: Result) -> None:
        first, last = result.losses[0]["loss"], result.record["delivered"]["loss"]
        if not last < first:
            raise StyleTransferError(f"the run does not reduce the loss ({first:g} became {last:g}); not timed")

    return Workload(
        lambda: stylize(content, style, config),
        check,
        evaluations=config.iterations,
        flop=flop / config.iterations,
    )
