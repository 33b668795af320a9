"""Sums of the bands over segments, exact for integers, from which elimination takes its means.

Belongs here: how sums are held, made and added up. What is done with means is in `elimination`.

Images of 8 and 16 bits have sums in 32-bit integers, half of what double precision would take: |value| ≤ 65535, so a sum
is exact up to 32767 pixels. A segment above that has its sums in double precision, exact up to 2**37 pixels; where they
are is written in its row of the 32-bit ones, as -2**31 + place, which no sum of 32767 pixels can be: none is below
-32768 · 32767 > -2**30. Other images have float64 throughout: exact for integers of 32 bits up to 2**21 pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

# Pixels of the largest segment whose sums are held in 32 bits.
LARGEST_NARROW = 32767

_FIRST_PLACE = -(2**31)
BELOW_SUMS = -(2**30)


class SegmentSums(NamedTuple):
    """Sums over segments 1..n; made by `empty_sums`.

    Attributes
    ----------
    rows:
        (n + 1, bands) int32 or float64; row 0 is unused.
    wide:
        (places, bands) float64, sums of segments of more than `LARGEST_NARROW` pixels; no places where rows are float64.
    used:
        (1,) int64, places of `wide` that are taken.
    """

    rows: npt.NDArray[Any]
    wide: npt.NDArray[np.float64]
    used: npt.NDArray[np.int64]


def empty_sums(sizes: npt.NDArray[np.integer[Any]], bands: int, dtype: npt.DTypeLike) -> SegmentSums:
    """Sums of nothing yet, for segments of these sizes.

    Parameters
    ----------
    sizes:
        (n + 1,) pixels of each segment; entry 0 is unused.
    bands:
        Of the image.
    dtype:
        Of the image's values.
    """
    narrow = np.issubdtype(dtype, np.integer) and np.dtype(dtype).itemsize <= 2
    # No pixel is in two segments that became large, so there are places for all that ever will.
    places = int(sizes[1:].sum(dtype=np.int64)) // (LARGEST_NARROW + 1) if narrow else 0
    sums = SegmentSums(
        np.zeros((len(sizes), bands), dtype=np.int32 if narrow else np.float64),
        np.zeros((places, bands)),
        np.zeros(1, dtype=np.int64),
    )
    if places:
        for s in np.flatnonzero(sizes[1:] > LARGEST_NARROW) + 1:
            widen(sums.rows, sums.wide, sums.used, s)
    return sums


@njit(cache=True, nogil=True)
def add_to_sums(strip, labels, first_row, cols, sums):  # type: ignore[no-untyped-def]
    """Add the pixels of some rows of the image to the sums of their segments, in raster order.

    Parameters
    ----------
    strip : (bands, rows of the strip × cols), of the type that `empty_sums` was told
    labels : flat, of the whole image, with a border of nodata one pixel wide; 0 = no segment
    first_row : the strip's first row in the image
    cols : number of columns, border left out
    sums : SegmentSums, changed in place
    """
    n_bands, n_pixels = strip.shape
    rows, wide = sums.rows, sums.wide
    some_wide = len(wide) > 0
    for row in range(n_pixels // cols):
        first = (first_row + row + 1) * (cols + 2) + 1
        for column in range(cols):
            s = labels[first + column]
            if s == 0:
                continue
            p = row * cols + column
            if some_wide and rows[s, 0] < BELOW_SUMS:
                place = int(rows[s, 0]) - _FIRST_PLACE
                for b in range(n_bands):
                    wide[place, b] += strip[b, p]
            else:
                for b in range(n_bands):
                    rows[s, b] += strip[b, p]


# Below, arrays one by one: a tuple would have its references counted in every call, which takes longer than the work.
@njit(cache=True, nogil=True)
def widen(rows, wide, used, s):  # type: ignore[no-untyped-def]
    """Hold the sums of a segment in double precision from here on."""
    place = used[0]
    used[0] += 1
    for b in range(rows.shape[1]):
        wide[place, b] = rows[s, b]
    rows[s, 0] = _FIRST_PLACE + place


@njit(cache=True, nogil=True, forceinline=True)
def held_wide(rows, wide, s):  # type: ignore[no-untyped-def]
    """Whether a segment's sums are in `wide`."""
    return len(wide) > 0 and rows[s, 0] < BELOW_SUMS


@njit(cache=True, nogil=True, forceinline=True)
def write_mean(rows, wide, s, size, mean):  # type: ignore[no-untyped-def]
    """Means of a segment of `size` pixels, in double precision, into `mean` (bands,)."""
    if held_wide(rows, wide, s):
        place = int(rows[s, 0]) - _FIRST_PLACE
        for b in range(len(mean)):
            mean[b] = wide[place, b] / size
    else:
        for b in range(len(mean)):
            mean[b] = rows[s, b] / size


@njit(cache=True, nogil=True, forceinline=True)
def move_sums(rows, wide, used, s, target, size):  # type: ignore[no-untyped-def]
    """Add the sums of segment `s` to those of `target`, which has `size` pixels with them."""
    n_bands = rows.shape[1]
    if len(wide) == 0 or size <= LARGEST_NARROW:
        for b in range(n_bands):
            rows[target, b] += rows[s, b]
        return
    if rows[target, 0] >= BELOW_SUMS:
        widen(rows, wide, used, target)
    place = int(rows[target, 0]) - _FIRST_PLACE
    if rows[s, 0] < BELOW_SUMS:
        for b in range(n_bands):
            wide[place, b] += wide[int(rows[s, 0]) - _FIRST_PLACE, b]
    else:
        for b in range(n_bands):
            wide[place, b] += rows[s, b]
