"""Compiled kernels from observation dates to a season's samples, blocks of series side by side as in `blocks`.

Belongs here: binning dates on the grid, what the dates of a series support, reading between nodes. A block is binned, smoothed
and read while it stands in the near caches, so that no gridded copy of the series is made. Each series' result depends neither
on its neighbours nor on its place. Arguments are checked in `series` and `pixels`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.timeseries.blocks import (
    BLOCK,
    INDEX,
    OBSERVED,
    ROW,
    SOLUTION,
    WEIGHT,
    choose_smoothing,
    smooth_block,
)
from agristat_platform.timeseries.season import Days, SeasonGrid

# Rows of the tally: nodes observed, clear dates in the season, latest clear day, longest gap.
_PRESENT, _CLEAR, _LATEST, _GAP = 0, 1, 2, 3
_LONG_AGO = -1_000_000


def calendar(days: Days, grid: SeasonGrid, max_gap_days: float | None) -> tuple[npt.NDArray[np.int64], ...]:
    """What the kernels need of the dates, in order of time.

    Returns
    -------
    Position of each date in the input, its day since the season's first, its node (−1: beyond the grid), 1 inside the season,
    and the range of samples within half of `max_gap_days` of it (all of them where that is None).
    """
    order = np.argsort(days, kind="stable")
    day = (days[order] - np.datetime64(grid.start, "D")).astype(np.int64)
    near = np.inf if max_gap_days is None else max_gap_days / 2 + 1e-9
    first = np.searchsorted(grid.sample_days, day - near, side="left")
    past = np.searchsorted(grid.sample_days, day + near, side="right")
    inside = grid.in_season(days[order]).astype(np.int64)
    return order, day, grid.node_of(days[order]), inside, first.astype(np.int64), past.astype(np.int64)


def sample_places(grid: SeasonGrid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The node left of each sample and the share of the way to the next."""
    left = np.minimum(grid.positions.astype(np.int64), len(grid.nodes) - 2)
    return left, grid.positions - left


@njit(cache=True, nogil=True, error_model="numpy")
def _bin(values, weights, stored, dates, last_day, first, last, block, order, n_nodes, tally, supported):  # type: ignore[no-untyped-def]
    """Weighted means of a block's observations on its nodes, and the tally of its dates.

    values and weights are (n_dates, n_series), weights also (n_dates, 1); `stored` is (nodata, scale, offset). A node
    without observation keeps value and weight 0. Returns how many values or weights are not allowed.
    """
    by_day, day, node, inside, from_sample, to_sample = dates
    nodata, scale, offset = stored
    seen = np.zeros(BLOCK)
    refused = 0
    for t in range(n_nodes + 2 * len(order)):
        for s in range(BLOCK):
            block[INDEX(t) * ROW + OBSERVED + INDEX(s)] = 0.0
            block[INDEX(t) * ROW + WEIGHT + INDEX(s)] = 0.0
    tally[:] = 0
    tally[_LATEST] = _LONG_AGO
    supported[:] = 0
    for k in range(len(by_day)):
        row = INDEX(max(node[k], 0) + len(order)) * ROW
        on_grid = 1.0 if node[k] >= 0 else 0.0
        for s in range(last - first):
            value = np.float64(values[by_day[k], first + s])
            weight = np.float64(weights[by_day[k], first + s if weights.shape[1] > 1 else 0])
            refused += 0 if (weight >= 0.0) & (weight < np.inf) & (abs(value) != np.inf) else 1
            there = (value == value) & (value != nodata)
            counted = weight * on_grid if there else 0.0
            block[row + OBSERVED + INDEX(s)] += counted * (value * scale + offset if there else 0.0)
            block[row + WEIGHT + INDEX(s)] += counted
            seen[s] = counted
        for s in range(last - first):
            if seen[s] > 0.0:
                latest = tally[_LATEST, s]
                tally[_CLEAR, s] += inside[k] if day[k] != latest else 0
                tally[_GAP, s] = max(tally[_GAP, s], min(day[k], last_day) - max(latest, 0))
                tally[_LATEST, s] = day[k]
        for sample in range(from_sample[k], to_sample[k]):
            for s in range(last - first):
                supported[sample, s] |= seen[s] > 0.0
    for t in range(n_nodes):
        row = INDEX(t + len(order)) * ROW
        for s in range(BLOCK):
            weight = block[row + WEIGHT + INDEX(s)]
            block[row + OBSERVED + INDEX(s)] /= weight if weight > 0.0 else 1.0
            tally[_PRESENT, s] += 1 if weight > 0.0 else 0
    for s in range(last - first):
        tally[_GAP, s] = max(tally[_GAP, s], last_day - max(tally[_LATEST, s], 0))
    return refused


@njit(cache=True, nogil=True, error_model="numpy")
def _level_ends(block, order, n_nodes, count):  # type: ignore[no-untyped-def]
    """The curve stays level before the first and after the last node observed, where it would run on along its slope."""
    begin = INDEX(len(order)) * ROW
    for s in range(INDEX(count)):
        at = begin + s
        end = begin + INDEX(n_nodes - 1) * ROW + s
        first = at
        while first < end and not block[first + WEIGHT] > 0.0:
            first += ROW
        last = end
        while last > first and not block[last + WEIGHT] > 0.0:
            last -= ROW
        while at < first:
            block[at + SOLUTION] = block[first + SOLUTION]
            at += ROW
        while end > last:
            block[end + SOLUTION] = block[last + SOLUTION]
            end -= ROW


@njit(cache=True, nogil=True, error_model="numpy")
def _read(block, order, places, min_clear, tally, supported, first, last, found):  # type: ignore[no-untyped-def]
    """Straight lines between nodes into the samples, NaN for a series with too few dates; its tally and support."""
    left, share = places
    samples, clear, gap, unsupported, support = found
    for s in range(last - first):
        enough = (tally[_CLEAR, s] >= min_clear) & (tally[_PRESENT, s] >= len(order))
        clear[first + s] = tally[_CLEAR, s]
        gap[first + s] = tally[_GAP, s]
        missing = 0
        for k in range(len(left)):
            missing += 0 if (supported[k, s] > 0) & enough else 1
        unsupported[first + s] = missing if enough else -1
    for k in range(len(left)):
        row = INDEX(left[k] + len(order)) * ROW
        for s in range(last - first):
            value = (
                block[row + SOLUTION + INDEX(s)] * (1.0 - share[k]) + block[row + ROW + SOLUTION + INDEX(s)] * share[k]
            )
            samples[k, first + s] = value if unsupported[first + s] >= 0 else np.nan
        if support.shape[1] > 0:
            for s in range(last - first):
                support[k, first + s] = (supported[k, s] > 0) & (unsupported[first + s] >= 0)


@njit(cache=True, nogil=True, error_model="numpy")
def season_range(  # type: ignore[no-untyped-def]
    values,
    weights,
    stored,
    dates,
    last_day,
    places,
    min_clear,
    smoothing,
    envelope,
    rounds,
    bands,
    order,
    start,
    stop,
    found,
):
    """Series start…stop at a given λ, into `found`: samples (n_samples, n_series), clear dates, longest gap, number of
    unsupported samples (−1: too few dates), support (n_samples, n_series; not kept where it has no columns).
    Returns how many values or weights are not allowed (the result is void then)."""
    n_nodes = len(bands)
    block = np.zeros((n_nodes + 2 * len(order)) * ROW)
    inverse_smoothing, tally = np.ones(BLOCK), np.zeros((4, BLOCK), np.int64)
    supported = np.zeros((len(places[0]), BLOCK), np.uint8)
    refused = 0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        for s in range(last - first):
            inverse_smoothing[s] = 1.0 / smoothing[first + s if len(smoothing) > 1 else 0]
        refused += _bin(values, weights, stored, dates, last_day, first, last, block, order, n_nodes, tally, supported)
        smooth_block(block, inverse_smoothing, envelope, rounds, bands, order, n_nodes)
        _level_ends(block, order, n_nodes, last - first)
        _read(block, order, places, min_clear, tally, supported, first, last, found)
    return refused


@njit(cache=True, nogil=True, error_model="numpy")
def season_vcurve_range(  # type: ignore[no-untyped-def]
    values, weights, stored, dates, last_day, places, min_clear, smoothings, coefficients, envelope, rounds, bands, order,
    start, stop, found, chosen,
):  # fmt: skip
    """As `season_range`, the λ of each series chosen by its V-curve over `smoothings` and written to `chosen`."""
    n_nodes = len(bands)
    block = np.zeros((n_nodes + 2 * len(order)) * ROW)
    best, tally = np.ones(BLOCK), np.zeros((4, BLOCK), np.int64)
    supported = np.zeros((len(places[0]), BLOCK), np.uint8)
    refused = 0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        refused += _bin(values, weights, stored, dates, last_day, first, last, block, order, n_nodes, tally, supported)
        choose_smoothing(block, smoothings, bands, coefficients, order, n_nodes, best)
        smooth_block(block, 1.0 / best, envelope, rounds, bands, order, n_nodes)
        _level_ends(block, order, n_nodes, last - first)
        _read(block, order, places, min_clear, tally, supported, first, last, found)
        for s in range(last - first):
            chosen[first + s] = best[s] if found[3][first + s] >= 0 else np.nan
    return refused
