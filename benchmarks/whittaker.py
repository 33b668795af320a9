"""The Whittaker smoother, timed against named peers in the same process.

    python benchmarks/whittaker.py [--series 100000 --steps 23 --runs 7]

Peers: modape (WFP-VAM) and whittaker-eilers from the package index, a peer that is not installed is named and left out;
scipy.linalg.solveh_banded one series at a time. modape's own requirements (GDAL, h5py, …) are not needed for its smoother:
`pip install numpy cython setuptools wheel; pip install --no-deps --no-build-isolation modape`.

modape and whittaker-eilers smooth one series a call. They are timed at their best: rows split and lists made beforehand,
results thrown away ("calls alone"); modape also with its results put into an array, as its users need them. scipy gets all
series as one banded system without coupling between them. Ours counts as called, with checks and the array it returns;
"out=" is given an array used before, so that it pays for no fresh memory, as "calls alone" doesn't.

The process is pinned to one core; CPU seconds after compilation, contestants in turn in every round; the ratio is that of
the medians. Peers get fewer series, which fit the caches better.
"""

from __future__ import annotations

import argparse
import array
import os
import time
from collections.abc import Callable
from datetime import date

import numpy as np
from scipy.linalg import solveh_banded

from agristat_platform.timeseries import (
    season_grid,
    smooth_pixels,
    smooth_to_grid,
    whittaker_smooth,
    whittaker_vcurve,
)

SMOOTHING = 10.0
LOG_SMOOTHINGS = np.linspace(-1, 3, 17)

Work = Callable[[int], object]


def series(n_series: int, n_steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """NDVI-like curves with noise, three in ten of weight 0 (value 0 there, as modape wants it)."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0, 1, n_steps)
    peak, height = rng.uniform(0.3, 0.7, (n_series, 1)), rng.uniform(0.2, 0.7, (n_series, 1))
    values = 0.2 + height * np.exp(-(((at - peak) / 0.2) ** 2)) + rng.normal(0, 0.03, (n_series, n_steps))
    weights = (rng.random(values.shape) > 0.3).astype(np.float64)
    return np.where(weights > 0, values, 0.0), weights


def banded(values: np.ndarray, weights: np.ndarray) -> Work:
    """scipy's banded solve of W + λ D'D, all series one below the other."""
    n_steps = values.shape[1]
    difference = np.diff(np.eye(n_steps), n=2, axis=0)
    dense = SMOOTHING * difference.T @ difference
    bands = np.zeros((3, n_steps))
    for k in range(3):
        bands[2 - k, k:] = np.diag(dense, k)

    def work(count: int) -> np.ndarray:
        system = np.tile(bands, count)
        system[2] += weights[:count].ravel()
        right = (weights[:count] * values[:count]).ravel()
        return solveh_banded(system, right, overwrite_ab=True, overwrite_b=True, check_finite=False).reshape(
            -1, n_steps
        )

    return work


def modape(values: np.ndarray, weights: np.ndarray) -> tuple[dict[str, Work], dict[str, Work]]:
    """ws2d and ws2doptv; nothing where modape is not installed."""
    try:
        from modape.whittaker import ws2d, ws2doptv
    except ImportError as absent:
        print(f"modape is left out: {absent}")
        return {}, {}
    rows, row_weights, choices = list(values), list(weights), array.array("d", LOG_SMOOTHINGS)

    def fixed(count: int) -> None:
        for row, weight in zip(rows[:count], row_weights[:count], strict=True):
            ws2d(row, SMOOTHING, weight)

    def fixed_kept(count: int) -> np.ndarray:
        smoothed = np.empty((count, values.shape[1]))
        for k, (row, weight) in enumerate(zip(rows[:count], row_weights[:count], strict=True)):
            smoothed[k] = ws2d(row, SMOOTHING, weight)
        return smoothed

    def curve(count: int) -> None:
        for row, weight in zip(rows[:count], row_weights[:count], strict=True):
            ws2doptv(row, weight, choices)

    def curve_kept(count: int) -> np.ndarray:
        smoothed = np.empty((count, values.shape[1]))
        for k, (row, weight) in enumerate(zip(rows[:count], row_weights[:count], strict=True)):
            smoothed[k] = ws2doptv(row, weight, choices)[0]
        return smoothed

    names = ("modape, calls alone", "modape, kept")
    return dict(zip(names, (fixed, fixed_kept), strict=True)), dict(zip(names, (curve, curve_kept), strict=True))


def eilers(values: np.ndarray, weights: np.ndarray) -> dict[str, Work]:
    """whittaker-eilers with lists made beforehand; nothing where it is not installed."""
    try:
        from whittaker_eilers import WhittakerSmoother
    except ImportError as absent:
        print(f"whittaker-eilers is left out: {absent}")
        return {}
    smoother = WhittakerSmoother(SMOOTHING, 2, values.shape[1])
    rows, row_weights = values.tolist(), weights.tolist()

    def work(count: int) -> list[list[float]]:
        smoothed = []
        for row, weight in zip(rows[:count], row_weights[:count], strict=True):
            smoother.update_weights(weight)
            smoothed.append(smoother.smooth(row))
        return smoothed

    return {"whittaker-eilers": work}


def rates(contestants: dict[str, tuple[Work, int]], runs: int) -> dict[str, list[float]]:
    """Million series per CPU second, every contestant once in each round."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for work, _ in contestants.values():
        work(500)
    for _ in range(runs):
        for name, (work, count) in contestants.items():
            start = time.process_time()
            work(count)
            found[name].append(count / (time.process_time() - start) / 1e6)
    return found


def report(title: str, contestants: dict[str, tuple[Work, int]], bar: float, runs: int) -> None:
    """Median rates, and the ratio of ours to each peer."""
    ours = contestants["ours float64"][0](500)
    for name, (work, _) in contestants.items():
        smoothed = work(500)
        if smoothed is not None:
            print(f"{title}: {name} differs from ours by at most {np.abs(np.asarray(smoothed) - ours).max():.1e}")
    found = rates(contestants, runs)
    for name, rate in found.items():
        print(f"{title}: {name:19s} {np.median(rate):8.3f} M series/s ({min(rate):.3f} to {max(rate):.3f})")
    for name in found:
        if not name.startswith("ours"):
            ratios = "  ".join(
                f"{np.median(found[mine]) / np.median(found[name]):6.1f} ({mine.removeprefix('ours ')})"
                for mine in found
                if mine.startswith("ours")
            )
            wanted = f", bar {bar:g}" if name == "modape, calls alone" else ""
            print(f"{title}: ours / {name:19s} {ratios}{wanted}")


def season(side: int, n_dates: int, seed: int, runs: int) -> None:
    """A block of pixels and as many series from irregular dates, half of them clear, to a season's 23 samples."""
    rng = np.random.default_rng(seed)
    grid = season_grid(date(2024, 11, 1), date(2025, 6, 1))
    dates = grid.nodes[0] + np.sort(rng.choice(5 * len(grid.nodes) - 5, n_dates, replace=False))
    stack = rng.integers(1, 10_000, (n_dates, side, side)).astype(np.uint16)
    clear = rng.random(stack.shape) < 0.5
    rows = np.where(clear, stack * np.float32(1e-4), np.float32("nan")).reshape(n_dates, -1).T.copy()
    for smoothing in (30.0, "vcurve"):
        works = {
            "smooth_pixels, uint16": lambda n, given=smoothing: smooth_pixels(
                dates, stack[:, :n], clear[:, :n], grid, scale=1e-4, smoothing=given
            ),
            "smooth_to_grid, float32": lambda n, given=smoothing: smooth_to_grid(
                dates, rows[: n * side], None, grid, smoothing=given
            ),
        }
        for name, work in works.items():
            work(4)
            spent = []
            for _ in range(runs):
                start = time.process_time()
                work(side)
                spent.append(time.process_time() - start)
            rate = side * side / np.array(spent) / 1e6
            print(
                f"{n_dates} dates, λ {smoothing}: {name:24s} {np.median(rate):.2f} M/s ({min(rate):.2f} to {max(rate):.2f})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000, help="at least 500")
    parser.add_argument("--steps", type=int, default=23)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    values, weights = series(given.series, given.steps, given.seed)
    reused, reused_single = np.zeros_like(values), np.zeros(values.shape, np.float32)
    single, single_weights = values.astype(np.float32), weights.astype(np.float32)
    few, fewest = min(given.series, 20_000), min(given.series, 4_000)
    fixed, curve = modape(values[:few], weights[:few])
    fixed |= {"scipy banded": banded(values, weights)} | eilers(values[:few], weights[:few])
    report(
        "fixed λ",
        {
            "ours float64": (lambda n: whittaker_smooth(values[:n], weights[:n], SMOOTHING), given.series),
            "ours float32": (lambda n: whittaker_smooth(single[:n], single_weights[:n], SMOOTHING), given.series),
            "ours float64, out=": (
                lambda n: whittaker_smooth(values[:n], weights[:n], SMOOTHING, out=reused[:n]),
                given.series,
            ),
            "ours float32, out=": (
                lambda n: whittaker_smooth(single[:n], single_weights[:n], SMOOTHING, out=reused_single[:n]),
                given.series,
            ),
            **{name: (work, few) for name, work in fixed.items()},
        },
        8,
        given.runs,
    )
    choices = 10.0**LOG_SMOOTHINGS
    report(
        "V-curve, 17 λ",
        {
            "ours float64": (lambda n: whittaker_vcurve(values[:n], weights[:n], choices)[0], given.series),
            "ours float32": (lambda n: whittaker_vcurve(single[:n], single_weights[:n], choices)[0], given.series),
            **{name: (work, fewest) for name, work in curve.items()},
        },
        5,
        given.runs,
    )
    start = time.process_time()
    count = given.series
    whittaker_smooth(values[:count], weights[:count], SMOOTHING, envelope=0.9)
    print(f"upper envelope, 10 rounds: {count / (time.process_time() - start) / 1e6:.2f} M series/s")
    season(512, 52, given.seed, given.runs)


if __name__ == "__main__":
    main()
