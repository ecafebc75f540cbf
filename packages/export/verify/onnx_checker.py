"""Structural check of ONNX models."""

from pathlib import Path

from core.errors import StyleTransferError, first_line


def check_onnx(path: Path) -> None:
    """Run the full ONNX checker on the model at `path`.

    Raises:
        StyleTransferError: The model is invalid.
    """
    import onnx

    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:  # shape inference raises exceptions of its own
        raise StyleTransferError(f"{path} is not a valid ONNX model ({first_line(error)}): export it again") from error
