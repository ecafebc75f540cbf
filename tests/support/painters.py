"""Painters of the tiny network, written without the verification, which has tests of its own."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from core.artifacts.content import content_sha256
from core.artifacts.manifest import Manifest
from core.artifacts.painter import ImageFormat
from core.config.transfer_config import TransferConfig
from core.network.weights import load_weights
from export.formats.onnx_graph import write_model
from export.objective.graph import ObjectiveGraph
from export.options import ExportOptions
from export.painter.export import build_painter, painter_manifest
from export.painter.inlined_objective import InlinedObjective
from support.tiny_vgg import use_tiny_vgg


@cache
def objective_of(
    content_layers: tuple[str, ...],
    style_layers: tuple[str, ...],
    style_loss: str = "gram",
    content_detail: float = TransferConfig.content_detail,
) -> InlinedObjective:
    """The objective of the tiny network."""
    with use_tiny_vgg():
        layers, detail = (content_layers, style_layers), content_detail
        graph = ObjectiveGraph(load_weights("vgg19"), *layers, "max", style_loss, content_detail=detail)
        return InlinedObjective(graph)


def write_painter(path: Path, config: TransferConfig, pixels: ImageFormat = "uint8") -> Manifest:
    """Write a painter with the options of `config`, max pooling and the tiny network."""
    with use_tiny_vgg():
        weights = load_weights("vgg19")
        objective = objective_of(config.content_layers, config.style_layers, config.style_loss, config.content_detail)
        model = build_painter(objective, config, weights.preprocessing.activation_scale, pixels)
        manifest = painter_manifest(objective, config, weights, pixels, ExportOptions())
        write_model(model, manifest, path)
        manifest = replace(manifest, content_sha256=content_sha256(path))
        write_model(model, manifest, path)
    return manifest
