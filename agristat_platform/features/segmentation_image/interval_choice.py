"""Which intervals of a season an image to segment is made of: the clearest, and of equally clear ones a spread over the season.

Belongs here: the choice by numbers alone. Shares are taken from the table of layers in `layer_images`.
"""

from __future__ import annotations

from collections.abc import Mapping

AS_CLEAR = 0.01
"""Difference in valid share up to which intervals are equally clear: one percentage point."""


def spread_intervals(shares: Mapping[int, float], number: int) -> tuple[int, ...]:
    """The clearest intervals; of those that are as clear as the last one taken, the ones that best stand for the season.

    With s the `number`-th largest share, intervals above s + 0.01 are taken and those below s - 0.01 are not. Of the others
    as many as are left are taken so that the season's moments lie near an interval that was: the mean squared distance in
    time to the nearest one taken is least, over the season from the beginning of the first interval to the end of the last
    (the quantiser of least squared error of Lloyd 1982, IEEE Transactions on Information Theory 28(2), 129-137, in one
    dimension with its points among the intervals, solved exactly by dynamic programming). So 4 of 7 equal ones are 1, 3, 5
    and 7, and 4 of 23 are 3, 9, 15 and 21. Of equal spreads the one with the earlier intervals is taken.

    Parameters
    ----------
    shares:
        Number of the interval, which counts time, to its valid share, 0 to 1.
    number:
        How many to take, at least 1; all where there are no more.

    Returns
    -------
    Numbers of the intervals, rising.

    Raises
    ------
    ValueError
        `number` is below 1.
    """
    if number < 1:
        raise ValueError(f"{number} intervals are wanted, at least 1 is needed")
    if number >= len(shares):
        return tuple(sorted(shares))
    least = sorted(shares.values(), reverse=True)[number - 1]
    # shares are quotients: what differs by exactly a percentage point must not fall on either side by its last bit
    open_to = sorted(interval for interval, share in shares.items() if least - share <= AS_CLEAR + 1e-9)
    certain = frozenset(interval for interval, share in shares.items() if share - least > AS_CLEAR + 1e-9)
    return _best_spread(open_to, certain, number, first=min(shares), last=max(shares))


def _best_spread(open_to: list[int], certain: frozenset[int], number: int, *, first: int, last: int) -> tuple[int, ...]:
    """`number` of the rising `open_to` with all of `certain` in them, at the least squared distance in time.

    Distance to the nearest point, squared and summed over time, is a³/3 over the a before the first point or behind the
    last, and g³/12 over the gap g between two. 24 times that is a whole number, as a counts in halves.
    """
    # of each last interval taken: the distance so far and which were taken, of sets of one size
    best: dict[int, tuple[int, tuple[int, ...]]] = {}
    for interval in open_to:
        best[interval] = (_end(interval - first), (interval,))
        if interval in certain:
            break
    for _ in range(number - 1):
        longer: dict[int, tuple[int, tuple[int, ...]]] = {}
        for at, before in enumerate(open_to):
            if before not in best:
                continue
            distance, taken = best[before]
            for interval in open_to[at + 1 :]:
                way = (distance + 2 * (interval - before) ** 3, (*taken, interval))
                longer[interval] = min(way, longer.get(interval, way))
                if interval in certain:
                    break  # none that is certain is passed by
        best = longer
    beyond = max(certain, default=first)
    ends = [(distance + _end(last - at), taken) for at, (distance, taken) in best.items() if at >= beyond]
    return min(ends)[1]


def _end(intervals: int) -> int:
    """24 times the squared distance from the middle of an interval to the season's end, so many intervals away."""
    return (2 * intervals + 1) ** 3
