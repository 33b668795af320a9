"""Recognising a season of many parcels: CPU seconds of teaching and of naming, and peak memory by the number of targets.

    python benchmarks/recognition_scale.py [--targets 20000 100000] [--samples 1500]

Three past seasons of simulated curves (23 steps × 8 channels, 17 classes that peak at different times, a tenth missing) teach
once; then each number of target series is named in a process of its own, forked when teaching is done. Printed are CPU
seconds, and the peak of resident memory beyond what the process held before the target was made, with the size of the
target's array (float32) and of the answer (float64) beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from agristat_platform.classification.cross_season import Teaching, teach

STEPS, CHANNELS, CLASSES = 23, 8, 17


def curves(count: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Curves float32 (count, steps, channels) with NaN, and their classes; made 100,000 at a time."""
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, count)
    series = np.empty((count, STEPS, CHANNELS), dtype=np.float32)
    at = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None]
    peaks = np.random.default_rng(7).uniform(0.2, 0.8, (CLASSES, 1, CHANNELS)).astype(np.float32)
    for start in range(0, count, 100_000):
        part = slice(start, start + 100_000)
        own = peaks[label[part]] + np.float32(shift)
        own = own + random.normal(0, 0.03, (own.shape[0], 1, 1)).astype(np.float32)
        series[part] = np.exp(-(((at - own) / 0.15) ** 2)) + random.normal(0, 0.15, (len(own), STEPS, CHANNELS))
        series[part][random.random(series[part].shape, dtype=np.float32) < 0.1] = np.nan
    return series, label


def _memory(line: str) -> float:
    return int(re.findall(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def name_targets(taught: Teaching, count: int) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    held = _memory("VmRSS")
    series, label = curves(count, 11, 0.02)
    started, clock = time.process_time(), time.perf_counter()
    with threadpool_limits(limits=1):
        found = taught.recognise(series)
    spent = time.process_time() - started
    right = np.mean(found.labels == np.array([f"C{k:02d}" for k in label], dtype=object))
    print(
        f"| {count:,} | {spent:.0f} | {count / spent:,.0f} | {time.perf_counter() - clock:.0f} | {_memory('VmHWM') - held:.0f} | "
        f"{series.nbytes / 2**20:.0f} | {found.probabilities.nbytes / 2**20:.0f} | {right:.3f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--samples", type=int, default=1500)
    options = parser.parse_args()
    series, label = curves(options.samples, 1)
    seasons = np.arange(options.samples) % 3 + 2020
    series[seasons == 2021] = np.roll(series[seasons == 2021], 1, axis=1)
    taught = teach(series, [f"C{k:02d}" for k in label], seasons, seed=0)
    started = time.process_time()
    with threadpool_limits(limits=1):
        taught.recognise(curves(100, 5)[0])
    print(f"teaching: {options.samples} samples, three seasons, {time.process_time() - started:.0f} CPU-s", flush=True)
    print("| targets | CPU s | targets a CPU s | s | peak beyond, MiB | target, MiB | answer, MiB | right |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    context = multiprocessing.get_context("fork")
    for count in options.targets:
        process = context.Process(target=name_targets, args=(taught, count))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"naming {count} targets ended with status {process.exitcode}")


if __name__ == "__main__":
    main()
