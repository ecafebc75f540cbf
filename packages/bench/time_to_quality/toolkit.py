"""The toolkit itself, run as its command line runs it."""

from collections.abc import Iterator
from functools import partial

from bench.time_to_quality.task import Snapshot, Task
from core.arrays import Pixels, Size, size_of
from core.backends.base import default_backend
from core.config.transfer_config import TransferConfig
from core.image.reading import LoadedImage
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.runs.progress import Progress
from core.style_transfer import BackendRunner
from core.styles import StyleExemplar


def prepare_toolkit(task: Task) -> Iterator[Snapshot]:
    """Load the network, and return the run with the options of `task.config`."""
    return prepare_run(task.content, task.style, task.config)


def prepare_run(content: Pixels, style: Pixels, config: TransferConfig) -> Iterator[Snapshot]:
    """Load the network, and return a run for images (1, 3, H, W)."""
    backend = default_backend(config)
    schedule = build_schedule(size_of(content), [size_of(style)], config)
    steps = BackendRunner(config, schedule, backend).steps(LoadedImage(content), [StyleExemplar((style,))])
    return (Snapshot(step.evaluations, partial(_upsample, step, schedule[-1].size)) for step in steps)


def _upsample(progress: Progress, size: Size) -> Pixels:
    """Return the image that a user gets if the run ends here."""
    return resize(progress.pixels, size)
