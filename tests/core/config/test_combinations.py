"""Options that cannot be used together, and those that can."""

from typing import Any

import pytest

from core.config.transfer_config import TransferConfig
from core.errors import UsageError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile_size": 8}, "--tile-size is 8: expected at least 16, or 0 for automatic"),
        (
            {"style_loss": "sliced-wasserstein", "tile_size": 64},
            "--style-loss sliced-wasserstein needs the whole image at once: remove --tile-size, or use gram, "
            "moments, wasserstein or nearest",
        ),
        (
            {"objective": "a.onnx", "max_memory": "1GB"},
            "an exported objective computes the whole image at once: remove --tile-size and --max-memory, or remove "
            "--objective",
        ),
        (
            {"precision": "bf16", "extractor": "a.pt"},
            "--precision is bf16, but artifacts compute in fp32: remove --precision, or remove --extractor",
        ),
        (
            {"precision": "fp16", "objective": "a.onnx", "runtime": "openvino"},
            "--precision is fp16, but artifacts compute in fp32: remove --precision, or remove --objective",
        ),
        (
            {"precision": "bf16", "objective": "a.onnx"},
            "--precision is bf16, but artifacts compute in fp32: remove --precision, or remove --objective, or add "
            "--runtime openvino",
        ),
        (
            {"runtime": "openvino"},
            "--runtime openvino executes an exported file, and there is none: add --painter FILE or --objective FILE",
        ),
        ({"bit_depth": 12}, "--bit-depth is 12: expected 8 or 16"),
        (
            {"style_layers": "relu1_1,relu2_1", "style_weight": "1,2,3"},
            "--style-weight has 3 values for 2 layers (relu1_1, relu2_1): give one for all, or one for each",
        ),
        (
            {"content_weight": 0, "style_weight": 0, "tv_weight": 0},
            "all loss weights are 0, so there is nothing to optimise: set one to a positive value",
        ),
        (
            {"painter": "p.onnx", "objective": "o.onnx", "extractor": "e.onnx"},
            "a painter contains all that a run needs: remove --objective and --extractor, or --painter",
        ),
        (
            {"painter": "p.onnx", "tile_size": 64},
            "an exported painter computes the whole image at once: remove --tile-size and --max-memory, or remove "
            "--painter",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        TransferConfig(**options)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "options",
    [
        {"tile_size": 16},
        {"content_weight": 0, "style_weight": 0, "tv_weight": 1},
        {"style_layers": "relu1_1,relu2_1", "style_weight": "0,1", "content_weight": 0, "tv_weight": 0},
        {"precision": "bf16", "objective": "o.onnx", "runtime": "openvino"},
        {"precision": "fp32", "extractor": "e.pt"},
        {"objective": "o.onnx", "extractor": "e.onnx"},
        {"painter": "p.onnx", "runtime": "openvino"},
        {"extractor": "e.pt", "tile_size": 64},
    ],
)
def test_other_combinations_are_accepted(options: dict[str, Any]) -> None:
    assert TransferConfig(**options)


def test_a_stochastic_style_loss_requires_adam(toy_losses: None) -> None:
    with pytest.raises(
        UsageError, match=r"^--style-loss sampled-means is stochastic, which L-BFGS .* add --optimizer adam$"
    ):
        TransferConfig(style_loss="sampled-means")
    assert TransferConfig(style_loss="sampled-means", optimizer="adam").optimizer == "adam"
