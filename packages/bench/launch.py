"""Run Python in a child process and print its wall time and peak memory: `python -m bench.launch ARGUMENTS`.

The launcher is a small process of its own because Linux attributes the memory of a parent at the time of `fork` to
the peak of its child.
"""

import json
import os
import subprocess
import sys
import time

KIBIBYTE = 1024


def main(arguments: list[str]) -> int:
    """Run Python with `arguments`, print seconds and peak memory in bytes as JSON, and return its exit status."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # Popen.wait discards the resource usage
    seconds, process.returncode = time.perf_counter() - started, os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else KIBIBYTE)
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_memory_bytes": peak}))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
