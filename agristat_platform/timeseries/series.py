"""Irregular observations as smooth series at a season's even positions, one row a parcel or pixel.

Belongs here: what a season's series look like for a model, and what of them rests on observations. Rasters are in `pixels`,
positions in `season`, the solve in `blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.timeseries.blocks import differences, kernel_order, penalty
from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError
from agristat_platform.timeseries.gridding import calendar, sample_places, season_range, season_vcurve_range
from agristat_platform.timeseries.season import Days, SeasonGrid
from agristat_platform.timeseries.whittaker import (
    DEFAULT_SMOOTHINGS,
    Floats,
    checked_smoothing,
    envelope_weights,
    in_threads,
)

SERIES_FLAGS = ("ok", "too_few", "long_gap")
"""Meaning of the codes in `SeasonSeries.flag`, by position."""

MAX_GAP_DAYS = 60.0
"""Default of `max_gap_days`: a sample has an observation within 30 days, or says that it hasn't."""

AS_STORED = (np.nan, 1.0, 0.0)  # no nodata value, scale 1, offset 0


@dataclass(frozen=True)
class SeasonSeries:
    """Series sampled at a season's even positions.

    Attributes
    ----------
    values:
        (n_series, n_samples); NaN throughout where there are too few clear dates.
    clear_dates:
        (n_series,) distinct days of the season with a value of positive weight. Days in the padding do not count.
    too_few:
        (n_series,) fewer clear dates than asked for, or too few to determine a curve.
    smoothing:
        (n_series,) λ used; NaN where `too_few`.
    longest_gap_days:
        (n_series,) longest stretch of the season between one clear date, or the season's first day, and the next, or its last
        day. The whole season where there is none.
    supported:
        (n_series, n_samples) whether a clear date, in the padding or the season, lies within half of `max_gap_days` of the
        sample. Where not, the value is what the smoother draws between or beyond distant dates: it can miss a whole
        crop. False where `too_few`.
    """

    values: Floats
    clear_dates: npt.NDArray[np.int64]
    too_few: npt.NDArray[np.bool_]
    smoothing: npt.NDArray[np.float64]
    longest_gap_days: npt.NDArray[np.int64]
    supported: npt.NDArray[np.bool_]

    @property
    def too_few_count(self) -> int:
        """How many series are flagged as too few."""
        return int(self.too_few.sum())

    @property
    def flag(self) -> npt.NDArray[np.uint8]:
        """(n_series,) position in `SERIES_FLAGS`: 0 ok, 1 too_few, 2 long_gap (a sample is not supported)."""
        unsupported = (~self.supported).sum(axis=1)
        return series_flag(np.where(self.too_few, -1, unsupported))


def series_flag(unsupported: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.uint8]:
    """Positions in `SERIES_FLAGS` of series with so many samples not supported, −1 where there are too few dates."""
    return np.where(unsupported < 0, 1, np.where(unsupported > 0, 2, 0)).astype(np.uint8)


def smooth_to_grid(
    dates: Sequence[date] | Days,
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
    grid: SeasonGrid,
    *,
    smoothing: float | npt.NDArray[Any] | Literal["vcurve"] = 10.0,
    order: int = 2,
    envelope: float | None = None,
    min_clear_dates: int = 5,
    max_gap_days: float | None = MAX_GAP_DAYS,
    n_jobs: int = 1,
) -> SeasonSeries:
    """Series of irregular dates as smooth series at a season's even positions.

    Each observation goes to the nearest node; a node's value is the weighted mean of its observations and its weight the
    sum of theirs, which leaves the penalised least squares what it would be with the single observations. The padded
    grid is smoothed and read between nodes by straight lines. Before the first and after the last clear date the curve stays
    level: running on along its slope, as the penalty has it, erred by half as much again or more (docs/measurements.md).

    Parameters
    ----------
    dates:
        (n_dates,) common to all series, in any order; a day may occur twice. Those beyond the padded grid are left out.
    values:
        (n_series, n_dates), NaN = missing. A pixel's or a parcel's.
    weights:
        (n_series, n_dates) or (n_dates,), ≥ 0, e.g. 1 for clear and 0 for cloudy; None: 1 everywhere.
    smoothing:
        λ > 0 for the grid's step, one number or (n_series,), or "vcurve". At order 2 half of a wave of
        2π λ^¼ steps passes: 56 days at λ = 10 and 5-day steps.
    order, envelope, n_jobs:
        As in `whittaker_smooth`.
    min_clear_dates:
        A series with fewer distinct clear days inside the season is flagged and NaN: a curve through nothing but
        neighbours' dates or a long gap is no observation.
    max_gap_days:
        > 0; samples further than half of it from every clear date are marked as not supported and keep their value.
        None: no sample is marked. At the default of 60 days a quarter of the values in a gap of real series erred by more
        than 0.2 in NDVI, and straight lines begin to do better than the smoother (docs/measurements.md).

    Raises
    ------
    SeriesShapeError
        Dates, values, weights or smoothing that do not fit together, a grid with no more nodes than `order`.
    SeriesValueError
        As `whittaker_smooth`; min_clear_dates below `order`, max_gap_days not positive.
    """
    values = np.asarray(values)
    days, checked = _observations(dates, values, weights)
    kept = np.asarray(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)
    samples = np.empty((len(values), len(grid.positions)), kept.dtype)
    supported = np.empty(samples.shape, np.bool_)
    clear, gap = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    unsupported = np.empty(len(values), np.int16)
    used = smooth_observations(
        days, kept.T, checked.T, AS_STORED, grid, (samples.T, clear, gap, unsupported, supported.T),
        smoothing=smoothing, order=order, envelope=envelope, min_clear_dates=min_clear_dates,
        max_gap_days=max_gap_days, n_jobs=n_jobs,
    )  # fmt: skip
    if used is None:
        raise _refused(values, checked)
    return SeasonSeries(samples, clear, unsupported < 0, used, gap, supported)


def smooth_observations(
    days: Days,
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    stored: tuple[float, float, float],
    grid: SeasonGrid,
    found: tuple[npt.NDArray[Any], ...],
    *,
    smoothing: float | npt.NDArray[Any] | str,
    order: int,
    envelope: float | None,
    min_clear_dates: int,
    max_gap_days: float | None,
    n_jobs: int,
) -> npt.NDArray[np.float64] | None:
    """Smooth (n_dates, n_series) observations into `found` (see `gridding.season_range`).

    Returns the λ of each series, NaN where there are too few dates; None where a value or weight is not allowed, which the
    caller names.
    """
    n_series = values.shape[1]
    lambdas = _lambdas(smoothing, n_series)
    if order not in (1, 2, 3):
        raise SeriesValueError(f"order is {order}", remedy="Give 1, 2 or 3")
    if len(grid.nodes) <= order:
        raise SeriesShapeError(
            f"{len(grid.nodes)} nodes are too few for differences of order {order}",
            where=f"season {grid.start} to {grid.end}",
            remedy="Give a smaller step or more padding",
        )
    if min_clear_dates < order:
        raise SeriesValueError(
            f"min_clear_dates is {min_clear_dates}, which determines no curve of order {order}",
            remedy=f"Give {order} or more",
        )
    if max_gap_days is not None and not max_gap_days > 0:
        raise SeriesValueError(f"max_gap_days is {max_gap_days}", remedy="Give days > 0, or None")
    asymmetry, rounds = envelope_weights(envelope, 10)
    dates, places = calendar(days, grid, max_gap_days), sample_places(grid)
    bands, kernel, last_day = penalty(len(grid.nodes), order), kernel_order(order), (grid.end - grid.start).days - 1
    used = np.empty(n_series)

    def part(start: int, stop: int) -> int:
        given = (values, weights, stored, dates, last_day, places, min_clear_dates)
        if lambdas is None:
            choices, coefficients = np.array(DEFAULT_SMOOTHINGS), differences(order)
            return int(
                season_vcurve_range(
                    *given, choices, coefficients, asymmetry, rounds, bands, kernel, start, stop, found, used
                )
            )
        used[start:stop] = lambdas[start:stop] if len(lambdas) > 1 else lambdas
        return int(season_range(*given, lambdas, asymmetry, rounds, bands, kernel, start, stop, found))

    if in_threads(part, n_series, n_jobs):
        return None
    used[found[3] < 0] = np.nan
    return used


def _observations(
    dates: Sequence[date] | Days, values: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> tuple[Days, Floats]:
    """Days, and weights as (n_series or 1, n_dates), once the shapes fit together."""
    days = observation_days(dates)
    if values.ndim != 2 or days.shape != values.shape[1:]:
        raise SeriesShapeError(
            f"{days.size} dates do not fit values of shape {values.shape}", remedy="Give values as (n_series, n_dates)"
        )
    given = np.ones(len(days)) if weights is None else np.asarray(weights)
    checked = np.atleast_2d(given)
    if checked.shape not in (values.shape, (1, len(days))):
        raise SeriesShapeError(
            f"weights of shape {given.shape} do not fit values of shape {values.shape}",
            remedy="Give one weight per value or per date",
        )
    return days, np.asarray(checked, dtype=np.float32 if checked.dtype == np.float32 else np.float64)


def observation_days(dates: Sequence[date] | Days) -> Days:
    """Dates as days, none missing."""
    days = np.asarray(dates, dtype="datetime64[D]")
    if np.isnat(days).any():
        raise SeriesValueError(
            "a date is missing", where=f"date {int(np.argmax(np.isnat(days)))}", remedy="Drop observations without date"
        )
    return days


def _refused(values: npt.NDArray[Any], weights: Floats) -> SeriesValueError:
    """The error that names the first weight or value that is not allowed."""
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row, at = np.argwhere(bad)[0]
        return SeriesValueError(
            f"a weight is {weights[row, at]}", where=f"series {row}, date {at}", remedy="Give 0 to leave a value out"
        )
    row, at = np.argwhere(np.isinf(values))[0]
    return SeriesValueError(
        "a value is infinite", where=f"series {row}, date {at}", remedy="Mark missing values as NaN"
    )


def _lambdas(smoothing: float | npt.NDArray[Any] | str, n_series: int) -> npt.NDArray[np.float64] | None:
    """λ as (n_series,) or (1,), None for the V-curve."""
    if isinstance(smoothing, str):
        if smoothing != "vcurve":
            raise SeriesValueError(f"smoothing is {smoothing!r}", remedy='Give a number, numbers or "vcurve"')
        return None
    return checked_smoothing(smoothing, n_series)
