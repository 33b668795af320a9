"""Compiled loops over pixels grouped by segment: moments in one pass, and the values of each segment side by side.

Belongs here: the loops alone, on dense segment numbers (0 = nodata, 1..n). Names, tables and checks are in
`segment_statistics`, percentiles of the grouped values in `percentile_kernels`.
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


def no_moments(n_segments: int, *, extremes: bool = True) -> npt.NDArray[np.float64]:
    """The table that `add_moments` adds to: (n_segments + 1, 6) with the columns COUNT, ORIGIN, SUM, SQUARES, LEAST, MOST.

    Row 0 is nodata and unused. Without `extremes` the last two columns are not there.
    """
    table = np.zeros((n_segments + 1, 6 if extremes else 4))
    if extremes:
        table[:, LEAST] = np.inf
        table[:, MOST] = -np.inf
    return table


@njit(cache=True, nogil=True)
def add_moments(labels, values, table):  # type: ignore[no-untyped-def]
    """Add pixels to count, sum, squares, least and greatest value of their segments, NaN and infinity left out.

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
        if value - value == 0.0:  # finite
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
def add_sums(labels, values, table):  # type: ignore[no-untyped-def]
    """`add_moments` for a table without extremes; a loop of its own, because a condition in that one costs its speed."""
    current = np.uint32(0)
    row = table[0]
    n, origin, total, squares = row[COUNT], row[ORIGIN], row[SUM], row[SQUARES]
    for p in range(len(labels)):
        label = labels[p]
        if label != current:
            row = table[current]
            row[COUNT], row[ORIGIN], row[SUM], row[SQUARES] = n, origin, total, squares
            current = label
            row = table[current]
            n, origin, total, squares = row[COUNT], row[ORIGIN], row[SUM], row[SQUARES]
        value = np.float64(values[p])
        if value - value == 0.0:
            if n == 0.0:
                origin = value
            n += 1.0
            difference = value - origin
            total += difference
            squares += difference * difference
    row = table[current]
    row[COUNT], row[ORIGIN], row[SUM], row[SQUARES] = n, origin, total, squares


@njit(cache=True, nogil=True)
def grouped_values(labels, values, starts):  # type: ignore[no-untyped-def]
    """Values sorted by segment, NaN and infinity left out.

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
    current = np.uint32(0)
    place = np.int64(0)
    for p in range(len(labels)):
        label = labels[p]
        if label != current:
            if current != 0:
                counts[current] = place - starts[current]
            current = label
            place = starts[current] + counts[current]
        value = values[p]
        if label != 0 and value - value == 0:
            grouped[np.uintp(place)] = value
            place += 1
    if current != 0:
        counts[current] = place - starts[current]
    return grouped, counts
