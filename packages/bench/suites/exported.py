"""Artifacts for the workloads, exported on first use."""

from pathlib import Path

from bench.suites.cases import CONFIG, TAPS
from core.network.weights import load_weights

NO_CUDA_PROVIDER = "ONNX Runtime has no CUDA provider that works on this machine"


def exported_artifact(folder: Path, name: str) -> Path:
    """Return the path of an artifact in `folder`; export and verify it if it does not exist.

    A name that begins with "objective" selects the objective, any other the extractor; the extension the format.
    """
    path = folder / name
    if not path.exists():
        # Imported here, because processes that only load an artifact must not count the exporter's memory.
        from export.extractor import export_extractor
        from export.objective.export import export_objective

        weights = load_weights(CONFIG.arch)
        if name.startswith("objective"):
            export_objective(path, weights, CONFIG.content_layers, CONFIG.style_layers)
        else:
            export_extractor(path, weights, TAPS, format="onnx" if path.suffix == ".onnx" else "torchscript")
    return path
