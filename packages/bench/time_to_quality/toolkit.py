"""The toolkit itself, run as its command line runs it."""

from collections.abc import Iterator
from functools import partial

from bench.time_to_quality.task import Snapshot, Task
from core.arrays import Pixels, Size
from core.backends.base import default_backend
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.runs.progress import Progress
from core.style_transfer import paint


def prepare_toolkit(task: Task) -> Iterator[Snapshot]:
    """Load the network, and return the run with the options of `task.config`."""
    backend = default_backend(task.config)
    scales = build_schedule(_size(task.content), [_size(task.style)], task.config)
    steps = paint(task.content, task.style, scales, backend, task.config)
    return (Snapshot(step.evaluations, partial(_upsample, step, scales[-1].size)) for step in steps)


def _upsample(progress: Progress, size: Size) -> Pixels:
    """Return the image that a user gets if the run ends here."""
    return resize(progress.pixels, size)


def _size(pixels: Pixels) -> Size:
    return pixels.shape[3], pixels.shape[2]
