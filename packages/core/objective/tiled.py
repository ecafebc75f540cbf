"""The objective in tiles: the loss and gradient of the whole image, in the memory of one tile.

After Galerne et al., *Scaling Painting Style Transfer* (arXiv 2212.13459).
"""

from functools import partial

import torch
from torch import Tensor

from core.memory.allocator import MemoryPolicy
from core.memory.tiling import Tile
from core.network.vjp import VJP, AccumulateGrad, forward_with_vjp
from core.objective.evaluate import LossTerms, as_evaluation, total_loss
from core.objective.targets import add_statistics, reduce_statistics, tile_statistics
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import FeatureStatistics, Targets
from core.objective.weights import LossWeights
from core.optim.types import Evaluation


class TiledObjective:
    """The objective on an image that is evaluated in tiles; one tile may be the whole image.

    The loss depends on the features only through their statistics, which are means over the positions. The first pass
    sums the statistics of the tiles. From the sums follow the loss and its gradient with respect to them: a number for
    each content layer, a small matrix for each style layer. The second pass is the backward of every tile, which adds
    to the gradient of the pixels of the tile and its halo. Tiles whose activations were not saved are computed again,
    which takes half as much work once more. Total variation is computed on the whole image. Ranks that share the tiles
    sum their statistics after the first pass, and their gradients at the end.
    """

    def __init__(
        self,
        extractor: TiledFeatureExtractor,
        targets: Targets,
        weights: LossWeights,
        memory: MemoryPolicy | None = None,
        *,
        step: int = 0,
    ) -> None:
        """`targets` are those of the whole image; `step` is the number of the evaluation, for stochastic losses."""
        self._extractor, self._targets = extractor, targets
        self._terms = LossTerms.of(weights).at_step(step)
        self._memory = memory or MemoryPolicy()
        self._forward_with_vjp = partial(
            forward_with_vjp, extractor.network, checkpoint_first_block=self._memory.checkpoint_first_block
        )

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1], with the size of the content image."""
        return as_evaluation(*self.evaluate(image))

    def evaluate(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the weighted terms of the loss and the gradient at `image`, without waiting for the device."""
        group, image = self._extractor.group, image.detach()
        group.check_same_image(image)
        tiles, saved, totals = self._extractor.tiles(image), dict[Tile, VJP](), FeatureStatistics()
        with torch.no_grad():
            for tile in tiles:
                add_statistics(totals, self._first_pass(image, tile, saved))
            statistics = reduce_statistics(totals, group, image.device)
            parts, grad_statistics, gradient = self._loss_and_gradients(statistics, image)
            if not group.is_main:
                gradient.zero_()  # the gradient of total variation counts once
            for tile in tiles:
                with self._memory.tile():
                    vjp = saved.pop(tile) if tile in saved else self._compute_vjp(image, tile)
                    gradient[(..., *tile.read)] += vjp(self._backward(tile, grad_statistics)).to(gradient.device)
            group.all_reduce_sum(gradient)
        return parts, gradient

    def _first_pass(self, image: Tensor, tile: Tile, saved: dict[Tile, VJP]) -> FeatureStatistics:
        """Return the contribution of a tile to the statistics; add its VJP to `saved` if the policy has room."""
        extractor, memory = self._extractor, self._memory
        with memory.tile():
            if len(saved) < memory.cached_tiles:
                save = memory.save_for_backward(tile)
                features, saved[tile] = self._forward_with_vjp(extractor.read(image, tile), save=save)
            else:
                features = extractor.network(extractor.read(image, tile))
            cropped = extractor.crop(features, tile)
            targets = self._targets
            return tile_statistics(extractor, cropped, tile, targets.content_region, targets.regions, self._terms)

    def _compute_vjp(self, image: Tensor, tile: Tile) -> VJP:
        """Return the VJP of a tile whose activations were not saved in the first pass."""
        pixels, save = self._extractor.read(image, tile), self._memory.save_for_backward(None)
        return self._forward_with_vjp(pixels, save=save)[1]

    def _loss_and_gradients(
        self, statistics: FeatureStatistics, image: Tensor
    ) -> tuple[dict[str, Tensor], FeatureStatistics, Tensor]:
        """Return the terms of the loss, dL/dstatistics, and the gradient of total variation (1, 3, H, W)."""
        with torch.enable_grad():
            image = image.detach().requires_grad_(True)
            statistics = {key: value.requires_grad_(True) for key, value in statistics.items()}
            parts = self._terms.weighted_losses(statistics, image, self._targets.styles)
            *grads, gradient = torch.autograd.grad(
                total_loss(parts), [*statistics.values(), image], materialize_grads=True
            )
        device = self._extractor.device
        parts = {name: part.detach() for name, part in parts.items()}
        return parts, {key: grad.to(device) for key, grad in zip(statistics, grads, strict=True)}, gradient

    def _backward(self, tile: Tile, grad_statistics: FeatureStatistics) -> AccumulateGrad:
        """Return the backward from the statistics of the whole image to the features of a tile."""
        strides, targets = self._extractor.tiling.strides, self._targets
        content, *regions = self._extractor.select_regions([targets.content_region, *targets.regions], tile)
        grads = {key: tile.fraction(strides[key[1]]) * grad for key, grad in grad_statistics.items()}

        def accumulate_grad(tap: str, features: Tensor, grad: Tensor) -> None:
            without_halo = (..., *tile.without_halo(strides[tap]))
            self._terms.accumulate_grad(grad[without_halo], features[without_halo], tap, grads, content, regions)

        return accumulate_grad
