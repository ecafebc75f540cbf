"""Compares an artifact with the eager network it was made from: in float32, and in float64 as the judge."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.artifacts.extractors import open_extractor, without_warnings
from core.artifacts.manifest import Manifest, Precision, read_manifest
from core.errors import StyleTransferError, UsageError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights, load_weights
from export.verify.parity import Array, Comparison, Report, compare, one_thread

FeaturesOf = Callable[[Tensor], dict[str, Tensor]]

SHAPES = ((1, 3, 16, 16), (1, 3, 64, 48), (2, 3, 33, 47), (2, 3, 40, 25))
"""The images compared: even and odd sides, the smallest allowed, one of them and two."""

FEATURE_LIMIT = {"fp32": 1e-6, "fp16": 2e-3}
GRADIENT_LIMIT = {"fp32": 1e-3, "fp16": 5e-2}
"""A ReLU or a maximum that flips moves a whole path of the gradient: float32 itself does no better."""


def verify(path: Path, *, against: str | None = None, preprocessing: str | None = None) -> Report:
    """Check the artifact at `path` and compare it with eager PyTorch.

    `against` and `preprocessing` name the weights of the eager network, as `core.network.weights.load_weights` takes
    them; those the artifact was made from where they are left out.

    Raises:
        UsageError: The artifact or the weights cannot be used.
        StyleTransferError: It is no valid ONNX model. (A difference out of bounds is the report's to tell.)
    """
    manifest = read_manifest(path)
    weights = _weights(path, manifest, against, preprocessing)
    if manifest.format == "onnx":
        check_onnx(path)
    if manifest.kind == "extractor":
        return verify_extractor(path, load_vgg_features(weights, manifest.taps, pooling=manifest.pooling))
    from export.verify.objective import verify_objective

    return verify_objective(path, manifest, weights)


def verify_extractor(path: Path, eager: VGGFeatures, *, trusted: bool = False) -> Report:
    """Compare the extractor artifact at `path` with `eager`, on the CPU.

    A `trusted` one, written here a moment ago, is also given to what loads it elsewhere but unpickles.
    """
    artifact = open_extractor(path, device="cpu")
    precision = artifact.manifest.precision
    with one_thread():
        expected = _Eager.of(eager)
        rows = [*_compare(artifact, precision, expected, differentiable=artifact.differentiable)]
        if trusted and artifact.manifest.format == "pt2":
            with without_warnings():
                loaded = torch.export.load(path).module()
            rows += _compare(loaded, precision, expected, differentiable=True)
    return Report(tuple(rows))


def check_onnx(path: Path) -> None:
    """Run the full ONNX checker over the model at `path`.

    Raises:
        StyleTransferError: It found something.
    """
    import onnx

    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:  # shape inference has exceptions of its own
        raise StyleTransferError(f"{path} is no valid ONNX model ({_first_line(error)}): export it again") from error


def picture(shape: tuple[int, int, int, int]) -> Tensor:
    """An image (N, 3, H, W) as photographs are: smooth, textured and, here and there, black and white."""
    generator = torch.Generator().manual_seed(shape[2])
    smooth = nn.functional.interpolate(torch.rand(*shape[:2], 5, 5, generator=generator), shape[2:], mode="bicubic")
    return (1.4 * smooth - 0.2 + 0.2 * torch.randn(shape, generator=generator)).clamp(0, 1)


@dataclass(frozen=True)
class _Eager:
    """What eager PyTorch makes of an image: features by tap and the gradient, in float32 and in float64."""

    image: Tensor
    features: tuple[dict[str, Tensor], dict[str, Tensor]]
    gradients: tuple[Array, Array]

    @classmethod
    def of(cls, eager: VGGFeatures) -> "list[_Eager]":
        """One for each of `SHAPES`."""
        exact, found = copy.deepcopy(eager).double(), []
        for image in map(picture, SHAPES):
            pairs = _features_and_gradient(eager, image), _features_and_gradient(exact, image.double())
            found.append(cls(image, (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1])))
        return found


def _features_and_gradient(features_of: FeaturesOf, image: Tensor) -> tuple[dict[str, Tensor], Array]:
    """The features, and the gradient with respect to the image of their mean squares at all taps together."""
    image = image.clone().requires_grad_()
    features = features_of(image)
    loss = torch.stack([values.square().mean() for values in features.values()]).sum()
    (gradient,) = torch.autograd.grad(loss, image)
    return {tap: values.detach() for tap, values in features.items()}, gradient.numpy()


def _compare(
    features_of: FeaturesOf, precision: Precision, eager: Sequence[_Eager], *, differentiable: bool
) -> Iterator[Comparison]:
    for there in eager:
        size = "{} × {} × {}".format(*(there.image.shape[side] for side in (0, 2, 3)))
        if differentiable:
            features, gradient = _features_and_gradient(features_of, there.image)
        else:
            features, gradient = features_of(there.image), None
        if [*features] != [*there.features[0]]:
            raise StyleTransferError(
                f"the artifact returns {', '.join(features)}, its manifest says {', '.join(there.features[0])}: "
                "export it again"
            )
        for tap, values in features.items():
            single, double = (expected[tap].numpy() for expected in there.features)
            limit = FEATURE_LIMIT[precision]
            yield compare("features", f"{tap}, {size}", values.numpy(), single, double, limit=limit)
        if gradient is not None:
            yield compare("gradient", size, gradient, *there.gradients, limit=GRADIENT_LIMIT[precision])


def _weights(path: Path, manifest: Manifest, against: str | None, preprocessing: str | None) -> Weights:
    if against is not None:
        return load_weights(manifest.arch, against, preprocessing)
    weights = load_weights(manifest.arch, manifest.weights["source"], preprocessing or manifest.preprocessing)
    if weights.sha256 != manifest.weights["sha256"]:
        raise UsageError(
            f"the weights in {weights.source} are not those that {path} was made from "
            f"(SHA-256 {manifest.weights['sha256'][:8]}…): name the weights to compare with by --against"
        )
    return weights


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
