"""One rank of `tests/core/test_distributed.py`: the arguments TASK FOLDER; it writes RANK.json to the folder."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from typer import Exit

from core.cli.errors import report_errors
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup, all_reduced_bytes, process_group
from core.errors import StyleTransferError
from core.memory.tiling import Tiling
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.weights import LossWeights
from core.styles import StyleExemplar
from support.networks import CPU, SHALLOW, network, random_image, relative_error


class Counted:
    """Replaces `torch.distributed.all_reduce` and counts the bytes that it reduces."""

    def __init__(self) -> None:
        self.bytes, self._all_reduce = 0, torch.distributed.all_reduce
        torch.distributed.all_reduce = self

    def __call__(self, values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        self.bytes += values.numel() * values.element_size()
        return self._all_reduce(values, *args, **kwargs)


def compare(
    group: ProcessGroup, counted: Counted, config: TransferConfig, size: tuple[int, int], side: int
) -> dict[str, Any]:
    """Compare the objective of all ranks, in float64, with that of the whole image on this rank."""
    extractor, weights = network(config), LossWeights.of(config, 57.6)
    ramp = torch.linspace(0, 1, size[0], dtype=torch.float64).expand(1, 1, size[1], size[0])
    styles = (
        StyleExemplar((random_image(4, 40, 50),), 0.7),
        StyleExemplar((random_image(6, 45, 45).square(),), 1.5, ramp),
    )
    content, image = random_image(1, *size), random_image(3, *size)
    whole = TiledFeatureExtractor.whole(extractor, config.arch, extractor.taps)
    expected = ReferenceObjective(extractor, compute_targets(whole, content, styles, weights), weights)(image)
    tiling = Tiling.of(config.arch, extractor.taps, side, group.world_size)
    tiles = TiledFeatureExtractor(extractor, tiling, CPU, group)
    objective = TiledObjective(tiles, compute_targets(tiles, content, styles, weights), weights)
    before = counted.bytes
    found = objective(image)
    return {
        "loss": abs(found.loss / expected.loss - 1),
        "parts": max(abs(found.parts[name] / value - 1) for name, value in expected.parts.items()),
        "gradient": relative_error(found.gradient, expected.gradient),
        "bytes": counted.bytes - before,
        "predicted": all_reduced_bytes(size, config, regions=2),
        "tiles": sum(tile.weight for tile in tiling.tiles_of_rank(size, group.rank)),
    }


def objectives(group: ProcessGroup) -> dict[str, Any]:
    counted, shallow = Counted(), TransferConfig(**SHALLOW, tv_weight=3)
    return {
        "gram": compare(group, counted, shallow, (67, 53), 16),
        "moments": compare(group, counted, shallow.with_options(style_loss="moments"), (67, 53), 16),
        "wasserstein": compare(group, counted, shallow.with_options(style_loss="wasserstein"), (67, 53), 400),
        "default layers": compare(group, counted, TransferConfig(), (208, 17), 400),
        "too small to share": compare(group, counted, shallow, (7, 7), 400),
    }


def refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except StyleTransferError as error:
        return str(error)
    return ""


def agreements(group: ProcessGroup) -> dict[str, Any]:
    image = random_image(1, 5, 5).float()
    other = image + group.rank * torch.finfo(torch.float32).eps
    return {
        "min": group.all_reduce_min([group.rank, -group.rank]),
        "any": [group.any_rank(group.rank == 1), group.any_rank(False)],
        "same image": refusal(lambda: group.check_same_image(image)),
        "other image": refusal(lambda: group.check_same_image(other)),
        "same start": refusal(lambda: group.check_same_start(7)),
        "other start": refusal(lambda: group.check_same_start(7 * group.rank)),
    }


def failing(group: ProcessGroup) -> dict[str, Any]:
    group.any_rank(False)  # all ranks are connected
    if group.rank == 1:
        raise StyleTransferError("the disk of this machine is full")
    group.any_rank(False)
    return {}


def everything(group: ProcessGroup) -> dict[str, Any]:
    return {"objectives": objectives(group), "agreements": agreements(group)}


def main() -> None:
    task, folder = {"all": everything, "failing": failing}[sys.argv[1]], sys.argv[2]
    with report_errors(), process_group() as group:
        Path(folder, f"{group.rank}.json").write_text(json.dumps(task(group)))


if __name__ == "__main__":
    try:
        main()
    except Exit as error:
        sys.exit(error.exit_code)
