"""The Whittaker smoother: gap filling and smoothing of many series on one regular grid.

Belongs here: the penalised least-squares solve. Choosing the smoothing, regular grids and phenology don't.

Source: Eilers 2003, "A perfect smoother", Analytical Chemistry 75(14), 3631–3636. z minimises
Σ w (y − z)² + λ Σ (Δᵈ z)², that is (W + λ D'D) z = W y, a banded symmetric system solved by LDLᵀ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError


def whittaker_smooth(
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None = None,
    smoothing: float | npt.NDArray[Any] = 10.0,
    order: int = 2,
) -> npt.NDArray[np.floating[Any]]:
    """Smooth series and fill their gaps.

    Parameters
    ----------
    values:
        (n_series, n_steps) on a regular grid, NaN = missing.
    weights:
        (n_series, n_steps) or (n_steps,), ≥ 0; None: 1 everywhere. A missing value weighs nothing, whatever is given
        for it.
    smoothing:
        λ > 0, one number or (n_series,); larger is smoother. λ → ∞ gives the weighted polynomial fit of degree
        `order` − 1. It depends on the step: halving the step asks for 2^(2 order − 1) times the λ.
    order:
        Order of the differences that are penalised, 1 to 3.

    Returns
    -------
    (n_series, n_steps); float32 for float32 input, else float64 (computed in float64 either way). A series with fewer
    than `order` values of positive weight does not determine a curve and is NaN throughout.

    Raises
    ------
    SeriesShapeError
        `values` is not two-dimensional, has no more steps than `order`, or weights or smoothing do not fit it.
    SeriesValueError
        An infinite value; a weight that is negative, NaN or infinite; smoothing not positive and finite; another order.
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise SeriesShapeError(
            f"series of shape {values.shape} cannot be smoothed",
            remedy="Give (n_series, n_steps); one series as values[np.newaxis]",
        )
    if order not in (1, 2, 3):
        raise SeriesValueError(f"order is {order}", remedy="Give 1, 2 or 3")
    n_series, n_steps = values.shape
    if n_steps <= order:
        raise SeriesShapeError(
            f"{n_steps} steps are too few for differences of order {order}", remedy=f"Give at least {order + 1} steps"
        )
    series = np.ascontiguousarray(values, dtype=np.float64)
    if np.isinf(series).any():
        where = np.argwhere(np.isinf(series))[0]
        raise SeriesValueError(
            "a value is infinite", where=f"series {where[0]}, step {where[1]}", remedy="Mark missing values as NaN"
        )
    smoothed = np.empty_like(series)
    _solve(
        series,
        _weights(weights, n_series, n_steps),
        _smoothing(smoothing, n_series),
        _penalty(n_steps, order),
        smoothed,
    )
    return smoothed.astype(np.float32) if values.dtype == np.float32 else smoothed


def _weights(weights: npt.NDArray[Any] | None, n_series: int, n_steps: int) -> npt.NDArray[np.float64]:
    """Weights as (n_series or 1, n_steps)."""
    if weights is None:
        return np.ones((1, n_steps))
    checked = np.ascontiguousarray(np.atleast_2d(np.asarray(weights, dtype=np.float64)))
    if checked.shape not in ((n_series, n_steps), (1, n_steps)):
        raise SeriesShapeError(
            f"weights of shape {np.shape(weights)} do not fit series of shape {(n_series, n_steps)}",
            remedy="Give one weight per value or per step",
        )
    bad = ~(np.isfinite(checked) & (checked >= 0))
    if bad.any():
        row, step = np.argwhere(bad)[0]
        raise SeriesValueError(
            f"a weight is {checked[row, step]}",
            where=f"series {row}, step {step}",
            remedy="Give 0 to leave a value out",
        )
    return checked


def _smoothing(smoothing: float | npt.NDArray[Any], n_series: int) -> npt.NDArray[np.float64]:
    given = np.asarray(smoothing, dtype=np.float64)
    if given.shape not in ((), (n_series,)):
        raise SeriesShapeError(
            f"smoothing of shape {given.shape} does not fit {n_series} series",
            remedy="Give one number, or one per series",
        )
    bad = ~(np.isfinite(given) & (given > 0))
    if bad.any():
        raise SeriesValueError(
            f"smoothing is {given[bad].flat[0] if given.ndim else given}", remedy="Give a number > 0"
        )
    return np.ascontiguousarray(np.broadcast_to(given, (n_series,)))


def _penalty(n_steps: int, order: int) -> npt.NDArray[np.float64]:
    """D'D by bands: entry [i, k] is the coefficient between steps i and i − k, 0 where i < k."""
    difference = np.array([1.0])
    for _ in range(order):
        difference = np.convolve(difference, [1.0, -1.0])
    penalty = np.zeros((n_steps, order + 1))
    for first in range(n_steps - order):
        for i in range(order + 1):
            for k in range(i + 1):
                penalty[first + i, k] += difference[i] * difference[i - k]
    return penalty


@njit(cache=True, nogil=True)
def _solve(values, weights, smoothing, penalty, smoothed):  # type: ignore[no-untyped-def]
    """LDLᵀ of each series' banded system: L[i, k] stands between steps i and i − k, `pivots` is D."""
    n_series, n_steps = values.shape
    order = penalty.shape[1] - 1
    lower = np.zeros((n_steps, order + 1))
    pivots = np.empty(n_steps)
    for s in range(n_series):
        w = weights[s if len(weights) > 1 else 0]
        z = smoothed[s]
        present = 0
        for i in range(n_steps):
            if values[s, i] == values[s, i] and w[i] > 0.0:
                present += 1
        if present < order:
            z[:] = np.nan
            continue
        for i in range(n_steps):
            reach = min(i, order)
            for k in range(reach, 0, -1):
                entry = smoothing[s] * penalty[i, k]
                for t in range(k + 1, reach + 1):
                    entry -= lower[i, t] * pivots[i - t] * lower[i - k, t - k]
                lower[i, k] = entry / pivots[i - k]
            weight = w[i]
            observed = values[s, i]
            if observed != observed or weight == 0.0:
                weight = 0.0
                observed = 0.0
            pivot = weight + smoothing[s] * penalty[i, 0]
            z[i] = weight * observed
            for k in range(1, reach + 1):
                pivot -= lower[i, k] * lower[i, k] * pivots[i - k]
                z[i] -= lower[i, k] * z[i - k]
            pivots[i] = pivot
        for i in range(n_steps - 1, -1, -1):
            z[i] /= pivots[i]
            for k in range(1, min(order, n_steps - 1 - i) + 1):
                z[i] -= lower[i + k, k] * z[i + k]
