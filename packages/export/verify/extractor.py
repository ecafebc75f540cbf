"""Verification of extractors against eager PyTorch in float32 and float64."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.artifacts.extractors import features_by_tap, open_extractor, without_warnings
from core.artifacts.manifest import Manifest
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.errors import StyleTransferError
from core.network.architecture import MIN_SIDE
from core.network.vgg import VGGFeatures
from export.io_spec import tolerances_of
from export.verify.parity import Array, Comparison, ParityReport, one_thread

MIN_INT8_SIDE = 32
"""Smallest side of the images at which an int8 extractor for any size is compared.

At 16 pixels the deepest layer has one position, which depends mostly on the padding: errors exceed a fifth there.
"""

FeaturesOf = Callable[[Tensor], dict[str, Tensor]]

SHAPES = ((1, 3, MIN_SIDE, MIN_SIDE), (1, 3, 64, 48), (2, 3, 33, 47), (2, 3, 40, 25))
"""Shapes of the compared images: the smallest allowed, even and odd sides, batches of one and two."""


def verify_extractor(
    path: Path, eager: VGGFeatures, *, trusted: bool = False, execution: Execution = ONNX_RUNTIME
) -> ParityReport:
    """Compare the extractor artifact at `path` with `eager`, on the CPU.

    With `trusted`, native code is run, and a torch.export artifact is also compared as `torch.export.load` loads it,
    which unpickles. `execution` is what runs an ONNX file.
    """
    artifact = open_extractor(path, device="cpu", execution=execution, trusted=trusted)
    manifest, tolerances = artifact.manifest, tolerances_of(artifact.manifest, execution)
    with one_thread():
        exact = copy.deepcopy(eager).double()
        references = [_Reference.of(eager, exact, image) for image in _images(manifest)]
        rows = [*_compare_features(artifact, tolerances, references, differentiable=artifact.differentiable)]
        if trusted and manifest.format == "pt2":
            with without_warnings():
                loaded = torch.export.load(path).module()

            def features_of(image: Tensor) -> dict[str, Tensor]:
                return features_by_tap(manifest, loaded(image))

            rows += _compare_features(features_of, tolerances, references, differentiable=True)
    return ParityReport(tuple(rows))


def synthetic_image(shape: tuple[int, int, int, int], *, seed: int) -> Tensor:
    """Return an image (N, 3, H, W) in [0, 1] with smooth areas, noise, and some black and white pixels."""
    generator = torch.Generator().manual_seed(seed)
    smooth = nn.functional.interpolate(torch.rand(*shape[:2], 5, 5, generator=generator), shape[2:], mode="bicubic")
    return (1.4 * smooth - 0.2 + 0.2 * torch.randn(shape, generator=generator)).clamp(0, 1)


def _images(manifest: Manifest) -> Iterator[Tensor]:
    """Yield the images to compare: of all `SHAPES` that are large enough, or two of the size that is accepted."""
    least = MIN_INT8_SIDE if manifest.precision == "int8" else MIN_SIDE
    shapes = [shape for shape in SHAPES if min(shape[2:]) >= least] if manifest.size is None else SHAPES[:2]
    for batch, channels, height, width in shapes:
        size = manifest.size or (height, width)
        yield synthetic_image((manifest.batch or batch, channels, *size), seed=height)


@dataclass(frozen=True)
class _Reference:
    """Features by tap and gradient of eager PyTorch for an image, each in float32 and float64."""

    image: Tensor
    features: tuple[dict[str, Tensor], dict[str, Tensor]]
    gradients: tuple[Array, Array]

    @classmethod
    def of(cls, eager: VGGFeatures, exact: VGGFeatures, image: Tensor) -> "_Reference":
        single, double = _features_and_gradient(eager, image), _features_and_gradient(exact, image.double())
        return cls(image, (single[0], double[0]), (single[1], double[1]))


def _features_and_gradient(features_of: FeaturesOf, image: Tensor) -> tuple[dict[str, Tensor], Array]:
    """Return the features, and the gradient of the sum over the taps of their mean squares."""
    image = image.clone().requires_grad_()
    features = features_of(image)
    loss = torch.stack([values.square().mean() for values in features.values()]).sum()
    (gradient,) = torch.autograd.grad(loss, image)
    return {tap: values.detach() for tap, values in features.items()}, gradient.numpy()


def _compare_features(
    features_of: FeaturesOf,
    tolerances: Mapping[str, float],
    references: Sequence[_Reference],
    *,
    differentiable: bool,
) -> Iterator[Comparison]:
    for reference in references:
        size = "{} × {} × {}".format(*(reference.image.shape[axis] for axis in (0, 2, 3)))
        if differentiable:
            features, gradient = _features_and_gradient(features_of, reference.image)
        else:
            features, gradient = features_of(reference.image), None
        if [*features] != [*reference.features[0]]:
            raise StyleTransferError(
                f"the artifact returns {', '.join(features)} instead of {', '.join(reference.features[0])}: "
                "export it again"
            )
        for tap, values in features.items():
            single, exact = (expected[tap].numpy() for expected in reference.features)
            case = f"{tap}, {size}"
            yield Comparison.of("features", case, values.numpy(), single, exact, limit=tolerances["features"])
        if gradient is not None:
            yield Comparison.of("gradient", size, gradient, *reference.gradients, limit=tolerances["gradient"])
