"""Multi-temporal speckle filter of radar: dates are fed one at a time, interval means come out.

Quegan and Yu (2001), IEEE Transactions on Geoscience and Remote Sensing 39(11), 2373-2379; first used in Quegan
et al. (2000), same journal 38(2), 741-753. With I_i the linear power of date i and E_i its local mean,

    J_k = E_k * mean_i(I_i / E_i)

has the mean of I_k, and nearly the resolution of a pixel where the pattern of the ground lasts. On uniform ground,
with N dates of L looks and windows of M pixels, its looks are L * M * N / (M + N - 1). The filter only knows power
in linear units, of one polarisation and one viewing direction: which dates belong together is for the caller to say.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


class SpeckleAccumulator:
    """Interval means of the filtered power of one block of pixels, without keeping the dates.

    The mean of J_k over the dates of an interval is R * mean_k(E_k), where R = mean_i(I_i / E_i) over all dates of
    the season: one array for R and one per interval suffice. A pixel takes part only with dates on which it was
    seen itself: the neighbours' mean never stands in for a missing pixel.

    Every window is summed anew in float64 and in the same order, so a pixel's value does not depend on the block
    in which it is computed; dates must come in the same order.

    Parameters
    ----------
    shape:
        Rows and columns of the block that comes out.
    n_intervals:
        Length of the result's first axis.
    window:
        Side of the square in which local means are taken, in pixels; odd, at least 3.

    Raises
    ------
    ValueError
        A window without a centre, or no interval.
    """

    def __init__(self, shape: tuple[int, int], n_intervals: int, window: int) -> None:
        if window < 3 or window % 2 == 0:
            raise ValueError(f"window of a speckle filter must be odd and at least 3, not {window}")
        if n_intervals < 1:
            raise ValueError("a speckle filter needs at least one interval")
        self.shape = shape
        self.halo = window // 2
        self._local_sums = np.zeros((n_intervals, *shape), np.float32)
        self._counts = np.zeros((n_intervals, *shape), np.uint16)
        self._ratio_sums = np.zeros(shape, np.float32)

    def add(self, power_with_halo: NDArray[np.float32], interval_index: int) -> None:
        """Take in one date.

        Parameters
        ----------
        power_with_halo:
            Linear power of the block and of `halo` more pixels on every side, shape (rows + 2 halo, cols + 2 halo);
            NaN, and anything that is not above 0, is missing. Beyond the grid's edge: NaN.
        interval_index:
            Position in the result's first axis, from 0.

        Raises
        ------
        ValueError
            A block of another shape.
        IndexError
            An interval that the accumulator does not have.
        """
        expected = (self.shape[0] + 2 * self.halo, self.shape[1] + 2 * self.halo)
        if power_with_halo.shape != expected:
            raise ValueError(f"block with halo has shape {power_with_halo.shape}, not {expected}")
        if not 0 <= interval_index < len(self._counts):
            raise IndexError(f"interval {interval_index} of {len(self._counts)}, counted from 0")
        block = np.ascontiguousarray(power_with_halo, np.float32)
        _add_date(block, self.halo, self._local_sums[interval_index], self._counts[interval_index], self._ratio_sums)

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Filtered power and number of dates, each (n_intervals, rows, cols); NaN and 0 where no date was seen."""
        counts = self._counts
        dates = counts.sum(axis=0, dtype=np.int64)
        power = np.empty(self._local_sums.shape, np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = self._ratio_sums / dates.astype(np.float64)
            for number, (local, count) in enumerate(zip(self._local_sums, counts, strict=True)):
                power[number] = ratio * (local / count.astype(np.float64))
        return power, counts.copy()


@njit(cache=True)
def _window_sums(block, top, window, column_sums, column_counts, row_sums, row_counts):  # type: ignore[no-untyped-def]
    """Sums and counts of the windows whose first row is `top`: down the columns first, then across, always anew."""
    column_sums[:] = 0.0
    column_counts[:] = 0.0
    for row in range(top, top + window):
        line = block[row]
        for col in range(line.size):
            value = line[col]
            seen = (value > 0.0) & (value < np.inf)
            column_sums[col] += value if seen else 0.0
            column_counts[col] += np.float32(1.0) if seen else np.float32(0.0)
    row_sums[:] = 0.0
    row_counts[:] = 0.0
    for shift in range(window):
        for col in range(row_sums.size):
            row_sums[col] += column_sums[col + shift]
            row_counts[col] += column_counts[col + shift]


@njit(cache=True)
def _add_date(block, halo, local_sums, counts, ratio_sums):  # type: ignore[no-untyped-def]
    rows, cols = local_sums.shape
    window = 2 * halo + 1
    column_sums, column_counts = np.empty(block.shape[1]), np.empty(block.shape[1], np.float32)
    row_sums, row_counts = np.empty(cols), np.empty(cols, np.float32)
    for row in range(rows):
        _window_sums(block, row, window, column_sums, column_counts, row_sums, row_counts)
        line = block[row + halo]
        for col in range(cols):
            value = line[col + halo]
            seen = (value > 0.0) & (value < np.inf)
            # a pixel that is seen counts in its own window, so the mean is above 0
            mean = row_sums[col] / (row_counts[col] if seen else np.float32(1.0))
            local_sums[row, col] += np.float32(mean) if seen else np.float32(0.0)
            counts[row, col] += np.uint16(1) if seen else np.uint16(0)
            ratio_sums[row, col] += np.float32(value / (mean if seen else 1.0)) if seen else np.float32(0.0)
