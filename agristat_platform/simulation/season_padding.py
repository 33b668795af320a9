"""Days just before and after a season on which satellites see its land too, so that series have support at their ends.

Belongs here: which days. What is seen on them is the business of the sensors' modules.
"""

from __future__ import annotations

from datetime import date, timedelta

from agristat_platform.catalogue import Region


def padding_days(region: Region, season_key: str, step: int, offset: int) -> list[date]:
    """Days of a sensor's rhythm in the padding of a season's series, in order.

    Days within another season of the region belong to that one, and of two paddings that overlap a day belongs to the
    season that is nearer (to the earlier one where both are as near): on no day is the land seen in two states.

    Parameters
    ----------
    step, offset:
        The rhythm: every `step` days, counted from `offset` days after the season's first.
    """
    season, padding = region.season(season_key), region.time_series.padding_days
    first = season.start + timedelta(days=offset)
    before = -(-(padding + offset) // step)
    after = ((season.end - first).days + padding) // step
    days = [first + timedelta(days=step * k) for k in range(-before, after + 1)]
    found = []
    for day in days:
        distance = _distance(region, season_key, day)
        others = [(_distance(region, key, day), key) for key in region.seasons if key != season_key]
        if 0 < distance <= padding and all((distance, season_key) < other for other in others):
            found.append(day)
    return found


def _distance(region: Region, season_key: str, day: date) -> int:
    """Days from a day to the nearest one of a season, 0 inside it."""
    season = region.season(season_key)
    return max((season.start - day).days, (day - season.end).days + 1, 0)
