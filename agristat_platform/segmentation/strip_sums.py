"""Sums of bands over segments, gathered strip by strip.

Belongs here: the sums that elimination begins with; what it does with them is in `elimination`.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def empty_sums(sizes, n_bands):  # type: ignore[no-untyped-def]
    """Sum of every band over every segment, before the first strip: (len(sizes), bands) float64."""
    return np.zeros((len(sizes), n_bands))


@njit(cache=True, nogil=True)
def add_to_sums(strip, labels, first_row, cols, sums):  # type: ignore[no-untyped-def]
    """Add the rows of a strip, (bands, rows × cols) from `first_row` on; labels are flat with a border of nodata.

    Every sum is added up in raster order, whatever the strips.
    """
    n_bands, n_pixels = strip.shape
    for row in range(n_pixels // cols):
        for column in range(cols):
            label = labels[(first_row + row + 1) * (cols + 2) + column + 1]
            if label != 0:
                for b in range(n_bands):
                    sums[label, b] += np.float64(strip[b, row * cols + column])
