"""The Whittaker smoother: gap filling and smoothing of many series on one regular grid.

Belongs here: smoothing with a given λ or one chosen per series, and the checks of what is given. Grids of a season don't.

Sources: Eilers 2003, "A perfect smoother", Analytical Chemistry 75(14), 3631–3636. z minimises
Σ w (y − z)² + λ Σ (Δᵈ z)², that is (W + λ D'D) z = W y, a banded symmetric system. Choice of λ: Frasso & Eilers 2015,
"L- and V-curves for optimal smoothing", Statistical Modelling 15(1), 91–111. Upper envelope: asymmetric least squares as in
Eilers 2003 and, for vegetation indices, Atzberger & Eilers 2011, Int. J. Digital Earth 4(5), 365–386.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.timeseries.blocks import (
    BLOCK,
    differences,
    kernel_order,
    penalty,
    smooth_range,
    vcurve_range,
)
from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError

Floats = npt.NDArray[np.floating[Any]]

DEFAULT_SMOOTHINGS = tuple(float(smoothing) for smoothing in np.logspace(-1, 3, 17))


def whittaker_smooth(
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None = None,
    smoothing: float | npt.NDArray[Any] = 10.0,
    order: int = 2,
    *,
    envelope: float | None = None,
    envelope_rounds: int = 10,
    n_jobs: int = 1,
    out: Floats | None = None,
) -> Floats:
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
    envelope:
        None: the plain fit. p in 0.5 to 1: the upper envelope. Values above the curve weigh p times their weight, the
        others 1 − p, and the curve is fitted anew `envelope_rounds` times from the plain fit. Cloud and haze that the
        mask has missed only ever lower a vegetation index; 0.9 is usual for one. Not for other bands.
    envelope_rounds:
        How often the asymmetric weights are set anew, ≥ 1.
    n_jobs:
        Threads. The result is the same for any number.
    out:
        Where the result goes, of its shape and precision, in one piece and apart from `values` and `weights`; None: a new
        array. Of many series in one call the pages of a new array cost as much as the arithmetic, those of one used
        before nothing. Its content is void after an error.

    Returns
    -------
    (n_series, n_steps); float32 for float32 input, else float64 (computed in float64 either way). A series with fewer
    than `order` values of positive weight does not determine a curve and is NaN throughout.

    Raises
    ------
    SeriesShapeError
        `values` is not two-dimensional, has no more steps than `order`, or weights, smoothing or `out` do not fit it.
    SeriesValueError
        An infinite value; a weight that is negative, NaN or infinite; smoothing not positive and finite; another order;
        an envelope outside 0.5 to 1; rounds or threads below 1.
    """
    series = _series(values, order)
    checked_weights = _weights(weights, series)
    lambdas = checked_smoothing(smoothing, len(series))
    asymmetry, rounds = envelope_weights(envelope, envelope_rounds)
    smoothed = _result(out, series, checked_weights)
    bands, kernel = penalty(series.shape[1], order), kernel_order(order)

    def part(start: int, stop: int) -> int:
        return int(
            smooth_range(series, checked_weights, lambdas, asymmetry, rounds, bands, kernel, start, stop, smoothed)
        )

    if in_threads(part, len(series), n_jobs):
        raise _refused(series, checked_weights)
    return smoothed


def whittaker_vcurve(
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None = None,
    smoothings: npt.ArrayLike = DEFAULT_SMOOTHINGS,
    order: int = 2,
    *,
    envelope: float | None = None,
    envelope_rounds: int = 10,
    n_jobs: int = 1,
    out: Floats | None = None,
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Smooth each series with the λ at the bottom of its V-curve.

    With ψ = log Σ w (y − z)² and φ = log Σ (Δᵈ z)² at every given λ, the V-curve is √(Δψ² + Δφ²) / Δlog λ between
    neighbouring λ; its least value marks the corner of the L-curve (Frasso & Eilers 2015). The chosen λ is the geometric
    mean of the two neighbours.

    Parameters
    ----------
    smoothings:
        At least two λ > 0, increasing. Default: 17 from 0.1 to 1000, evenly in the logarithm.
    values, weights, order, envelope, envelope_rounds, n_jobs, out:
        As in `whittaker_smooth`. With an envelope λ is chosen on the plain fit.

    Returns
    -------
    smoothed:
        As `whittaker_smooth`.
    chosen:
        (n_series,) float64, the λ of each series; NaN where it determines no curve. A series that every λ fits equally
        well (a straight line) gets the smallest.

    Raises
    ------
    SeriesShapeError, SeriesValueError
        As `whittaker_smooth`; fewer than two smoothings, or not increasing.
    """
    series = _series(values, order)
    checked_weights = _weights(weights, series)
    lambdas = np.asarray(smoothings, dtype=np.float64)
    if lambdas.ndim != 1 or len(lambdas) < 2:
        raise SeriesShapeError(
            f"smoothings of shape {lambdas.shape} make no V-curve", remedy="Give a sequence of at least two numbers"
        )
    checked_smoothing(lambdas, len(lambdas))
    if (np.diff(lambdas) <= 0).any():
        at = int(np.argmax(np.diff(lambdas) <= 0))
        raise SeriesValueError(
            f"smoothings do not increase: {lambdas[at + 1]} follows {lambdas[at]}", remedy="Give them in rising order"
        )
    asymmetry, rounds = envelope_weights(envelope, envelope_rounds)
    smoothed, chosen = _result(out, series, checked_weights), np.empty(len(series))
    bands, coefficients, kernel = penalty(series.shape[1], order), differences(order), kernel_order(order)

    def part(start: int, stop: int) -> int:
        return int(
            vcurve_range(
                series, checked_weights, lambdas, asymmetry, rounds, bands, coefficients, kernel, start, stop,
                smoothed, chosen,
            )
        )  # fmt: skip

    if in_threads(part, len(series), n_jobs):
        raise _refused(series, checked_weights)
    return smoothed, chosen


def in_threads(part: Callable[[int, int], int], n_series: int, n_jobs: int) -> int:
    """Sum of what `part` returns over ranges of whole blocks, one range a thread."""
    if n_jobs < 1:
        raise SeriesValueError(f"n_jobs is {n_jobs}", remedy="Give the number of threads, 1 or more")
    if n_jobs == 1 or n_series <= BLOCK:
        return part(0, n_series)
    size = -(-n_series // (n_jobs * BLOCK)) * BLOCK
    with ThreadPoolExecutor(n_jobs) as threads:
        starts = range(0, n_series, size)
        return sum(threads.map(lambda start: part(start, min(start + size, n_series)), starts))


def _series(values: npt.NDArray[Any], order: int) -> Floats:
    values = np.asarray(values)
    if values.ndim != 2:
        raise SeriesShapeError(
            f"series of shape {values.shape} cannot be smoothed",
            remedy="Give (n_series, n_steps); one series as values[np.newaxis]",
        )
    if order not in (1, 2, 3):
        raise SeriesValueError(f"order is {order}", remedy="Give 1, 2 or 3")
    if values.shape[1] <= order:
        raise SeriesShapeError(
            f"{values.shape[1]} steps are too few for differences of order {order}",
            remedy=f"Give at least {order + 1} steps",
        )
    return np.ascontiguousarray(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)


def _weights(weights: npt.NDArray[Any] | None, series: Floats) -> Floats:
    """Weights as (n_series or 1, n_steps); their values are checked in the kernel."""
    if weights is None:
        return np.ones((1, series.shape[1]))
    given = np.atleast_2d(np.asarray(weights))
    if given.shape not in (series.shape, (1, series.shape[1])):
        raise SeriesShapeError(
            f"weights of shape {np.shape(weights)} do not fit series of shape {series.shape}",
            remedy="Give one weight per value or per step",
        )
    return np.ascontiguousarray(given, dtype=np.float32 if given.dtype == np.float32 else np.float64)


def _result(out: Floats | None, series: Floats, weights: Floats) -> Floats:
    """The array that takes the result."""
    if out is None:
        return np.empty_like(series)
    if out.shape != series.shape or out.dtype != series.dtype or not out.flags.carray:
        raise SeriesShapeError(
            f"out of shape {out.shape}, {out.dtype}, does not take a result of shape {series.shape}, {series.dtype}",
            remedy="Give a writable array of that shape and precision in one piece, or None",
        )
    if np.may_share_memory(out, series) or np.may_share_memory(out, weights):
        raise SeriesShapeError("out overlaps the values or weights", remedy="Give an array of its own, or None")
    return out


def checked_smoothing(smoothing: float | npt.NDArray[Any], n_series: int) -> npt.NDArray[np.float64]:
    """λ as (n_series,) or (1,)."""
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
    return np.ascontiguousarray(np.atleast_1d(given))


def envelope_weights(envelope: float | None, rounds: int) -> tuple[float, int]:
    if envelope is None:
        return 0.5, 0
    if not 0.5 <= envelope < 1:
        raise SeriesValueError(
            f"envelope is {envelope}", remedy="Give 0.5 (no envelope) to below 1, 0.9 for a vegetation index, or None"
        )
    if rounds < 1:
        raise SeriesValueError(f"envelope_rounds is {rounds}", remedy="Give 1 or more")
    return float(envelope), rounds


def _refused(series: Floats, weights: Floats) -> SeriesValueError:
    """The error that names the first value or weight the kernel refused."""
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row, step = np.argwhere(bad)[0]
        return SeriesValueError(
            f"a weight is {weights[row, step]}",
            where=f"series {row}, step {step}",
            remedy="Give 0 to leave a value out",
        )
    row, step = np.argwhere(np.isinf(series))[0]
    return SeriesValueError(
        "a value is infinite", where=f"series {row}, step {step}", remedy="Mark missing values as NaN"
    )
