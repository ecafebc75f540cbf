"""The artifacts that are run: how to export them, their inputs at several sizes, and which outputs are compared.

A further artifact is one entry of `ARTIFACTS`, and its name in the `formats` of the runtimes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.artifacts.extractors import OnnxExtractor, open_extractor
from core.artifacts.onnx_session import open_session, run_session
from core.backends.onnx_backend import CONTENT, STYLE
from core.backends.onnx_targets import gram
from core.config.transfer_config import TransferConfig
from core.network.architecture import truncated
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import PREPROCESSINGS, load_weights
from core.objective.weights import LossWeights
from export.verify.extractor import synthetic_image
from export.verify.objective import distance_from_nondifferentiability

CONFIG = TransferConfig()
TAPS = tuple(sorted((*CONFIG.style_layers, *CONFIG.content_layers)))
"""In the order of the network, which is that of outputs without names."""

SIZES = ((64, 96), (33, 47), (80, 50))
"""Heights and widths of the images, even and odd."""

CANDIDATES = 20
"""Number of images of each size from which one is chosen."""

EVALUATIONS = 5
"""Evaluations of a painter."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Artifact:
    """An artifact of the default options.

    Attributes:
        command: The command of `python -m export` that writes it.
        quantities: The names of the outputs that are compared, by the name of the quantity.
        inputs: Returns the inputs for an image (1, 3, H, W); the first argument is an extractor.
        options: Options of the command.
    """

    command: str
    quantities: Mapping[str, tuple[str, ...]]
    inputs: Callable[[OnnxExtractor, np.ndarray], Arrays]
    options: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the compared outputs."""
        return tuple(name for names in self.quantities.values() for name in names)

    def export_command(self, format: str) -> str:
        """Return the command that writes the artifact in a format, the suffix of the file."""
        return " ".join(("python -m export", self.command, *self.options, f"--output {self.command}.{format}"))


def objective_inputs(extractor: OnnxExtractor, image: np.ndarray) -> Arrays:
    """Return the inputs of the objective with the default loss weights; the style is the square of the image."""
    weights = LossWeights.of(CONFIG, PREPROCESSINGS["caffe"].activation_scale)
    content, style = extractor(image[..., ::-1]), extractor(image**2)
    return {
        "image": image,
        **{CONTENT.format(tap): content[tap] for tap in CONFIG.content_layers},
        **{STYLE.format("gram", tap): gram(style[tap]) for tap in CONFIG.style_layers},
        "content_weights": np.array([weights.content[tap] for tap in CONFIG.content_layers], np.float32),
        "style_weights": np.array([weights.style[tap] for tap in CONFIG.style_layers], np.float32),
        "tv_weight": np.array([weights.tv], np.float32),
    }


def painter_inputs(_: OnnxExtractor, image: np.ndarray) -> Arrays:
    """Return the inputs of a run of a few evaluations; the style is the square of the mirrored image."""
    return {
        "content": image,
        "style": np.ascontiguousarray(image[..., ::-1] ** 2),
        "image_size": np.zeros(0, np.int64),
        "evaluations": np.array([EVALUATIONS]),
        "passes": np.zeros(0, np.int64),
        "strength": np.zeros(0, np.float32),
        "state": np.zeros(0, np.float32),
    }


ARTIFACTS: Mapping[str, Artifact] = {
    "extractor": Artifact("extractor", {"features": TAPS}, lambda extractor, image: {"image": image}),
    "objective": Artifact("objective", {"loss": ("loss",), "gradient": ("gradient",)}, objective_inputs),
    "painter": Artifact(
        "painter", {"losses": ("losses",), "image": ("image",)}, painter_inputs, options=("--pixels", "float")
    ),
}
"""The columns of the table."""


@dataclass(frozen=True)
class Case:
    """Inputs of an artifact at one size, and its outputs by the ONNX Runtime of this project."""

    name: str
    inputs: Arrays
    expected: Arrays


def make_cases(artifact: Artifact, files: Mapping[str, Path]) -> list[Case]:
    """Return a case for each size; `files` are the ONNX files of the artifacts by name."""
    extractor = open_extractor(files["extractor"], "cpu")
    assert isinstance(extractor, OnnxExtractor)
    session = open_session(files[artifact.command], "cpu", control_flow=artifact.command == "painter")
    cases = []
    for size, image in images().items():
        inputs = artifact.inputs(extractor, image)
        cases.append(Case("{}x{}".format(*size), inputs, run_session(session, artifact.outputs, inputs)))
    return cases


def images() -> dict[tuple[int, int], np.ndarray]:
    """Return an image (1, 3, H, W) for each size, of several the one that is farthest from a jump of the gradient.

    Close to a jump, the rounding of a runtime decides on which side it is, and the gradient differs by more.
    """
    weights = load_weights(CONFIG.arch)
    network = load_vgg_features(weights, [layer.name for layer in truncated(CONFIG.arch, TAPS)])
    return {size: _differentiable_image(network, size).numpy() for size in SIZES}


@torch.no_grad()
def _differentiable_image(network: VGGFeatures, size: tuple[int, int]) -> torch.Tensor:
    smooth = synthetic_image((1, 3, *size), seed=0)
    noise = (torch.rand(smooth.shape, generator=torch.Generator().manual_seed(seed)) for seed in range(CANDIDATES))
    candidates = [0.5 * smooth + 0.5 * one for one in noise]
    return max(candidates, key=lambda image: distance_from_nondifferentiability(network, image))
