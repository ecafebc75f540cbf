"""The constants can be exported as JSON and satisfy the conditions of the methods."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from core.optim.constants import LBFGS, LBFGSConstants


def test_constants_survive_json() -> None:
    assert LBFGSConstants(**json.loads(json.dumps(asdict(LBFGS)))) == LBFGS


def test_constants_satisfy_the_conditions_of_the_line_search() -> None:
    assert 0 < LBFGS.sufficient_decrease < 0.5  # Nocedal and Wright, section 3.1
    assert 0 < LBFGS.min_shrinkage < LBFGS.max_shrinkage < 1
    assert LBFGS.min_curvature > 0


def test_divisors_have_a_positive_lower_bound() -> None:
    assert np.float32(LBFGS.min_rms) > 0  # float32 in the graph of a painter
    assert 0 < LBFGS.min_yth0y <= np.finfo(np.float32).tiny  # replaced by the latter there


def test_luminance_damping_leaves_the_luminance_scale() -> None:
    """H0 maps (1, 1, 1) to `luminance_scale` times itself."""
    assert 1 - 3 * LBFGS.luminance_damping == pytest.approx(LBFGS.luminance_scale)


def test_constants_do_not_import_torch() -> None:
    program = "import sys, core.optim.constants; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"
