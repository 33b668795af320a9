"""Columns that trees look at: the curve, its differences, season statistics and simple phenology of every feature.

Nothing here knows which feature is a vegetation index: each is described by itself.
"""

from __future__ import annotations

import numpy as np

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEVELS = (0.3, 0.5, 0.7)


def curve_features(series: np.ndarray) -> np.ndarray:
    """Describe each curve, float32 (n, columns).

    Parameters
    ----------
    series:
        (n, steps, features) without NaN; steps ≥ 2.
    """
    flat = (len(series), -1)
    blocks = [series.reshape(flat), np.diff(series, axis=1).reshape(flat), season_statistics(series)]
    return np.hstack([*blocks, phases(series)]).astype(np.float32)


def season_statistics(series: np.ndarray) -> np.ndarray:
    """Mean, SD, extremes, quantiles and roughness of each feature over the season, (n, 10 × features)."""
    quantiles = np.quantile(series, QUANTILES, axis=1)
    roughness = np.diff(series, axis=1).std(axis=1)
    moments = [series.mean(axis=1), series.std(axis=1), series.min(axis=1), series.max(axis=1)]
    return np.hstack([*moments, *quantiles, roughness])


def phases(series: np.ndarray) -> np.ndarray:
    """When each feature rises and falls, in steps, (n, columns).

    The curve is scaled between its 10 % and 95 % quantiles. At each of three levels: first and last upward and downward
    crossing (interpolated), the spans between them (which a shift in time leaves as they are), how often it rises, and
    the share of the season spent above; then the steps of the highest and lowest value. A curve that never crosses
    upwards has 0 there, one that never crosses downwards the season's length.
    """
    steps = series.shape[1]
    low, high = np.quantile(series, 0.1, axis=1)[:, None], np.quantile(series, 0.95, axis=1)[:, None]
    scaled = (series - low) / np.maximum(high - low, 1e-9)
    step = np.arange(steps - 1, dtype=np.float64)[None, :, None]
    columns: list[np.ndarray] = []
    for level in LEVELS:
        above = scaled > level
        rises, falls = above[:, 1:] & ~above[:, :-1], ~above[:, 1:] & above[:, :-1]
        gain = np.diff(scaled, axis=1)
        at = step + (level - scaled[:, :-1]) / np.where(np.abs(gain) < 1e-12, 1.0, gain)
        ever_rises, ever_falls = rises.any(axis=1), falls.any(axis=1)
        first_rise = np.where(ever_rises, np.where(rises, at, np.inf).min(axis=1), 0.0)
        last_rise = np.where(ever_rises, np.where(rises, at, -np.inf).max(axis=1), 0.0)
        first_fall = np.where(ever_falls, np.where(falls, at, np.inf).min(axis=1), float(steps))
        last_fall = np.where(ever_falls, np.where(falls, at, -np.inf).max(axis=1), float(steps))
        columns += [first_rise, first_fall, last_rise, last_fall]
        columns += [last_fall - last_rise, last_rise - first_fall, last_fall - first_rise]
        columns += [rises.sum(axis=1), above.mean(axis=1)]
    columns += [series.argmax(axis=1), series.argmin(axis=1)]
    return np.hstack(columns)
