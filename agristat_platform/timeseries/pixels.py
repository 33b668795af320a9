"""Smoothing of a raster block: every pixel's observations to its smooth samples.

Belongs here: `smooth_to_grid` in the layout composites read, one plane a date. The dates, weights and definitions are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError
from agristat_platform.timeseries.season import Days, SeasonGrid
from agristat_platform.timeseries.series import MAX_GAP_DAYS, observation_days, series_flag, smooth_observations

_STORED_TYPES = ("uint16", "int16", "float32", "float64")
_STRIP = 1 << 14  # pixels whose observations are brought together at a time: a strip's planes fit the outer caches


class PixelSeries(NamedTuple):
    """Smooth samples of a raster block.

    Attributes
    ----------
    samples:
        (n_samples, rows, cols) float32, physical values; NaN throughout where a pixel has too few clear dates.
    clear_dates:
        (rows, cols) uint16, distinct days of the season with a clear value.
    longest_gap_days:
        (rows, cols) uint16, as in `SeasonSeries`.
    flag:
        (rows, cols) uint8, position in `SERIES_FLAGS`: 0 ok, 1 too_few, 2 long_gap.
    """

    samples: npt.NDArray[np.float32]
    clear_dates: npt.NDArray[np.uint16]
    longest_gap_days: npt.NDArray[np.uint16]
    flag: npt.NDArray[np.uint8]


def smooth_pixels(
    dates: Sequence[date] | Days,
    stack: npt.NDArray[Any],
    clear: npt.NDArray[Any] | None,
    grid: SeasonGrid,
    *,
    nodata: float | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    smoothing: float | Literal["vcurve"] = 10.0,
    order: int = 2,
    envelope: float | None = None,
    min_clear_dates: int = 5,
    max_gap_days: float | None = MAX_GAP_DAYS,
    n_jobs: int = 1,
) -> PixelSeries:
    """Smooth and sample every pixel of a block over a season.

    A pixel gets the values that `smooth_to_grid` gives its series, whatever the block around it. Beyond the result some
    megabytes are taken, whatever the size of the block: strips of 16 Ki pixels are smoothed one after the other.

    Parameters
    ----------
    dates:
        (n_dates,) in any order; a day may occur twice.
    stack:
        (n_dates, rows, cols) uint16, int16, float32 or float64. NaN and `nodata` are missing.
    clear:
        (n_dates, rows, cols) or (n_dates,): weights ≥ 0, or a mask, true where a value counts. None: all of them.
    grid:
        The season's grid.
    nodata, scale, offset:
        Physical value = stored × scale + offset.
    smoothing, order, envelope, min_clear_dates, max_gap_days, n_jobs:
        As in `smooth_to_grid`; λ is one number or "vcurve".

    Raises
    ------
    SeriesShapeError
        Dates, stack and clear do not fit together.
    SeriesValueError
        A stack of another type; an infinite value; a weight that is negative, NaN or infinite; scale or offset not
        finite; arguments as in `smooth_to_grid`.
    """
    days = observation_days(dates)
    stack = np.asarray(stack)
    weights = np.ones(len(days), np.uint8) if clear is None else np.asarray(clear)
    if weights.dtype == np.bool_:
        weights = weights.view(np.uint8)
    _check(days, stack, weights, scale, offset)
    if not isinstance(smoothing, str) and np.ndim(smoothing):
        raise SeriesShapeError("smoothing is not one number", remedy='Give λ > 0 or "vcurve"')
    n_dates, n_rows, n_cols = stack.shape
    n_pixels = n_rows * n_cols
    samples = np.empty((len(grid.positions), n_pixels), np.float32)
    clear_dates, gap = np.empty(n_pixels, np.uint16), np.empty(n_pixels, np.uint16)
    unsupported = np.empty(n_pixels, np.int16)
    stored = (np.nan if nodata is None else float(nodata), float(scale), float(offset))
    unkept = np.empty((len(grid.positions), 0), np.bool_)
    strip_rows = max(1, _STRIP // max(n_cols, 1))
    for first in range(0, n_rows, strip_rows):
        rows = slice(first, min(first + strip_rows, n_rows))
        part = slice(rows.start * n_cols, rows.stop * n_cols)
        strip = np.empty((len(grid.positions), part.stop - part.start), np.float32)
        values = np.ascontiguousarray(stack[:, rows]).reshape(n_dates, -1)
        strip_weights = np.ascontiguousarray(weights[:, rows] if weights.ndim == 3 else weights).reshape(n_dates, -1)
        used = smooth_observations(
            days, values, strip_weights, stored, grid, (strip, clear_dates[part], gap[part], unsupported[part], unkept),
            smoothing=smoothing, order=order, envelope=envelope, min_clear_dates=min_clear_dates,
            max_gap_days=max_gap_days, n_jobs=n_jobs,
        )  # fmt: skip
        if used is None:
            raise _refused(stack, weights)
        samples[:, part] = strip
    shape = (n_rows, n_cols)
    return PixelSeries(
        samples.reshape(len(samples), *shape),
        clear_dates.reshape(shape),
        gap.reshape(shape),
        series_flag(unsupported).reshape(shape),
    )


def _check(days: Days, stack: npt.NDArray[Any], weights: npt.NDArray[Any], scale: float, offset: float) -> None:
    if stack.ndim != 3 or len(stack) != len(days):
        raise SeriesShapeError(
            f"{days.size} dates do not fit a stack of shape {stack.shape}", remedy="Give it as (n_dates, rows, cols)"
        )
    if weights.shape not in (stack.shape, (len(days),)):
        raise SeriesShapeError(
            f"clear of shape {weights.shape} does not fit a stack of shape {stack.shape}",
            remedy="Give one weight per value or per date",
        )
    if stack.dtype.name not in _STORED_TYPES:
        raise SeriesValueError(f"the stack is of type {stack.dtype}", remedy=f"Give one of {', '.join(_STORED_TYPES)}")
    if not (np.isfinite(scale) and np.isfinite(offset)):
        raise SeriesValueError(f"scale is {scale}, offset {offset}", remedy="Give finite numbers")


def _refused(stack: npt.NDArray[Any], weights: npt.NDArray[Any]) -> SeriesValueError:
    """The error that names the first weight or value that is not allowed."""
    for at in range(len(stack)):
        plane = np.atleast_2d(weights[at])
        bad = ~(np.isfinite(plane) & (plane >= 0))
        if bad.any():
            row, col = np.argwhere(bad)[0]
            return SeriesValueError(
                f"a weight is {plane[row, col]}",
                where=f"date {at}, row {row}, column {col}",
                remedy="Give 0 to leave a value out",
            )
        infinite = np.isinf(stack[at])
        if infinite.any():
            row, col = np.argwhere(infinite)[0]
            return SeriesValueError(
                "a value is infinite", where=f"date {at}, row {row}, column {col}", remedy="Mark missing values as NaN"
            )
    raise AssertionError("a value was refused that is allowed")
