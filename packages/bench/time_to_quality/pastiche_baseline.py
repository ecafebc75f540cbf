"""The baseline pastiche: its own network, objective and optimiser with the images and loss weights of a task.

https://pypi.org/project/pastiche, version 1.6.0. It is imported only when the baseline is prepared.
"""

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from bench.suites.cases import Unavailable
from bench.time_to_quality.task import Snapshot, Task, to_pixels
from core.arrays import Pixels
from core.errors import StyleTransferError, first_line
from core.image.writing import write_image


def prepare_pastiche(task: Task) -> Iterator[Snapshot]:
    """Load pastiche with its network, and return its run.

    Raises:
        Unavailable: It is not installed.
        StyleTransferError: It fails, for instance with newer versions of its dependencies.
    """
    try:
        module = importlib.import_module("pastiche.pastiche")
    except ImportError as error:
        raise Unavailable(f"pastiche cannot be imported ({error}): pip install pastiche==1.6.0") from error
    try:
        artist = pastiche_artist(task, module)
    except Exception as error:
        raise StyleTransferError(
            f"pastiche fails on this machine ({type(error).__name__}: {first_line(error)}): select other baselines"
        ) from error
    return pastiche_run(task, module, *artist)


def pastiche_artist(task: Task, module: Any) -> tuple[Any, Tensor, Tensor]:
    """Return a `PasticheArtist` for the task, and the content and style as pastiche reads them.

    With our loss weights the objective of pastiche equals that of the task, so its own code computes all of it. Other
    settings are those of its command line: L-BFGS with one evaluation per step, values from 0 to 255, initial image
    from the content.
    """
    with TemporaryDirectory() as folder:
        sources = Path(folder, "content.png"), Path(folder, "style.png")
        for path, pixels in zip(sources, (task.content, task.style), strict=True):
            write_image(path, pixels)
        sizes = task.content.shape[2:], task.style.shape[2:]
        artist = module.PasticheArtist(
            str(sources[0]),
            [str(sources[1])],
            device=str(task.device),
            pooling={"max": "max", "average": "avg"}[task.config.pooling],
            content_layers=[_keras_name(tap) for tap in task.loss_weights.content],
            style_layers=[_keras_name(tap) for tap in task.loss_weights.style],
            content_layer_weights=list(task.loss_weights.content.values()),
            style_layer_weights=list(task.loss_weights.style.values()),
            size=sizes[0],
            style_size=sizes[1],
        )
        content, style = (
            module.load_image(path, size=size).to(task.device) for path, size in zip(sources, sizes, strict=True)
        )
    return artist, content, style


def pastiche_run(task: Task, module: Any, artist: Any, content: Tensor, style: Tensor) -> Iterator[Snapshot]:
    """Run the loop of pastiche's command line."""
    # The constructor loads the network and computes the targets together; compute the targets again for the timer.
    artist.content_targets = artist.vgg19.forward(content, artist.content_layers)
    artist.style_targetss = [artist.vgg19.forward(style, artist.style_layers)]
    artist.loss = artist._calc_loss().item()
    mean = torch.tensor(module.VGG_MEAN, device=task.device).view(1, 3, 1, 1)
    yield Snapshot(0, partial(_from_caffe, artist.pastiche, mean))
    for used in range(1, task.evaluations + 1):
        artist.draw()
        yield Snapshot(used, partial(_from_caffe, artist.pastiche, mean))


def _keras_name(tap: str) -> str:
    """Return pastiche's name of a tap: block4_relu2 for relu4_2."""
    return f"block{tap[4]}_{tap[:4]}{tap[6]}"


def _from_caffe(image: Tensor, mean: Tensor) -> Pixels:
    """Convert an image (1, 3, H, W), BGR from 0 to 255 minus the mean, to RGB in [0, 1]."""
    return to_pixels((image + mean).flip(1) / 255)
