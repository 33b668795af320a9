"""Many observations of one place made into one value: masked median, masked mean, first tile with data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.sorting_networks import float_medians, integer_medians, last_value, median_network


def masked_median(stack: NDArray[Any], nodata: float) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Median over the first axis of the values that are not `nodata`.

    The median of an even number is the mean of the middle two; of integers, halves are rounded up. A place without
    any value stays `nodata`. The order of the observations does not matter.

    Parameters
    ----------
    stack:
        (observations, rows, cols): integers of at most 32 bits, float32 or float64.
    nodata:
        The value that means missing. NaN is missing in floating-point stacks whatever `nodata` is.

    Returns
    -------
    (median, count): same type as the stack and uint16, both (rows, cols).

    Raises
    ------
    TypeError
        Another type of stack.
    ValueError
        More than 65 535 observations, which the count could not hold.
    """
    depth, height, width = stack.shape
    last = last_value(stack)
    network = median_network(depth)
    kernel = integer_medians if stack.dtype.kind in "iu" else float_medians
    flat = np.ascontiguousarray(stack).reshape(depth, height * width)
    median, count = kernel(flat, stack.dtype.type(nodata), last, network)
    return median.reshape(height, width), count.reshape(height, width)


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
