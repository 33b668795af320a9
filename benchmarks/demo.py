"""How long the demo takes: whole and by stage, each run from nothing.

    python benchmarks/demo.py [--runs 3] [--warm]

Every run is a process of its own with an empty home and, unless --warm, an empty cache of compiled kernels: what a fresh
clone has once the packages are installed. Stages are wall seconds as the command prints them; CPU seconds and peak memory
are those of the whole process. The table shows medians.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGE = re.compile(r"^\s+(?:done|failed)\s+(?P<seconds>[\d.]+) s\s+(?P<title>(?:\d{4}-\d{2}  )?\S.*?)(?:  .*)?$")
COMMAND = [sys.executable, "-m", "agristat_platform.cli", "demo", "--no-serve"]


def run_demo(home: Path, kernels: Path | None) -> tuple[dict[str, float], float, float]:
    """Seconds by stage, wall seconds and CPU seconds of one run."""
    environment = {**os.environ, "AGRISTAT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("AGRISTAT_STORE_URI", "AGRISTAT_MIRROR_URI"):
        environment.pop(name, None)
    if kernels is not None:
        environment["NUMBA_CACHE_DIR"] = str(kernels)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"the demo failed:\n{done.stdout}\n{done.stderr}")
    stages = {}
    for line in done.stdout.splitlines():
        if match := STAGE.match(line):
            stages[" ".join(match["title"].split())] = float(match["seconds"])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return stages, wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm", action="store_true", help="use the kernels compiled by earlier runs")
    options = parser.parse_args()

    runs = []
    for number in range(options.runs):
        with tempfile.TemporaryDirectory() as scratch:
            runs.append(run_demo(Path(scratch) / "home", None if options.warm else Path(scratch) / "kernels"))
        print(f"run {number + 1}: {runs[-1][1]:.1f} s wall, {runs[-1][2]:.1f} s CPU", flush=True)
    print("\n| stage | median s | least | most |\n|---|---:|---:|---:|")
    for title in runs[0][0]:
        show(title, [stages[title] for stages, _, _ in runs])
    show("whole command, wall", [wall for _, wall, _ in runs])
    show("whole command, CPU", [cpu for _, _, cpu in runs])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"\npeak memory of a process: {peak / 2**20:.2f} GiB; {os.cpu_count()} cores")


def show(title: str, seconds: list[float]) -> None:
    """One row of the table."""
    print(f"| {title} | {statistics.median(seconds):.1f} | {min(seconds):.1f} | {max(seconds):.1f} |")


if __name__ == "__main__":
    main()
