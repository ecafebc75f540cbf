"""The objective tile by tile: the same loss and gradient as on the whole picture, in the memory of one tile.

After Galerne et al., *Scaling Painting Style Transfer* (arXiv 2212.13459).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.allocator import RETAIN_FREED
from core.memory.buffers import ActivationBufferPool
from core.memory.tiling import Tile, Tiling
from core.network.vjp import VJP, AccumulateGrad, Features, FeaturesWithVJP, forward_with_vjp, save_by_reference
from core.objective.objective import (
    WHOLE,
    Measures,
    Region,
    Remember,
    Targets,
    add_pulls,
    as_evaluation,
    compute_anew,
    measure,
    style_targets,
    sum_of,
    weigh,
)
from core.objective.weights import LossWeights
from core.optim.types import Evaluation
from core.styles import StyleExemplar


@dataclass(frozen=True)
class TiledFeatures:
    """An extractor that reads pictures by tiles, each brought to `device`, wherever the picture lies.

    Where several `group` share the tiles, as many as the `tiling` is for, each reads its own.
    """

    extractor: Features
    tiling: Tiling
    device: torch.device
    group: ProcessGroup = SINGLE_PROCESS

    def tiles(self, image: Tensor) -> tuple[Tile, ...]:
        """The tiles of `image`, (1, 3, H, W), that this process reads."""
        return self.tiling.share((image.shape[3], image.shape[2]), self.group.rank)

    def read(self, image: Tensor, tile: Tile) -> Tensor:
        """The pixels (1, 3, h, w) that the tile reads."""
        return image[(..., *tile.read)].to(self.device)

    def features(self, pixels: Tensor, tile: Tile) -> dict[str, Tensor]:
        """The features (1, C, h, w) at every tap that the tile owns, from the pixels it reads."""
        return self.owned(self.extractor(pixels), tile)

    def owned(self, features: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Of the features (1, C, h, w) by tap of what the tile reads, those that it owns."""
        return {tap: features[tap][(..., *tile.owned(stride))] for tap, stride in self.tiling.strides.items()}

    def at(self, whole: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Of features of the whole picture by tap, those that the tile owns."""
        strides = self.tiling.strides
        return {tap: values[(..., *tile.placed(strides[tap]))].to(self.device) for tap, values in whole.items()}

    def regions_at(self, regions: Sequence[Region], tile: Tile) -> list[Region]:
        """Of the regions of the whole picture, what the tile owns."""
        return [None if region is None else self.at(region, tile) for region in regions]


@torch.no_grad()
def compute_tiled_targets(
    extractor: TiledFeatures,
    content: Tensor,
    style: Tensor | Sequence[StyleExemplar],
    terms: LossWeights,
    remember: Remember = compute_anew,
) -> Targets:
    """What `core.objective.objective.compute_targets` computes, wherever `content` lies, however large it and the styles are.

    Where several processes share the tiles, each has the content's features in its own tiles alone: no other compares
    anything with them.
    """
    height, width = content.shape[2:]
    features: dict[str, Tensor] = {}
    for tile in extractor.tiles(content):
        here = extractor.features(extractor.read(content, tile), tile)
        for tap in terms.content:
            stride = extractor.tiling.strides[tap]
            if tap not in features:
                # Laid out as they will be in the painting: to compare two layouts takes a tenth of an evaluation.
                layout = torch.channels_last if here[tap].stride(1) == 1 else torch.contiguous_format
                shape = 1, here[tap].shape[1], height // stride, width // stride
                features[tap] = torch.empty(shape, dtype=content.dtype, device=content.device, memory_format=layout)
            features[tap][(..., *tile.placed(stride))] = here[tap].to(content.device)
    sizes = {
        tap: (height // extractor.tiling.strides[tap], width // extractor.tiling.strides[tap]) for tap in terms.style
    }
    style_terms = terms.without_content()

    def measure_picture(picture: Tensor) -> Measures:
        return _measure(extractor, picture, {}, WHOLE, style_terms)

    return style_targets(features, style, sizes, terms, partial(remember, terms=terms, measure=measure_picture))


class TiledObjective:
    """The objective on a picture of any size, by tiles, of which one may be the whole picture.

    The loss depends on the features through their measures alone, each a mean over the positions. The first pass
    adds up the measures of the tiles. From their totals come the loss and its gradient with respect to them: a number
    for each content layer, a small matrix for each style layer. With that, every tile's share is carried back to the
    pixels, those of its halo included. The first passes of `cached_tiles` of them are kept for that, the others are
    computed again, half as much work once more. Total variation needs no tiles. Processes that share the tiles add up
    their measures after the first passes, and their gradients in the end.
    """

    def __init__(
        self,
        extractor: TiledFeatures,
        targets: Targets,
        terms: LossWeights,
        cached_tiles: int = 0,
        *,
        checkpoint_first_block: bool = False,
        workspace: ActivationBufferPool | None = None,
    ) -> None:
        """`targets` are those of the whole picture; `checkpoint_first_block` passes take less memory and more work.

        What they keep lies in the `workspace`, if there is one.
        """
        self._extractor, self._targets, self._terms = extractor, targets, terms
        self._kept_tiles, self._sparing, self._workspace = cached_tiles, checkpoint_first_block, workspace

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        return as_evaluation(*self.evaluate(image))

    @torch.no_grad()
    def evaluate(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The weighted terms of the loss at `image`, by name, and the gradient; none of them is waited for."""
        group, image = self._extractor.group, image.detach()
        group.require_same_image(image)
        tiles, kept = self._extractor.tiles(image), dict[Tile, VJP]()
        measures = _add_up((self._first_pass(image, tile, kept) for tile in tiles), group, image.device)
        parts, pulls, gradient = self._weigh(measures, image)
        if not group.first:
            gradient.zero_()  # the smoothness counts once
        for tile in tiles:
            with self._passing():
                vjp = kept.pop(tile) if tile in kept else self._record(image, tile, None)[1]
                gradient[(..., *tile.read)] += vjp(self._pulls_in(tile, pulls)).to(gradient.device)
        group.add(gradient)
        return parts, gradient

    def _first_pass(self, image: Tensor, tile: Tile, kept: dict[Tile, VJP]) -> Measures:
        """What the tile adds to the measures; the pass is `kept` for the way back if there is room."""
        with self._passing():
            if len(kept) < self._kept_tiles:
                features, kept[tile] = self._record(image, tile, tile)
            else:
                features = self._extractor.extractor(self._extractor.read(image, tile))
            owned = self._extractor.owned(features, tile)
            return _share(self._extractor, owned, tile, self._targets.content, self._targets.regions, self._terms)

    def _record(self, image: Tensor, tile: Tile, shelf: Hashable) -> FeaturesWithVJP:
        save = self._workspace.shelf(shelf) if self._workspace else save_by_reference
        return forward_with_vjp(
            self._extractor.extractor,
            self._extractor.read(image, tile),
            checkpoint_first_block=self._sparing,
            save=save,
        )

    def _passing(self) -> AbstractContextManager[None]:
        """Around what one tile needs for a while: beside a workspace that can come from the same memory each time."""
        return RETAIN_FREED if self._workspace else nullcontext()

    def _weigh(self, measures: Measures, image: Tensor) -> tuple[dict[str, Tensor], Measures, Tensor]:
        """The parts of the loss, and its gradients with respect to the measures and to the image beside them."""
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            measures = {key: value.requires_grad_(True) for key, value in measures.items()}
            parts = weigh(measures, image, self._targets.styles, self._terms)
            *pulls, gradient = torch.autograd.grad(sum_of(parts), [*measures.values(), image], materialize_grads=True)
        device = self._extractor.device
        parts = {name: part.detach() for name, part in parts.items()}
        return parts, {key: pull.to(device) for key, pull in zip(measures, pulls, strict=True)}, gradient

    def _pulls_in(self, tile: Tile, pulls: Measures) -> AccumulateGrad:
        """The way back through the measures, to the gradient of the features that the tile owns."""
        strides, targets = self._extractor.tiling.strides, self._targets
        content, regions = self._extractor.at(targets.content, tile), self._extractor.regions_at(targets.regions, tile)
        shares = {key: tile.share(strides[key[1]]) * pull for key, pull in pulls.items()}

        def add_pull(tap: str, features: Tensor, gradient: Tensor) -> None:
            owned = (..., *tile.owned(strides[tap]))
            add_pulls(gradient[owned], features[owned], tap, shares, content, regions, self._terms)

        return add_pull


@torch.no_grad()
def _measure(
    extractor: TiledFeatures,
    image: Tensor,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: LossWeights,
) -> Measures:
    """The measures of a whole picture, where it lies."""
    shares = (
        _share(extractor, extractor.features(extractor.read(image, tile), tile), tile, content, regions, terms)
        for tile in extractor.tiles(image)
    )
    return _add_up(shares, extractor.group, image.device)


def _add_up(shares: Iterable[Measures], group: ProcessGroup, device: torch.device) -> Measures:
    """The measures of a whole picture, on `device`, from what its tiles add to them, those of other processes too."""
    totals: Measures = {}
    for share in shares:
        for key, value in share.items():
            totals[key] = totals[key] + value if key in totals else value
    return group.sums({key: total.to(device) for key, total in totals.items()})


def _share(
    extractor: TiledFeatures,
    features: Mapping[str, Tensor],
    tile: Tile,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: LossWeights,
) -> Measures:
    """What a tile adds to the measures of the whole picture, from the `features` (1, C, h, w) by tap that it owns."""
    here = measure(features, extractor.at(content, tile), extractor.regions_at(regions, tile), terms)
    return {key: tile.share(extractor.tiling.strides[key[1]]) * value for key, value in here.items()}
