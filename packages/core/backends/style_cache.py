"""Statistics of styles kept from one painting to the next: many photographs in one style need them once."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

from core.objective.objective import Measures
from core.objective.weights import LossWeights

MOST = 64
"""Of pictures at one size; the five Gram matrices of the default layers take 2.5 MB."""


class StyleStatisticsCache:
    """The measures of the pictures that came last, by their pixels; of one network and its layers.

    Measures of the sliced Wasserstein loss are not kept: they are as large as the features.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Measures] = OrderedDict()

    def measure(self, picture: Tensor, terms: LossWeights, measure: Callable[[Tensor], Measures]) -> Measures:
        """What `measure` makes of a picture (1, 3, h, w), computed only if that has been forgotten."""
        if terms.style_loss == "sliced-wasserstein":
            return measure(picture)
        pixels = hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest()
        key = (pixels, tuple(picture.shape), terms.style_loss, tuple(terms.style))
        if key not in self._kept:
            self._kept[key] = measure(picture)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return self._kept[key]
