"""AOTInductor packages (.aoti.pt2): an extractor compiled to native code for the CPU of this machine."""

import shutil
import tempfile
import zipfile
from pathlib import Path

import torch._inductor
from torch.export import ExportedProgram

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_MEMBER, Manifest
from core.artifacts.quiet import without_log
from core.errors import StyleTransferError, first_line
from export.formats import Writer


def compile_program(program: ExportedProgram) -> Writer:
    """Compile a traced extractor.

    Raises:
        StyleTransferError: The compiler fails.
    """
    from torch._inductor.utils import fresh_cache

    with tempfile.TemporaryDirectory() as folder, fresh_cache(), without_warnings(), without_log():
        package = Path(folder) / "extractor.pt2"
        try:
            torch._inductor.aoti_compile_and_package(program, package_path=str(package))
        except Exception as error:  # the compiler raises exceptions of any type
            raise StyleTransferError(
                f"AOTInductor cannot compile the extractor ({first_line(error)}): use another format"
            ) from error
        content = package.read_bytes()

    def write(manifest: Manifest, path: Path) -> None:
        path.write_bytes(content)
        with zipfile.ZipFile(path, "a") as archive:
            folder = archive.namelist()[0].partition("/")[0]
            archive.writestr(zipfile.ZipInfo(f"{folder}/{EXTRA_MEMBER}"), manifest.to_json())

    return write


def check_compiler() -> None:
    """Raise StyleTransferError unless AOTInductor finds a C++ compiler."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        compiler = get_cpp_compiler()
    except InvalidCxxCompiler:
        compiler = ""
    if not shutil.which(compiler):
        raise StyleTransferError(
            "AOTInductor needs a C++ compiler, and there is none: install g++ or clang++ (or name one in the variable "
            "CXX), or use another format"
        )
