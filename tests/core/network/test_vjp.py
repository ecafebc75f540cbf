"""VJPs by autograd: analytic gradients of small functions."""

from collections.abc import Mapping

import torch
from torch import Tensor

from core.network.vjp import FeaturesWithVJP, SaveForBackward, forward_with_vjp, save_by_reference


def image() -> Tensor:
    return torch.linspace(0, 1, 12, dtype=torch.float64).view(1, 3, 2, 2)


def squares_and_doubles(image: Tensor) -> Mapping[str, Tensor]:
    return {"squares": image**2, "doubles": 2 * image}


def test_forward_with_vjp_returns_the_sum_of_the_gradients_of_all_taps() -> None:
    features, vjp = forward_with_vjp(squares_and_doubles, image())
    grads = {"squares": 3.0, "doubles": 5.0}
    gradient = vjp(lambda tap, _, grad: grad.add_(grads[tap]))
    assert torch.equal(features["squares"], image() ** 2)
    assert not features["squares"].requires_grad
    torch.testing.assert_close(gradient, 3 * 2 * image() + 5 * 2)


def test_forward_with_vjp_passes_the_features_to_accumulate_grad() -> None:
    features, vjp = forward_with_vjp(squares_and_doubles, image())
    passed = {}

    def accumulate(tap: str, values: Tensor, grad: Tensor) -> None:
        passed[tap] = values
        assert not grad.any()

    vjp(accumulate)
    assert passed.keys() == features.keys()
    assert all(torch.equal(passed[tap], features[tap]) for tap in features)


def test_forward_with_vjp_works_without_grad_mode() -> None:
    with torch.no_grad():
        _, vjp = forward_with_vjp(squares_and_doubles, image())
        gradient = vjp(lambda tap, _, grad: grad.add_(tap == "doubles"))
    torch.testing.assert_close(gradient, torch.full_like(image(), 2))


def test_forward_with_vjp_uses_the_implementation_of_the_extractor() -> None:
    received = {}

    class Extractor:
        def forward_with_vjp(
            self, image: Tensor, *, checkpoint_first_block: bool = False, save: SaveForBackward = save_by_reference
        ) -> FeaturesWithVJP:
            received.update(checkpoint_first_block=checkpoint_first_block, save=save)
            return {"own": image}, lambda accumulate_grad: image

        def __call__(self, image: Tensor) -> Mapping[str, Tensor]:
            raise AssertionError

    def save(tensor: Tensor) -> Tensor:
        return tensor

    features, _ = forward_with_vjp(Extractor(), image(), checkpoint_first_block=True, save=save)
    assert list(features) == ["own"]
    assert received == {"checkpoint_first_block": True, "save": save}
