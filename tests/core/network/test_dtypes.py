"""Names, sizes and dtypes of precisions agree with each other and with the configuration."""

import subprocess
import sys

import pytest
import torch

from core.config.transfer_config import TransferConfig
from core.network.dtypes import HALF_PRECISIONS, VALUE_BYTES, is_half, torch_dtype


@pytest.mark.parametrize("precision", VALUE_BYTES)
def test_every_precision_can_be_configured(precision: str) -> None:
    assert TransferConfig(precision=precision).precision == precision


@pytest.mark.parametrize("precision", VALUE_BYTES)
def test_torch_dtype_has_the_size_of_the_precision(precision: str) -> None:
    dtype = torch_dtype(precision)
    assert dtype.is_floating_point
    assert torch.empty(1, dtype=dtype).nbytes == VALUE_BYTES[precision]
    assert is_half(dtype) == (precision in HALF_PRECISIONS)


def test_dtypes_does_not_import_torch() -> None:
    program = "import sys, core.network.dtypes; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"
