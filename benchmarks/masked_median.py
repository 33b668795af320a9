"""Masked median over time, timed against numpy and bottleneck in the same run.

    python benchmarks/masked_median.py [--dates 24 --missing 0.4 --side 1000 --repeats 7]

Peers: `numpy.nanmedian` and, when it is installed, `bottleneck.nanmedian`, on the same values as float32 with NaN for
missing. CPU seconds of one process after compilation, medians over the
repeats; million pixels of one band a second. Medians must agree: exactly in float32, with halves up in integers.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import speed

from agristat_platform.imagery.geometric_median import geometric_median
from agristat_platform.imagery.medians import masked_median
from agristat_platform.imagery.medoid import medoid
from agristat_platform.imagery.percentiles import masked_percentiles


def peers() -> dict[str, Callable[..., Any]]:
    """The nan-medians that are installed."""
    found: dict[str, Callable[..., Any]] = {"numpy.nanmedian": np.nanmedian}
    try:
        import bottleneck
    except ImportError:
        print("bottleneck is not installed and is left out")
    else:
        found["bottleneck.nanmedian"] = bottleneck.nanmedian
    return found


def main() -> None:
    """Print a table of speeds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", type=int, default=24)
    parser.add_argument("--missing", type=float, default=0.4)
    parser.add_argument("--side", type=int, default=1000, help="pixels of a side of the square")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "All-NaN")
    rng = np.random.default_rng(1)
    stack = rng.integers(1, 10_000, (options.dates, options.side, options.side)).astype(np.uint16)
    stack[rng.random(stack.shape, np.float32) < options.missing] = 0
    floats = np.where(stack == 0, np.nan, stack).astype(np.float32)
    print(f"{options.dates} dates, {options.missing:.0%} missing, {stack[0].size / 1e6:g} million pixels")
    print(f"{'':34}{'Mpx/s':>8}{'least':>8}{'most':>8}")

    def show(name: str, work: Callable[[], Any], pixels: int) -> tuple[float, Any]:
        found, result = speed(work, pixels, options.repeats)
        print(f"{name:34}{found.median:8.2f}{found.least:8.2f}{found.greatest:8.2f}")
        return found.median, result

    integers, (median, _) = show("masked_median, uint16", lambda: masked_median(stack, 0), stack[0].size)
    decimals, (exact, _) = show("masked_median, float32", lambda: masked_median(floats, np.nan), stack[0].size)
    show("masked_percentiles 10, 50, 90", lambda: masked_percentiles(stack, stack > 0, (10, 50, 90)), stack[0].size)
    reflectance = rng.gamma(4, 0.05, (options.dates, 4, 100, 100)).astype(np.float32)
    clear = stack[:, :100, :100] > 0
    if clear.shape[1:] == (100, 100):
        show("geometric_median, 4 bands", lambda: geometric_median(reflectance, clear), 10_000)
        show("medoid, 4 bands", lambda: medoid(reflectance, clear), 10_000)
    for name, nanmedian in peers().items():
        theirs, expected = show(f"{name}, float32", lambda call=nanmedian: call(floats, axis=0), stack[0].size)
        np.testing.assert_array_equal(exact, expected)
        halves_up = np.where(np.isnan(expected), 0, np.floor(expected + 0.5)).astype(np.uint16)
        np.testing.assert_array_equal(median, halves_up)
        print(f"RATIO to {name}: uint16 {integers / theirs:.1f}, float32 {decimals / theirs:.1f}")


if __name__ == "__main__":
    main()
