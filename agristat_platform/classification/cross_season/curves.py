"""Curves of a season: filling gaps, shifting in time, and the columns that trees look at.

Nothing here knows which feature is a vegetation index: each feature is described by itself.
"""

from __future__ import annotations

import numpy as np
from numba import njit

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def fill_gaps(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill missing values along time by straight lines, level beyond the first and last value.

    Parameters
    ----------
    series:
        (n, steps, features), NaN = missing. A feature that a sample has no value of is filled with that feature's mean
        over the samples that have one at the step, 0 where there is none.

    Returns
    -------
    filled:
        float64 (n, steps, features).
    support:
        float64 (n, steps): share of the features that were observed at the step.
    """
    filled = np.array(series, dtype=np.float64)
    missing = ~np.isfinite(filled)
    support = 1.0 - missing.mean(axis=2)
    if not missing.any():
        return filled, support
    filled[missing] = np.nan
    seen = (~missing).sum(axis=0)
    mean = np.where(missing, 0.0, filled).sum(axis=0) / np.maximum(seen, 1)
    _interpolate(filled, np.ascontiguousarray(mean))
    return filled, support


@njit(cache=True, nogil=True)
def _interpolate(series: np.ndarray, mean: np.ndarray) -> None:
    samples, steps, features = series.shape
    for i in range(samples):
        for f in range(features):
            last = -1
            for t in range(steps):
                if np.isnan(series[i, t, f]):
                    continue
                for u in range(last + 1, t):
                    if last < 0:
                        series[i, u, f] = series[i, t, f]
                    else:
                        share = (u - last) / (t - last)
                        series[i, u, f] = (1.0 - share) * series[i, last, f] + share * series[i, t, f]
                last = t
            for u in range(last + 1, steps):
                series[i, u, f] = series[i, last, f] if last >= 0 else mean[u, f]


def shift_in_time(series: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each curve moved later by its number of steps (earlier when negative), level beyond its ends; linear in between.

    `series` (n, steps, features) without NaN, `shifts` (n,) or (n, steps) where the shift varies over the season.
    """
    steps = series.shape[1]
    shift = np.broadcast_to(shifts[:, None] if shifts.ndim == 1 else shifts, series.shape[:2])
    at = np.clip(np.arange(steps)[None, :] - shift, 0.0, steps - 1.0)
    low = np.minimum(at.astype(np.int64), steps - 2) if steps > 1 else np.zeros(at.shape, np.int64)
    share = (at - low)[:, :, None]
    rows = np.arange(len(series))[:, None]
    return (1.0 - share) * series[rows, low] + share * series[rows, np.minimum(low + 1, steps - 1)]


def warp_in_time(series: np.ndarray, amplitude: float, *, seed: int) -> np.ndarray:
    """A copy of each curve as another season might have drawn it: moved, and stretched about the season's middle.

    Parameters
    ----------
    series:
        (n, steps, features) without NaN.
    amplitude:
        Greatest shift in steps; it is uniform up to it in either direction, and the stretch moves the season's ends by
        up to as much again.
    seed:
        Draws shifts and stretches.
    """
    random = np.random.default_rng(seed)
    shift, stretch = random.uniform(-amplitude, amplitude, (2, len(series)))
    return shift_in_time(series, shift[:, None] + stretch[:, None] * np.linspace(-1.0, 1.0, series.shape[1])[None, :])
