"""The correctness check of workloads."""

from typing import Any

import numpy as np
import pytest

from bench.suites import reference
from bench.suites.cases import Case
from bench.suites.reference import check_features, reference_evaluation, reference_features
from core.errors import StyleTransferError

pytestmark = pytest.mark.usefixtures("tiny_reference")
CASE = Case("extractor", "eager", "cpu", 64, 48)


def test_reference_in_float32_agrees_with_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = reference_evaluation("cpu", 64, 48)
    reference_evaluation.cache_clear()
    monkeypatch.setattr(reference, "FLOAT64_PIXELS", 0)
    single = reference_evaluation("cpu", 64, 48)
    assert single["loss"] == pytest.approx(exact["loss"], rel=1e-5)
    np.testing.assert_allclose(single["gradient"], exact["gradient"], rtol=0, atol=1e-2 * abs(exact["gradient"]).max())


def test_check_features_raises_above_the_tolerance_of_the_precision() -> None:
    features = {tap: values * 1.01 for tap, values in reference_features("cpu", 64, 48).items()}
    check_features(CASE, "bf16", features)
    with pytest.raises(StyleTransferError) as caught:
        check_features(CASE, "fp32", features)
    assert str(caught.value) == (
        "eager failed the correctness check (relu1_1 at 64x48 on cpu: relative L2 error 1.0e-02, allowed 5e-03); "
        "not timed"
    )


def test_check_features_raises_if_a_tap_is_missing() -> None:
    features: dict[str, Any] = dict(list(reference_features("cpu", 64, 48).items())[1:])
    with pytest.raises(StyleTransferError, match="expected relu1_1, relu2_1"):
        check_features(CASE, "fp32", features)


def test_check_features_skips_images_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "CHECKED_PIXELS", CASE.pixels - 1)
    check_features(CASE, "fp32", {})
