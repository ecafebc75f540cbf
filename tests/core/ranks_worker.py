"""What one of several processes does in `test_ranks.py`: `torchrun ranks_worker.py TASK FOLDER`; leaves RANK.json."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from test_tiled import CPU, SHALLOW, network, picture, relative
from typer import Exit

from core.cli import one_sentence
from core.config import TransferConfig
from core.errors import StyleTransferError
from core.objective import TorchObjective, compute_targets
from core.ranks import Ranks, all_reduced_bytes, joined
from core.styles import Manner
from core.terms import Terms
from core.tiled import TiledExtractor, TiledObjective, compute_tiled_targets
from core.tiles import Tiling


class Counted:
    """Stands for `torch.distributed.all_reduce`, and counts the bytes that go through it."""

    def __init__(self) -> None:
        self.bytes, self._all_reduce = 0, torch.distributed.all_reduce
        torch.distributed.all_reduce = self

    def __call__(self, values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        self.bytes += values.numel() * values.element_size()
        return self._all_reduce(values, *args, **kwargs)


def compare(ranks: Ranks, counted: Counted, config: TransferConfig, size: tuple[int, int], side: int) -> dict[str, Any]:
    """The objective of all processes, in float64, against that of this one alone on the whole picture."""
    extractor, terms = network(config), Terms.of(config, 57.6)
    ramp = torch.linspace(0, 1, size[0], dtype=torch.float64).expand(1, 1, size[1], size[0])
    styles = (Manner((picture(4, 40, 50),), 0.7), Manner((picture(6, 45, 45).square(),), 1.5, ramp))
    content, image = picture(1, *size), picture(3, *size)
    expected = TorchObjective(extractor, compute_targets(extractor, content, styles, terms), terms)(image)
    tiling = Tiling.of(config.arch, extractor.taps, side, ranks.count)
    tiles = TiledExtractor(extractor, tiling, CPU, ranks)
    objective = TiledObjective(tiles, compute_tiled_targets(tiles, content, styles, terms), terms)
    before = counted.bytes
    found = objective(image)
    return {
        "loss": abs(found.loss / expected.loss - 1),
        "parts": max(abs(found.parts[name] / value - 1) for name, value in expected.parts.items()),
        "gradient": relative(found.gradient, expected.gradient),
        "bytes": counted.bytes - before,
        "told": all_reduced_bytes(size, config, regions=2),
        "tiles": sum(tile.weight for tile in tiling.share(size, ranks.rank)),
    }


def objectives(ranks: Ranks) -> dict[str, Any]:
    counted, shallow = Counted(), TransferConfig(**SHALLOW, tv_weight=3)
    return {
        "gram": compare(ranks, counted, shallow, (67, 53), 16),
        "wasserstein": compare(ranks, counted, shallow.with_options(style_loss="wasserstein"), (67, 53), 400),
        "default layers": compare(ranks, counted, TransferConfig(), (208, 17), 400),
        "too small to share": compare(ranks, counted, shallow, (7, 7), 400),
    }


def refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except StyleTransferError as error:
        return str(error)
    return ""


def agreements(ranks: Ranks) -> dict[str, Any]:
    image = picture(1, 5, 5).float()
    other = image + ranks.rank * torch.finfo(torch.float32).eps
    return {
        "least": ranks.least([ranks.rank, -ranks.rank]),
        "any": [ranks.any(ranks.rank == 1), ranks.any(False)],
        "same picture": refusal(lambda: ranks.require_same_picture(image)),
        "other picture": refusal(lambda: ranks.require_same_picture(other)),
        "same start": refusal(lambda: ranks.require_same_start(7)),
        "other start": refusal(lambda: ranks.require_same_start(7 * ranks.rank)),
    }


def failing(ranks: Ranks) -> dict[str, Any]:
    if ranks.rank == 1:
        raise StyleTransferError("the disk of this machine is full")
    ranks.any(False)
    return {}


def main() -> None:
    task, folder = {"objectives": objectives, "agreements": agreements, "failing": failing}[sys.argv[1]], sys.argv[2]
    with one_sentence(), joined() as ranks:
        Path(folder, f"{ranks.rank}.json").write_text(json.dumps(task(ranks)))


if __name__ == "__main__":
    try:
        main()
    except Exit as error:
        sys.exit(error.exit_code)
