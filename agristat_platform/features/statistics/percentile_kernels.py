"""Compiled loops of exact percentiles: order statistics of each segment's values by selection.

Belongs here: the loops alone, on values grouped by segment (`segment_kernels.grouped_values`).

Source of the selection: Hoare 1961, "Algorithm 65: find".
"""

from __future__ import annotations

import numpy as np
from numba import njit

SHORT, SHORT_PER_RANK, SHORT_AT_MOST = 32, 8, 128
"""Most values that are sorted by counting instead of being parted: more of them, the more ranks are wanted among them."""


@njit(cache=True, nogil=True)
def _sort_short(values, scratch, low, high):  # type: ignore[no-untyped-def]
    """Sort by counting for each value those below it: n² comparisons, several at once and none of them a branch.

    Equal values all go to the first of their places; the places that stay empty take the value before them.
    """
    n = high - low + 1
    part = values[low : high + 1]
    for i in range(n):
        scratch[i] = -np.inf
    whole = n - n % 4
    for i in range(0, whole, 4):  # four at a time, so that each value loaded is compared four times
        a, b, c, d = part[i], part[i + 1], part[i + 2], part[i + 3]
        below_a, below_b, below_c, below_d = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        for j in range(n):
            value = part[j]
            below_a += np.int32(value < a)
            below_b += np.int32(value < b)
            below_c += np.int32(value < c)
            below_d += np.int32(value < d)
        scratch[below_a], scratch[below_b], scratch[below_c], scratch[below_d] = a, b, c, d
    for i in range(whole, n):
        value = part[i]
        below = np.int32(0)
        for j in range(n):
            below += np.int32(part[j] < value)
        scratch[below] = value
    highest = scratch[0]
    for i in range(n):
        highest = max(highest, scratch[i])
        part[i] = highest


@njit(cache=True, nogil=True)
def _median_of_three(a, b, c):  # type: ignore[no-untyped-def]
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True, nogil=True)
def _partition(values, scratch, low, high, pivot, with_equal):  # type: ignore[no-untyped-def]
    """Put values below the pivot (or equal to it) before the others; place of the first of the others.

    Each value is written to both ends of the scratch and one end moves on: no branch that could be predicted wrongly.
    """
    left = np.int64(0)
    right = np.int64(high - low)
    if with_equal:
        for i in range(low, high + 1):
            value = values[i]
            before = np.int64(value <= pivot)
            scratch[np.uintp(left)] = value
            scratch[np.uintp(right)] = value
            left += before
            right -= 1 - before
    else:
        for i in range(low, high + 1):
            value = values[i]
            before = np.int64(value < pivot)
            scratch[np.uintp(left)] = value
            scratch[np.uintp(right)] = value
            left += before
            right -= 1 - before
    for i in range(high - low + 1):
        values[low + i] = scratch[i]
    return low + left


@njit(cache=True, nogil=True)
def _place_ranks(values, scratch, first, last, ranks, stack):  # type: ignore[no-untyped-def]
    """Put the values of all ranks into their sorted places within values[first..last].

    Parameters
    ----------
    ranks : (r,) ascending, counted from `first`
    scratch : at least as long as the segment
    stack : (depth, 4) int64
    """
    sample = np.empty(9, values.dtype)
    drawn = np.uint64(last - first)
    depth = 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = first, last, 0, len(ranks)
    while depth > 0:
        depth -= 1
        low, high, from_rank, to_rank = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
        while from_rank < to_rank and low < high:
            n = high - low + 1
            if n <= min(SHORT + SHORT_PER_RANK * (to_rank - from_rank), SHORT_AT_MOST):
                _sort_short(values, scratch, low, high)
                break
            if n > 100:
                # places drawn, not spaced evenly: values that come back every so many pixels would all be alike
                for k in range(9):
                    drawn = drawn * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                    sample[k] = values[low + np.int64((drawn >> np.uint64(33)) % np.uint64(n))]
                pivot = _median_of_three(
                    _median_of_three(sample[0], sample[1], sample[2]),
                    _median_of_three(sample[3], sample[4], sample[5]),
                    _median_of_three(sample[6], sample[7], sample[8]),
                )
            else:
                pivot = _median_of_three(values[low], values[low + n // 2], values[high])
            split = _partition(values, scratch, low, high, pivot, False)
            if (split - low) * 8 < n:  # many equal values, or a poor pivot: those equal to it are in place
                settled = _partition(values, scratch, split, high, pivot, True)
            else:
                settled = split
            before = from_rank
            while before < to_rank and first + ranks[before] < split:
                before += 1
            after = before
            while after < to_rank and first + ranks[after] < settled:
                after += 1
            if before > from_rank:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = low, split - 1, from_rank, before
                depth += 1
            low, from_rank = settled, after


@njit(cache=True, nogil=True)
def percentiles(grouped, starts, counts, shares):  # type: ignore[no-untyped-def]
    """Percentiles of every segment with linear interpolation between order statistics (numpy's default).

    Parameters
    ----------
    grouped, starts, counts : as from `grouped_values`; `grouped` is reordered within segments
    shares : (q,) ascending, 0..1

    Returns
    -------
    (n_segments + 1, q) float64, NaN where a segment has no value
    """
    result = np.full((len(counts), len(shares)), np.nan)
    scratch = np.empty(max(1, counts.max()), grouped.dtype)
    ranks = np.empty(2 * len(shares), np.int64)
    stack = np.empty((2 * len(shares) + 2, 4), np.int64)
    for s in range(1, len(counts)):
        n = counts[s]
        if n == 0:
            continue
        first = starts[s]
        n_ranks = 0
        for k in range(len(shares)):
            lower = min(int(shares[k] * (n - 1)), n - 1)
            for rank in (lower, min(lower + 1, n - 1)):
                if n_ranks == 0 or ranks[n_ranks - 1] < rank:
                    ranks[n_ranks] = rank
                    n_ranks += 1
        _place_ranks(grouped, scratch, first, first + n - 1, ranks[:n_ranks], stack)
        for k in range(len(shares)):
            position = shares[k] * (n - 1)
            lower = min(int(position), n - 1)
            value = np.float64(grouped[first + lower])
            fraction = position - lower
            if fraction > 0.0:
                value += fraction * (np.float64(grouped[first + lower + 1]) - value)
            result[s, k] = value
    return result
