"""The toolkit itself, run as its command line runs it."""

from collections.abc import Iterator
from functools import partial

from bench.time_to_quality.task import Snapshot, Task
from core.arrays import Pixels, Size, size_of
from core.backends.base import default_backend
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.runs.progress import Progress
from core.style_transfer import run_scales
from core.styles import StyleExemplar


def prepare_toolkit(task: Task) -> Iterator[Snapshot]:
    """Load the network, and return the run with the options of `task.config`."""
    backend = default_backend(task.config)
    schedule = build_schedule(size_of(task.content), [size_of(task.style)], task.config)
    plans = [backend.plan(*scale.network_sizes) for scale in schedule]
    steps = run_scales(task.content, [StyleExemplar((task.style,))], schedule, plans, backend, task.config)
    return (Snapshot(step.evaluations, partial(_upsample, step, schedule[-1].size)) for step in steps)


def _upsample(progress: Progress, size: Size) -> Pixels:
    """Return the image that a user gets if the run ends here."""
    return resize(progress.pixels, size)
