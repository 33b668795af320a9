"""Growing degree days: how much warmth above a crop's base temperature a day, and a season up to a day, has brought.

Not here: where temperatures come from, and what recognition does with degree days (`classification.cross_season.degree_days`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError

METHODS = ("triangle", "average")


def daily_degree_days(
    minimum: Any, maximum: Any, *, base: float, upper: float | None = None, method: str = "triangle"
) -> np.ndarray:
    """Degree days of each day, in °C d, float64 of the temperatures' shape; NaN where a temperature is missing.

    Parameters
    ----------
    minimum, maximum:
        Lowest and highest temperature of the day, °C, any one shape.
    base:
        Temperature below which the crop doesn't develop, °C: 0 for wheat and barley, 10 for maize and soya are usual
        (McMaster and Wilhelm 1997, Agricultural and Forest Meteorology 87; table of crops in Zalom et al. 1983).
    upper:
        Temperature beyond which more warmth brings nothing more (horizontal cut-off), °C; None for none.
    method:
        "triangle": the day's course is a symmetric triangle between the two temperatures and what lies above `base` counts
        (single triangle: Lindsey and Newman 1956, Monthly Weather Review 84; Zalom et al. 1983, University of California
        leaflet 21373), also on days whose mean is below it. "average": max(0, mean − base), the mean no higher than
        `upper` (method 1 of McMaster and Wilhelm 1997).

    Raises
    ------
    SeriesShapeError
        The two shapes differ.
    SeriesValueError
        An unknown method, a base that isn't finite, `upper` not above `base`, infinite temperatures, or days whose minimum
        is above their maximum.
    """
    low, high = np.asarray(minimum, dtype=np.float64), np.asarray(maximum, dtype=np.float64)
    if low.shape != high.shape:
        raise SeriesShapeError(f"minima have shape {low.shape}, maxima {high.shape}", remedy="Give both for each day")
    if method not in METHODS:
        raise SeriesValueError(f"the method is {method!r}", where="degree days", remedy=f"Take {' or '.join(METHODS)}")
    if not np.isfinite(base) or (upper is not None and not upper > base):
        raise SeriesValueError(
            f"base is {base} and upper {upper}", where="degree days", remedy="upper must lie above base, in °C"
        )
    if np.isinf(low).any() or np.isinf(high).any():
        raise SeriesValueError("temperatures are infinite", where="degree days", remedy="Write missing ones as NaN")
    swapped = np.flatnonzero((low > high).ravel())
    if len(swapped):
        raise SeriesValueError(
            f"the minimum is above the maximum on {len(swapped)} days",
            where=f"degree days, position {swapped[0]}: {low.ravel()[swapped[0]]} and {high.ravel()[swapped[0]]} °C",
            remedy="Look whether the two were exchanged",
        )
    if method == "average":
        mean = (low + high) / 2.0
        return np.asarray(np.maximum((mean if upper is None else np.minimum(mean, upper)) - base, 0.0))
    warmth = _above(low, high, base)
    return np.asarray(warmth if upper is None else warmth - _above(low, high, upper))


def cumulative_degree_days(daily: Any, days: Sequence[int] | np.ndarray) -> np.ndarray:
    """Degree days from a season's first day up to and with each of some days, float64 (…, steps).

    Parameters
    ----------
    daily:
        (…, n) degree days of consecutive days, the season's first in position 0 (`daily_degree_days`).
    days:
        (steps,) positions in `daily`, rising: the day of each step of the series.

    Raises
    ------
    SeriesShapeError
        `days` has no step, doesn't rise, or reaches beyond `daily`.
    SeriesValueError
        A day up to the last step has no value, or a negative one.
    """
    values = np.asarray(daily, dtype=np.float64)
    at = np.asarray(days)
    if at.ndim != 1 or not len(at) or not np.issubdtype(at.dtype, np.integer) or (np.diff(at) <= 0).any():
        raise SeriesShapeError("days of steps must be whole numbers that rise", where=f"days {at.tolist()}")
    if values.ndim < 1 or at[0] < 0 or at[-1] >= values.shape[-1]:
        raise SeriesShapeError(
            f"steps fall on days {at[0]} to {at[-1]}, degree days are of {values.shape[-1] if values.ndim else 0} days",
            remedy="Give degree days from the season's first day to its last step",
        )
    used = values[..., : at[-1] + 1]
    bad = np.flatnonzero((~(used >= 0)).reshape(-1, used.shape[-1]).any(axis=0))
    if len(bad):
        raise SeriesValueError(
            f"{len(bad)} days have no degree days, or negative ones",
            where=f"first on day {bad[0]} of the season",
            remedy="Fill missing temperatures from a neighbouring station or reanalysis first",
        )
    return np.asarray(np.cumsum(used, axis=-1)[..., at])


def _above(low: np.ndarray, high: np.ndarray, threshold: float) -> np.ndarray:
    """Mean height above a threshold of a triangle between two temperatures, in °C (a day's area, °C d)."""
    span = np.where((low < threshold) & (threshold < high), high - low, 1.0)
    part = (high - threshold) ** 2 / (2.0 * span)
    whole = (low + high) / 2.0 - threshold
    warmth = np.where(low >= threshold, whole, np.where(high <= threshold, 0.0, part))
    return np.where(np.isnan(low) | np.isnan(high), np.nan, warmth)
