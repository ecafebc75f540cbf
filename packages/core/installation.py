"""Which of the two extras of the distribution is installed: `full`, with PyTorch, or `light`, without it.

docs/install.md describes them. This module imports none of their packages.
"""

from importlib.util import find_spec

from core.errors import StyleTransferError

DISTRIBUTION = "style-transfer-toolkit"

INSTALL_FULL, INSTALL_LIGHT = "pip install '.[full]'", "pip install '.[light]'"

_PRODUCTS = {"torch": "PyTorch"}
"""Names of packages in error messages, where they differ from the import name."""


def has_torch() -> bool:
    """Return whether PyTorch is installed."""
    return _is_installed("torch")


def check_installed() -> None:
    """Check that one of the extras is installed, so that something can evaluate an objective.

    Raises:
        StyleTransferError: There is neither PyTorch nor ONNX Runtime.
    """
    if not (has_torch() or _is_installed("onnxruntime")):
        raise StyleTransferError(
            f"neither PyTorch nor ONNX Runtime is installed: run {INSTALL_FULL} for everything (6 GB), or "
            f"{INSTALL_LIGHT} for style transfer with exported files (0.2 GB)"
        )


def require_full(user: str, package: str = "torch") -> None:
    """Check that a package of the extra `full` is installed, before `user`, such as a command, imports it.

    Raises:
        StyleTransferError: It is not installed.
    """
    if not _is_installed(package):
        raise StyleTransferError(
            f"{user} needs {_PRODUCTS.get(package, package)}, which is not installed: run {INSTALL_FULL} in another "
            "environment"
        )


def without_artifacts(flags: str) -> str:
    """Return how to run without the artifacts that `flags` name, as the end of an error message."""
    return f"remove {flags}" if has_torch() else f"install PyTorch in another environment: {INSTALL_FULL}"


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None
