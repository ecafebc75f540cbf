"""Features of images that are read in tiles, each moved to the device where the network runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.cost_model import UNLIMITED
from core.memory.tiling import Tile, Tiling
from core.objective.types import Region

ExtractFeatures = Callable[[Tensor], Mapping[str, Tensor]]
"""Returns the features (1, C, h, w) by tap of an image (1, 3, H, W), RGB in [0, 1]."""


@dataclass(frozen=True)
class TiledFeatureExtractor:
    """A feature extractor that reads images in tiles.

    `network` runs on `device`, wherever the images are stored. The ranks of `group` share the tiles; `tiling` divides
    images for that many ranks.
    """

    network: ExtractFeatures
    tiling: Tiling
    device: torch.device
    group: ProcessGroup = SINGLE_PROCESS

    @classmethod
    def whole(
        cls, network: ExtractFeatures, arch: str, taps: Sequence[str], device: torch.device | str = "cpu"
    ) -> Self:
        """Return an extractor that does not divide images, for `taps` of the architecture `arch`."""
        return cls(network, Tiling.of(arch, taps, UNLIMITED), torch.device(device))

    def tiles(self, image: Tensor) -> tuple[Tile, ...]:
        """Return the tiles of `image` (1, 3, H, W) that this rank evaluates."""
        return self.tiling.tiles_of_rank((image.shape[3], image.shape[2]), self.group.rank)

    def read(self, image: Tensor, tile: Tile) -> Tensor:
        """Return the pixels (1, 3, h, w) of a tile with its halo, on the device."""
        return image[(..., *tile.read)].to(self.device)

    def of_tile(self, image: Tensor, tile: Tile) -> dict[str, Tensor]:
        """Compute the features (1, C, h, w) of a tile by tap, without its halo."""
        return self.crop(self.network(self.read(image, tile)), tile)

    def crop(self, features: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Remove the halo from the features (1, C, h, w) of a tile."""
        return {tap: features[tap][(..., *tile.without_halo(stride))] for tap, stride in self.tiling.strides.items()}

    def select(self, whole: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Return the part of features of the whole image, by tap, that a tile covers, on the device."""
        strides = self.tiling.strides
        return {tap: values[(..., *tile.in_image(strides[tap]))].to(self.device) for tap, values in whole.items()}

    def select_regions(self, regions: Sequence[Region], tile: Tile) -> list[Region]:
        """Return the part of each region of the whole image that a tile covers."""

        def select(by_tap: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
            return None if by_tap is None else self.select(by_tap, tile)

        return [Region(select(region.masks), select(region.targets)) for region in regions]

    def sizes(self, image: Tensor) -> dict[str, tuple[int, int]]:
        """Return height and width of the features of `image` (1, 3, H, W) at every tap."""
        height, width = image.shape[2:]
        return {tap: (height // stride, width // stride) for tap, stride in self.tiling.strides.items()}

    @torch.no_grad()
    def of_image(self, image: Tensor, taps: Sequence[str], *, complete: bool = False) -> dict[str, Tensor]:
        """Compute the features (1, C, h, w) of the whole image at `taps`, stored where the image is stored.

        Where several ranks share the tiles, each rank has its own tiles only, or those of all ranks if `complete`.
        """
        features: dict[str, Tensor] = {}
        sizes, shared = self.sizes(image), complete and self.group.world_size > 1
        for tile in self.tiles(image):
            here = self.of_tile(image, tile)
            for tap in taps:
                if tap not in features:
                    # The memory layout that evaluations produce: comparing two layouts takes a tenth of an evaluation.
                    layout = torch.channels_last if here[tap].stride(1) == 1 else torch.contiguous_format
                    shape = 1, here[tap].shape[1], *sizes[tap]
                    features[tap] = torch.empty(shape, dtype=image.dtype, device=image.device, memory_format=layout)
                    if shared:
                        features[tap].zero_()
                if tile.weight or not shared:
                    stride = self.tiling.strides[tap]
                    features[tap][(..., *tile.in_image(stride))] = here[tap].to(image.device)
        if shared:
            for values in features.values():
                self.group.all_reduce_sum(values if values.is_contiguous() else values.permute(0, 2, 3, 1))
        return features
