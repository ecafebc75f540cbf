"""The peer pastiche: its own network, objective and optimiser, given the pictures and weights of a task.

https://pypi.org/project/pastiche, as of version 1.6.0. Nothing of it is imported before it is asked for.
"""

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from bench.race.task import Snapshot, Task, to_pixels
from bench.suites.cases import Unavailable
from core.arrays import Pixels
from core.errors import StyleTransferError
from core.image.writing import write_image
from core.network.weight_files import first_line


def prepare_pastiche(task: Task) -> Iterator[Snapshot]:
    """The work of the peer `pastiche`, its network loaded.

    Raises:
        Unavailable: It is not installed.
        StyleTransferError: It does not work, perhaps with newer versions of what it needs.
    """
    try:
        module = importlib.import_module("pastiche.pastiche")
    except ImportError as error:
        raise Unavailable(f"pastiche cannot be imported ({error}): pip install pastiche==1.6.0") from error
    try:
        artist = pastiche_artist(task, module)
    except Exception as error:
        raise StyleTransferError(
            f"pastiche does not work here ({type(error).__name__}: {first_line(error)}): leave it out of the race"
        ) from error
    return pastiche_draws(task, module, *artist)


def pastiche_artist(task: Task, module: Any) -> tuple[Any, Tensor, Tensor]:
    """A `PasticheArtist` of pastiche for the task, and the content and style as it reads them.

    Its objective is ours if it is given the weights of our losses, so its own code computes all of it. What its
    command line does not ask for is left as it is there: L-BFGS with one evaluation a step, on values from 0 to
    255, from the content.
    """
    with TemporaryDirectory() as folder:
        sources = Path(folder, "content.png"), Path(folder, "style.png")
        for path, pixels in zip(sources, (task.content, task.style), strict=True):
            write_image(path, pixels)
        sides = task.content.shape[2:], task.style.shape[2:]
        artist = module.PasticheArtist(
            str(sources[0]),
            [str(sources[1])],
            device=str(task.device),
            pooling={"max": "max", "average": "avg"}[task.config.pooling],
            content_layers=[_keras_name(tap) for tap in task.terms.content],
            style_layers=[_keras_name(tap) for tap in task.terms.style],
            content_layer_weights=list(task.terms.content.values()),
            style_layer_weights=list(task.terms.style.values()),
            size=sides[0],
            style_size=sides[1],
        )
        content, style = (
            module.load_image(path, size=size).to(task.device) for path, size in zip(sources, sides, strict=True)
        )
    return artist, content, style


def pastiche_draws(task: Task, module: Any, artist: Any, content: Tensor, style: Tensor) -> Iterator[Snapshot]:
    """The loop of pastiche's command line."""
    # Its constructor loads the network and computes the targets in one go; the latter again, for the stopwatch.
    artist.content_targets = artist.vgg19.forward(content, artist.content_layers)
    artist.style_targetss = [artist.vgg19.forward(style, artist.style_layers)]
    artist.loss = artist._calc_loss().item()
    mean = torch.tensor(module.VGG_MEAN, device=task.device).view(1, 3, 1, 1)
    yield Snapshot(0, partial(_from_caffe, artist.pastiche, mean))
    for used in range(1, task.evaluations + 1):
        artist.draw()
        yield Snapshot(used, partial(_from_caffe, artist.pastiche, mean))


def _keras_name(tap: str) -> str:
    """What pastiche calls relu4_2: block4_relu2."""
    return f"block{tap[4]}_{tap[:4]}{tap[6]}"


def _from_caffe(image: Tensor, mean: Tensor) -> Pixels:
    """An image (1, 3, H, W), BGR from 0 to 255 less the mean, as RGB in [0, 1]."""
    return to_pixels((image + mean).flip(1) / 255)
