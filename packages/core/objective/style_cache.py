"""A cache of style statistics: several content images in one style need them computed once."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

from core.config.style_losses import style_loss_spec
from core.files import sha256_of_bytes
from core.objective.types import FeatureStatistics
from core.objective.weights import LossWeights

MAX_ENTRIES = 64
"""Style images at one size. The five Gram matrices of the default layers take 2.5 MB."""


class StyleStatisticsCache:
    """The statistics of the style images used last, for one network and its layers.

    Statistics of losses that are not tileable are not stored: they are as large as the features.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[object, ...], FeatureStatistics] = OrderedDict()

    def get(
        self, image: Tensor, mask: Tensor | None, weights: LossWeights, compute: Callable[[], FeatureStatistics]
    ) -> FeatureStatistics:
        """Return the statistics of a style image (1, 3, h, w) on its device, computed by `compute` unless stored.

        `mask` (1, 1, h, w) is the style mask.
        """
        if not style_loss_spec(weights.style_loss).tileable:
            return compute()
        checksums = [sha256_of_bytes(values.cpu().numpy().tobytes()) for values in (image, mask) if values is not None]
        key = (*checksums, image.device, tuple(image.shape), weights.style_loss, tuple(weights.style))
        if key not in self._entries:
            self._entries[key] = compute()
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return self._entries[key]
