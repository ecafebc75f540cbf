"""Runs this Python once more and prints what it took: `python -m bench.launch ARGUMENTS`.

A process of its own, and a small one: Linux counts the memory of the process that starts another as that one's peak.
"""

import json
import os
import subprocess
import sys
import time

KIBIBYTE = 1024


def main(arguments: list[str]) -> int:
    """Run it to its end, print seconds and peak memory in bytes as JSON, and return its exit status."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # Popen.wait would forget what the kernel counted
    seconds, process.returncode = time.perf_counter() - started, os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else KIBIBYTE)
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_memory_bytes": peak}))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
