"""A season's regular grid, and the even positions at which its series are read.

Belongs here: positions in time. What is smoothed on the grid is in `series` and `pixels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from agristat_platform.timeseries.errors import SeriesValueError

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
