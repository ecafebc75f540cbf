"""Verification of an artifact of any kind on disk."""

from pathlib import Path

from core.artifacts.manifest import Manifest, read_manifest
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.errors import UsageError
from core.network.architecture import WEIGHT_SOURCES
from core.network.vgg import load_vgg_features
from core.network.weights import Weights, load_weights
from export.verify.extractor import verify_extractor
from export.verify.objective import verify_objective
from export.verify.onnx_checker import check_onnx
from export.verify.painter import verify_painter
from export.verify.parity import ParityReport


def verify_artifact(
    path: Path,
    *,
    against: str | None = None,
    preprocessing: str | None = None,
    execution: Execution = ONNX_RUNTIME,
    trusted: bool = False,
) -> ParityReport:
    """Check the artifact at `path` and compare it with eager PyTorch.

    Args:
        path: An artifact of any format.
        against: Weights of the eager network, as `core.network.weights.load_weights` accepts them. Default: the weights
            that the artifact was exported from.
        preprocessing: Preprocessing of these weights, if their file does not specify it.
        execution: What runs an ONNX file.
        trusted: Execute native code, and unpickle what a torch.export file contains.

    Raises:
        UsageError: The artifact or the weights cannot be loaded, or PyTorch runs the artifact and `execution` is
            another runtime.
        StyleTransferError: An ONNX model is invalid. A difference above its tolerance raises nothing here.
    """
    manifest = read_manifest(path)
    if manifest.format != "onnx" and execution != ONNX_RUNTIME:
        raise UsageError(f"{path} is a {manifest.format} file, which PyTorch runs: remove --runtime and --precision")
    weights = _load_weights(path, manifest, against, preprocessing)
    if manifest.format == "onnx":
        check_onnx(path)
    if manifest.kind == "extractor":
        eager = load_vgg_features(weights, manifest.taps, pooling=manifest.pooling)
        return verify_extractor(path, eager, trusted=trusted, execution=execution)
    if manifest.kind == "painter":
        if execution.precision != "fp32":
            raise UsageError("a painter is verified in fp32, because rounding errors grow in a run: remove --precision")
        return verify_painter(path, manifest, weights, execution)
    return verify_objective(path, manifest, weights, execution)


def _load_weights(path: Path, manifest: Manifest, against: str | None, preprocessing: str | None) -> Weights:
    if against is not None:
        return load_weights(manifest.arch, against, preprocessing)
    source = manifest.weights["source"]
    if source not in WEIGHT_SOURCES:
        found = [file for file in (path.with_name(source), Path(source)) if file.is_file()]
        if not found:
            raise UsageError(f"{path} was exported from {source}, which is not beside it: add --against FILE")
        source = str(found[0])
    weights = load_weights(manifest.arch, source, preprocessing or manifest.preprocessing)
    if weights.sha256 != manifest.weights["sha256"]:
        raise UsageError(
            f"the weights in {weights.source} differ from the weights that {path} was exported from "
            f"(SHA-256 {manifest.weights['sha256'][:8]}…): choose the weights to compare with by --against"
        )
    return weights
