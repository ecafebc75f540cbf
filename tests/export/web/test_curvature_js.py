"""curvature.js computes the products of core.optim.curvature."""

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.optim.curvature import LBFGSHistory
from export.web.settings import optimizer_settings
from support.javascript import Modules

CONSTANTS = optimizer_settings(TransferConfig())

SCRIPT = """
const { pairs, gradient, free, channels, constants } = data;
const history = new LBFGSHistory(channels, constants);
for (const [s, y] of pairs) history.add(Float64Array.from(s), Float64Array.from(y));
return [...history.inverseHessianProduct(Float64Array.from(gradient), Uint8Array.from(free))];
"""


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 1, 4, 5)])
@pytest.mark.parametrize("share_free", [1.0, 0.5, 0.1])
def test_inverse_hessian_product_computes_the_product_of_python(
    modules: Modules, shape: tuple[int, ...], share_free: float
) -> None:
    """With more pairs than the history holds, rejected pairs, and pairs of negative curvature over the free values."""
    random = np.random.default_rng(0)
    pairs = [(s, 0.1 * s + random.normal(size=shape)) for s in random.normal(size=(30, *shape))]
    free = random.random(shape) < share_free
    gradient = random.normal(size=shape) * free
    history = LBFGSHistory(12)
    for s, y in pairs:
        history.add(s, y)
    assert min((s * y).sum() for s, y in pairs) < 0
    assert share_free == 1 or min((s * y * free).sum() for s, y in pairs if (s * y).sum() > 0) < 0
    actual = modules.run(
        'import { LBFGSHistory } from "./curvature.js";',
        SCRIPT,
        {
            "pairs": [[s.ravel().tolist(), y.ravel().tolist()] for s, y in pairs],
            "gradient": gradient.ravel().tolist(),
            "free": free.ravel().astype(int).tolist(),
            "channels": shape[1],
            "constants": CONSTANTS | {"history": 12},
        },
    )
    expected = history.inverse_hessian_product(gradient, free)
    assert np.allclose(actual, expected.ravel(), rtol=1e-9, atol=1e-12)
