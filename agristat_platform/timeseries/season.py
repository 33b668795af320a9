"""A season's regular grid: irregular observation dates binned on it, smoothed and sampled at even positions.

Belongs here: positions in time and what a season's series look like for a model. The solve is in `whittaker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError
from agristat_platform.timeseries.whittaker import Floats, whittaker_smooth, whittaker_vcurve

_CHUNK = 8192  # series gridded at a time: the padded grid of a chunk stays small whatever the number of series

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class SeasonGrid:
    """Nodes every `step_days` from before a season to after it, and even sample positions inside it.

    Attributes
    ----------
    start, end:
        The season, `end` exclusive.
    step_days:
        Days between nodes.
    nodes:
        (n_nodes,) datetime64[D]. One node is the first day of the season.
    positions:
        (n_samples,) sample positions in steps from the first node: the first is the season's first day, the last its
        last day, evenly between.
    """

    start: date
    end: date
    step_days: int
    nodes: Days
    positions: npt.NDArray[np.float64]

    @property
    def sample_dates(self) -> Days:
        """(n_samples,) the days that hold the positions."""
        days = np.floor(self.positions * self.step_days + 1e-9).astype(np.int64)
        return np.asarray(self.nodes[0] + days.astype("timedelta64[D]"))

    @property
    def sample_days(self) -> npt.NDArray[np.float64]:
        """(n_samples,) the positions in days since the season's first day, with their fractions."""
        return np.linspace(0, (self.end - self.start).days - 1, len(self.positions))

    def node_of(self, days: Days) -> npt.NDArray[np.int64]:
        """The node nearest to each day (halfway: the later one), −1 beyond half a step off the ends."""
        offset = (days - self.nodes[0]).astype(np.int64)
        node = (2 * offset + self.step_days) // (2 * self.step_days)
        return np.where((node >= 0) & (node < len(self.nodes)), node, -1)

    def in_season(self, days: Days) -> npt.NDArray[np.bool_]:
        """Which days lie in the season itself, not in its padding."""
        return np.asarray((days >= np.datetime64(self.start, "D")) & (days < np.datetime64(self.end, "D")))


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
    """

    values: Floats
    clear_dates: npt.NDArray[np.int64]
    too_few: npt.NDArray[np.bool_]
    smoothing: npt.NDArray[np.float64]

    @property
    def too_few_count(self) -> int:
        """How many series are flagged."""
        return int(self.too_few.sum())


def season_grid(start: date, end: date, step_days: int = 5, n_samples: int = 23, padding_days: int = 30) -> SeasonGrid:
    """The regular grid of a season.

    Parameters
    ----------
    start, end:
        First day of the season and the day after its last.
    step_days:
        Days between nodes.
    n_samples:
        Even positions from the first to the last day of the season. 23 nodes of 5 days alone would end after 110 days.
    padding_days:
        At least so many days of nodes before and after the season, so that observations just outside it hold the ends
        of the curve.

    Raises
    ------
    SeriesValueError
        The season has fewer than two days; step below 1, samples below 2, padding below 0.
    """
    days = (end - start).days
    if days < 2:
        raise SeriesValueError(
            f"the season from {start} to {end} has {max(days, 0)} days", remedy="`end` is the day after the last"
        )
    for name, given, least in (
        ("step_days", step_days, 1),
        ("n_samples", n_samples, 2),
        ("padding_days", padding_days, 0),
    ):
        if given < least:
            raise SeriesValueError(f"{name} is {given}", remedy=f"Give {least} or more")
    padding = -(-padding_days // step_days)
    inside = -(-(days - 1) // step_days)  # steps that reach the last day
    first = np.datetime64(start, "D") - np.timedelta64(padding * step_days, "D")
    nodes = first + np.arange(inside + 1 + 2 * padding) * np.timedelta64(step_days, "D")
    positions = padding + np.linspace(0, days - 1, n_samples) / step_days
    return SeasonGrid(start, end, step_days, nodes, positions)


def smooth_to_grid(
    dates: Sequence[date] | Days,
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
    grid: SeasonGrid,
    *,
    smoothing: float | npt.NDArray[Any] | Literal["vcurve"] = 30.0,
    order: int = 2,
    envelope: float | None = None,
    min_clear_dates: int = 5,
    n_jobs: int = 1,
) -> SeasonSeries:
    """Series of irregular dates as smooth series at a season's even positions.

    Each observation goes to the nearest node; a node's value is the weighted mean of its observations and its weight the
    sum of theirs, which leaves the penalised least squares what it would be with the single observations. The padded
    grid is smoothed and read between nodes by straight lines.

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
        2π λ^¼ steps passes: 74 days at λ = 30 and 5-day steps.
    order, envelope, n_jobs:
        As in `whittaker_smooth`.
    min_clear_dates:
        A series with fewer distinct clear days inside the season is flagged and NaN: a curve through nothing but
        neighbours' dates or a long gap is no observation.

    Raises
    ------
    SeriesShapeError
        Dates, values, weights or smoothing that do not fit together, a grid with no more nodes than `order`.
    SeriesValueError
        As `whittaker_smooth`; min_clear_dates below `order`.
    """
    values = np.asarray(values)
    days, checked = _observations(dates, values, weights)
    lambdas = _lambdas(smoothing, len(values))
    if min_clear_dates < order:
        raise SeriesValueError(
            f"min_clear_dates is {min_clear_dates}, which determines no curve of order {order}",
            remedy=f"Give {order} or more",
        )
    by_day = np.argsort(days, kind="stable")
    day_number = np.unique(days, return_inverse=True)[1][by_day]
    node, inside = grid.node_of(days)[by_day], grid.in_season(days)[by_day]
    sampled = np.empty((len(values), len(grid.positions)), np.float32 if values.dtype == np.float32 else np.float64)
    clear, used = np.empty(len(values), np.int64), np.empty(len(values))
    left = np.minimum(grid.positions.astype(np.int64), len(grid.nodes) - 2)
    share = grid.positions - left
    for first in range(0, len(values), _CHUNK):
        part = slice(first, min(first + _CHUNK, len(values)))
        part_weights = checked[part] if len(checked) > 1 else checked
        gridded = np.zeros((part.stop - first, len(grid.nodes)))
        grid_weights = np.zeros_like(gridded)
        part_values = np.ascontiguousarray(values[part], dtype=sampled.dtype)
        if _bin(part_values, part_weights, by_day, day_number, node, inside, gridded, grid_weights, clear[part]):
            raise _refused(values, checked)
        if lambdas is None:
            curve, used[part] = whittaker_vcurve(gridded, grid_weights, order=order, envelope=envelope, n_jobs=n_jobs)
        else:
            used[part] = lambdas[part]
            curve = whittaker_smooth(gridded, grid_weights, used[part], order, envelope=envelope, n_jobs=n_jobs)
        _read(curve, left, share, sampled[part])
    too_few = (clear < min_clear_dates) | np.isnan(sampled[:, 0])
    sampled[too_few] = np.nan
    used[too_few] = np.nan
    return SeasonSeries(sampled, clear, too_few, used)


def _observations(
    dates: Sequence[date] | Days, values: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> tuple[Days, Floats]:
    """Days, and weights as (n_series or 1, n_dates), once the shapes fit together."""
    days = np.asarray(dates, dtype="datetime64[D]")
    if values.ndim != 2 or days.shape != values.shape[1:]:
        raise SeriesShapeError(
            f"{days.size} dates do not fit values of shape {values.shape}", remedy="Give values as (n_series, n_dates)"
        )
    if np.isnat(days).any():
        raise SeriesValueError(
            "a date is missing", where=f"date {int(np.argmax(np.isnat(days)))}", remedy="Drop observations without date"
        )
    given = np.ones(len(days)) if weights is None else np.asarray(weights)
    checked = np.atleast_2d(given)
    if checked.shape not in (values.shape, (1, len(days))):
        raise SeriesShapeError(
            f"weights of shape {given.shape} do not fit values of shape {values.shape}",
            remedy="Give one weight per value or per date",
        )
    return days, np.ascontiguousarray(checked, dtype=np.float32 if checked.dtype == np.float32 else np.float64)


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
    """λ of each series, None for the V-curve; their values are checked where they are used."""
    if isinstance(smoothing, str):
        if smoothing != "vcurve":
            raise SeriesValueError(f"smoothing is {smoothing!r}", remedy='Give a number, numbers or "vcurve"')
        return None
    given = np.asarray(smoothing, dtype=np.float64)
    if given.shape not in ((), (n_series,)):
        raise SeriesShapeError(
            f"smoothing of shape {given.shape} does not fit {n_series} series",
            remedy="Give one number, or one per series",
        )
    return np.broadcast_to(given, (n_series,))


@njit(cache=True, nogil=True, error_model="numpy")
def _bin(values, weights, by_day, day_number, node, inside, gridded, grid_weights, clear):  # type: ignore[no-untyped-def]
    """Weighted means on nodes, dates in the order of `by_day`, so that the order they come in changes no bit.

    A node without observation keeps value and weight 0. Returns how many values or weights are not allowed.
    """
    refused = 0
    for s in range(len(values)):
        row = s if len(weights) > 1 else 0
        clear[s] = 0
        last_day = -1
        for k in range(len(by_day)):
            value = np.float64(values[s, by_day[k]])
            weight = np.float64(weights[row, by_day[k]])
            refused += 0 if (weight >= 0.0) & (weight < np.inf) & (abs(value) != np.inf) else 1
            at = node[k]
            if at < 0 or value != value or weight == 0.0:
                continue
            if inside[k] and day_number[k] != last_day:
                clear[s] += 1
                last_day = day_number[k]
            gridded[s, at] += weight * value
            grid_weights[s, at] += weight
        for at in range(gridded.shape[1]):
            gridded[s, at] /= grid_weights[s, at] if grid_weights[s, at] > 0.0 else 1.0
    return refused


@njit(cache=True, nogil=True, error_model="numpy")
def _read(curve, left, share, sampled):  # type: ignore[no-untyped-def]
    """Straight lines between nodes, at `share` of the way from node `left` to the next."""
    for s in range(len(curve)):
        for k in range(len(left)):
            sampled[s, k] = curve[s, left[k]] * (1.0 - share[k]) + curve[s, left[k] + 1] * share[k]
