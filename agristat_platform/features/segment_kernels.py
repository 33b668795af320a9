"""Compiled loops over pixels grouped by segment: moments in one pass, exact percentiles.

Belongs here: the loops alone, on dense segment numbers (0 = nodata, 1..n). Names, tables and checks are in
`segment_statistics`.

Source of the selection: Hoare 1961, "Algorithm 65: find".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

COUNT, ORIGIN, SUM, SQUARES, LEAST, MOST = range(6)


@njit(cache=True, nogil=True)
def pixel_counts(labels, highest):  # type: ignore[no-untyped-def]
    """Pixels of each label 0..highest: (highest + 1,) int64."""
    counts = np.zeros(highest + 1, dtype=np.int64)
    for p in range(len(labels)):
        counts[labels[p]] += 1
    return counts


def no_moments(n_segments: int) -> npt.NDArray[np.float64]:
    """The table that `add_moments` adds to: (n_segments + 1, 6) with the columns COUNT, ORIGIN, SUM, SQUARES, LEAST, MOST.

    Row 0 is nodata and unused.
    """
    table = np.zeros((n_segments + 1, 6))
    table[:, LEAST] = np.inf
    table[:, MOST] = -np.inf
    return table


@njit(cache=True, nogil=True)
def add_moments(labels, values, table):  # type: ignore[no-untyped-def]
    """Add pixels to count, sum, squares, least and greatest value of their segments, NaN left out.

    Sums are of differences from the segment's first value (ORIGIN): squares of large, nearly equal values would
    otherwise cancel. Each pixel is added to what stands in the table, in order, so that a raster added in strips of rows
    gives the bytes of the raster added whole.
    """
    current = np.uint32(0)
    row = table[0]
    n, origin, total, squares, least, most = row[COUNT], row[ORIGIN], row[SUM], row[SQUARES], row[LEAST], row[MOST]
    for p in range(len(labels)):
        label = labels[p]
        if label != current:  # pixels of a segment come in runs: keep its row in registers
            row = table[current]
            row[COUNT], row[ORIGIN], row[SUM], row[SQUARES], row[LEAST], row[MOST] = (
                n,
                origin,
                total,
                squares,
                least,
                most,
            )
            current = label
            row = table[current]
            n, origin, total, squares, least, most = (
                row[COUNT],
                row[ORIGIN],
                row[SUM],
                row[SQUARES],
                row[LEAST],
                row[MOST],
            )
        value = np.float64(values[p])
        if value == value:
            if n == 0.0:
                origin = value
            n += 1.0
            difference = value - origin
            total += difference
            squares += difference * difference
            least = min(least, value)
            most = max(most, value)
    row = table[current]
    row[COUNT], row[ORIGIN], row[SUM], row[SQUARES], row[LEAST], row[MOST] = n, origin, total, squares, least, most


@njit(cache=True, nogil=True)
def grouped_values(labels, values, starts):  # type: ignore[no-untyped-def]
    """Values sorted by segment, NaN left out.

    Parameters
    ----------
    labels, values : (pixels,)
    starts : (n_segments + 2,) int64, first place of each segment 0..n in the result (0 takes no place)

    Returns
    -------
    grouped : (starts[-1],) like `values`; the first `counts[k]` places from `starts[k]` are filled
    counts : (n_segments + 1,) int64
    """
    grouped = np.empty(starts[-1], dtype=values.dtype)
    counts = np.zeros(len(starts) - 1, dtype=np.int64)
    for p in range(len(labels)):
        label = labels[p]
        value = values[p]
        if label != 0 and value == value:
            grouped[starts[label] + counts[label]] = value
            counts[label] += 1
    return grouped, counts


@njit(cache=True, nogil=True)
def _select(values, low, high, rank):  # type: ignore[no-untyped-def]
    """Put the value of this rank into its sorted place within values[low..high]; smaller ones before, larger after."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < values[low]:
            values[middle], values[low] = values[low], values[middle]
        if values[high] < values[low]:
            values[high], values[low] = values[low], values[high]
        if values[high] < values[middle]:
            values[high], values[middle] = values[middle], values[high]
        pivot = values[middle]
        i = low
        j = high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            return


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
    for s in range(1, len(counts)):
        n = counts[s]
        if n == 0:
            continue
        first = starts[s]
        last = first + n - 1
        settled = first  # everything before is in place already
        for k in range(len(shares)):
            position = shares[k] * (n - 1)
            lower = min(int(position), n - 1)
            _select(grouped, settled, last, first + lower)
            settled = first + lower
            value = np.float64(grouped[settled])
            fraction = position - lower
            if fraction > 0.0:
                above = np.float64(grouped[settled + 1])
                for i in range(settled + 2, last + 1):
                    above = min(above, np.float64(grouped[i]))
                value += fraction * (above - value)
            result[s, k] = value
    return result
