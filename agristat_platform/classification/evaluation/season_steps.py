"""Feature columns of a season in the order in which they become known, for accuracy against the date.

Only columns of one interval take part (`<layer>_tNN_<statistic>`, `clear_share_tNN`; `t00` is the whole season): phenology,
percentiles and smoothed series rest on observations of all the season, so that an early date would see the future in them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.labels import listed

WHOLE_SEASON = 0
"""Interval of columns about all of the season, such as percentiles."""

_OF_AN_INTERVAL = re.compile(r"^.+_t(?P<interval>\d\d+)(_.+)?$")


class SeasonSteps(NamedTuple):
    """Columns by interval.

    `values` is float32 (n, intervals, columns), NaN where an interval has fewer columns than another; `intervals` their
    numbers, ascending; `columns` how many columns each has.
    """

    values: npt.NDArray[np.float32]
    intervals: tuple[int, ...]
    columns: tuple[int, ...]


def season_steps(X: npt.NDArray[np.floating], names: Sequence[str]) -> SeasonSteps:
    """Arrange a wide matrix (n, p) by the interval that its column names tell.

    Raises
    ------
    FeatureMismatchError
        Columns tell fewer than two intervals: there is no course of the season to follow.
    """
    of: dict[int, list[int]] = {}
    for column, name in enumerate(names):
        match = _OF_AN_INTERVAL.match(name)
        if match and int(match["interval"]) != WHOLE_SEASON:
            of.setdefault(int(match["interval"]), []).append(column)
    if len(of) < 2:
        raise FeatureMismatchError(
            f"columns of {len(of)} intervals are too few to follow a season",
            where=f"columns {listed(names)}",
            remedy="Give features of two intervals or more, named <layer>_tNN_<statistic>",
        )
    intervals = sorted(of)
    values = np.full((len(X), len(intervals), max(map(len, of.values()))), np.nan, dtype=np.float32)
    for step, interval in enumerate(intervals):
        values[:, step, : len(of[interval])] = X[:, of[interval]]
    return SeasonSteps(values, tuple(intervals), tuple(len(of[interval]) for interval in intervals))


def chosen_steps(steps: int, most: int) -> list[int]:
    """At most `most` of 1 … steps, evenly spaced, the last among them."""
    return sorted({round(float(step)) for step in np.linspace(max(steps / most, 1.0), steps, min(steps, most))})
