"""An environment for each runtime, in a folder that later runs use again."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

from runtimes.registry import HOSTS, Runtime

CACHE = Path(__file__).parents[2] / "build" / "runtimes"
"""Folder of the environments. Delete it to install the latest versions."""


class Unavailable(Exception):
    """A runtime that cannot be installed on this machine."""


def host_command(runtime: Runtime) -> list[str]:
    """Return the command that starts the host of a runtime, after installing what it needs.

    Raises:
        Unavailable: A tool is missing, or the packages cannot be installed.
    """
    if runtime.host.endswith(".py"):
        return [str(_python(runtime)), str(HOSTS / runtime.host)]
    if runtime.host.endswith(".mjs"):
        return ["node", str(_npm_folder(runtime) / runtime.host)]
    return [str(_build(runtime))]


def run(command: Sequence[str | Path], *, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run a command without the packages of this project and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["CHROMIUM"] = shutil.which("chromium") or ""
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=environment, timeout=timeout
    )


def last_line(ran: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of the messages of a command."""
    lines = (ran.stderr or ran.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {ran.returncode}"


def _folder(runtime: Runtime) -> Path:
    """Return the folder of an environment; runtimes with the same packages share it."""
    what = repr((runtime.host, runtime.packages, runtime.beside_torch, sys.version_info[:2]))
    return CACHE / f"{Path(runtime.host).stem}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"


def _python(runtime: Runtime) -> Path:
    if not runtime.packages:
        return Path(sys.executable)
    folder = _folder(runtime)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete = folder / "complete"
    if not complete.exists():
        venv.create(folder, with_pip=True, clear=True)
        if runtime.beside_torch:
            own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
            (Path(own) / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
        _require(run([python, "-m", "pip", "install", "-q", *runtime.packages]))
        complete.touch()
    return python


def _npm_folder(runtime: Runtime) -> Path:
    if not (shutil.which("node") and shutil.which("npm")):
        raise Unavailable("needs node and npm")
    if "playwright-core" in runtime.packages and not shutil.which("chromium"):
        raise Unavailable("needs chromium")
    folder = _folder(runtime)
    complete = folder / "complete"
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # The scripts of onnxruntime-node would download the CUDA libraries.
        _require(run(["npm", "install", "--ignore-scripts", "--prefix", folder, *runtime.packages]))
        complete.touch()
    for name in (runtime.host, "exchange.mjs"):
        shutil.copy(HOSTS / name, folder)
    return folder


def _build(runtime: Runtime) -> Path:
    if not (shutil.which("cmake") and shutil.which("c++")):
        raise Unavailable("needs cmake and a C++ compiler")
    folder = _folder(runtime)
    torch = Path(sysconfig.get_path("purelib")) / "torch"
    for command in (
        ["cmake", "-S", HOSTS / runtime.host, "-B", folder, f"-DTORCH={torch}"],
        ["cmake", "--build", folder],
    ):
        _require(run(command))
    return folder / "host"


def _require(ran: subprocess.CompletedProcess[str]) -> None:
    if ran.returncode:
        raise Unavailable(f"cannot be installed: {last_line(ran)}")
