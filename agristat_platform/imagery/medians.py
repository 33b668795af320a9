"""Many observations of one place made into one value: masked median, masked mean, first tile with data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def masked_median(stack: NDArray[Any], nodata: int) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Median over the first axis of the values that are not `nodata`.

    The median of an even number is the mean of the middle two, halves rounded up. A place without any value
    stays `nodata`.

    Parameters
    ----------
    stack:
        (observations, rows, cols), uint16 or int16.
    nodata:
        The value that means missing.

    Returns
    -------
    (median, count): same type as the stack and uint16, both (rows, cols).
    """
    return _median(np.ascontiguousarray(stack), stack.dtype.type(nodata))


@njit(cache=True)
def _median(stack, nodata):  # type: ignore[no-untyped-def]
    depth, height, width = stack.shape
    median = np.full((height, width), nodata, stack.dtype)
    counts = np.zeros((height, width), np.uint16)
    values = np.empty(depth, np.int32)
    for row in range(height):
        for col in range(width):
            count = 0
            for k in range(depth):
                value = np.int32(stack[k, row, col])
                if value == nodata:
                    continue
                place = count
                while place > 0 and values[place - 1] > value:
                    values[place] = values[place - 1]
                    place -= 1
                values[place] = value
                count += 1
            counts[row, col] = count
            if count:
                middle = count // 2
                if count % 2:
                    median[row, col] = values[middle]
                else:
                    median[row, col] = (values[middle - 1] + values[middle] + 1) // 2
    return median, counts


def masked_mean(stack: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Mean over the first axis of the finite values, summed in double precision in stack order; NaN where none.

    For radar in linear power: a mean of decibels would be a geometric mean and biased low.

    Returns
    -------
    (mean, count): float32 and uint16, both (rows, cols).
    """
    total = np.zeros(stack.shape[1:], np.float64)
    count = np.zeros(stack.shape[1:], np.uint16)
    for values in stack:
        finite = np.isfinite(values)
        np.add(total, values, out=total, where=finite)
        count += finite
    mean = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean, count


def first_with_data(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.int16]:
    """For each place the index of the first array that is True there, −1 where none is.

    Decides which of several overlapping tiles of one overpass a place is taken from.
    """
    owner = np.full(masks[0].shape, -1, np.int16)
    for index, mask in enumerate(masks):
        owner[(owner < 0) & mask] = index
    return owner
