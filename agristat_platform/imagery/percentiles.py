"""Temporal percentiles of one band: how low, usual and high a place was over a period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.clear_bits import clear_words
from agristat_platform.imagery.sorting_networks import (
    BLOCK_PIXELS,
    last_value,
    percentiles_of,
    sorting_network,
    stored_percentiles,
)


def masked_percentiles(
    stack: NDArray[Any], valid: NDArray[np.bool_], percentiles: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Percentiles over the first axis of the valid values.

    Interpolated linearly between the two nearest order statistics, at (n - 1) q / 100 counted from 0: Hyndman and
    Fan's type 7, numpy's default. With few values the outer percentiles are the extremes themselves: look at the count.

    Parameters
    ----------
    stack:
        (observations, rows, cols): integers of at most 32 bits, float32 or float64.
    valid:
        The same shape, True where an observation counts. NaN never counts.
    percentiles:
        Between 0 and 100, in any order.

    Returns
    -------
    (values, count): float32 (percentiles, rows, cols) in the unit of the stack, NaN where nothing is valid; uint16
    (rows, cols).

    Raises
    ------
    TypeError
        Another type of stack, or a mask that is not boolean.
    ValueError
        A percentile outside 0-100, a mask of another shape, or more than 65 535 observations.

    References
    ----------
    Hyndman, R. J. and Fan, Y. (1996). Sample quantiles in statistical packages. The American Statistician 50, 361-365.
    """
    if valid.dtype != np.bool_:
        raise TypeError(f"the mask of valid observations is {valid.dtype}, not boolean")
    if valid.shape != stack.shape:
        raise ValueError(f"the mask of valid observations has shape {valid.shape}, the stack {stack.shape}")
    shares = np.asarray(percentiles, np.float64) / 100
    if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"percentiles {list(percentiles)} are not all between 0 and 100")
    depth, height, width = stack.shape
    last = last_value(stack)
    values, count = percentiles_of(
        np.ascontiguousarray(stack).reshape(depth, height * width),
        np.ascontiguousarray(valid).reshape(depth, height * width),
        last,
        sorting_network(depth),
        shares,
    )
    return values.reshape(len(shares), height, width), count.reshape(height, width)


def masked_percentiles_stored(
    stack: NDArray[Any], nodata: float, percentiles: Sequence[float], *, clear: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Percentiles over the first axis as they are stored: of the stack's own integers, halves rounded up.

    As `masked_percentiles`, without a boolean array and without float32 on the way out.

    Parameters
    ----------
    stack:
        (dates, rows, cols), integers of at most 32 bits.
    nodata:
        The value that means missing.
    percentiles:
        Between 0 and 100, in any order.
    clear:
        (rows, cols) or (words, rows, cols) bits of the clear dates as `pack_clear` makes them, or (dates, rows, cols)
        boolean; None: every value that is not `nodata` counts.

    Returns
    -------
    (values, count): (percentiles, rows, cols) of the stack's type, `nodata` where there is none, and uint16 (rows,
    cols).

    Raises
    ------
    TypeError
        A stack that is not of integers of at most 32 bits.
    ValueError
        A percentile outside 0-100, clear dates that do not fit the stack, or more than 65 535 observations.
    """
    percents = np.asarray(percentiles, np.float64)
    if percents.ndim != 1 or not ((percents >= 0) & (percents <= 100)).all():
        raise ValueError(f"percentiles {list(percentiles)} are not all between 0 and 100")
    last = last_value(stack)
    if stack.dtype.kind not in "iu":
        raise TypeError(f"a stack of {stack.dtype}; stored percentiles are of integers, see masked_percentiles")
    depth, height, width = stack.shape
    if depth == 0:
        return np.full((len(percents), height, width), nodata, stack.dtype), np.zeros((height, width), np.uint16)
    pixels = height * width
    words = np.zeros((0, pixels), np.uint8) if clear is None else clear_words(clear, depth, (height, width))
    values, count = stored_percentiles(
        np.ascontiguousarray(stack).reshape(depth, 1, pixels),
        words,
        (stack.dtype.type(nodata), last),
        sorting_network((depth + 3) // 4 * 4, None, 4),
        np.empty(BLOCK_PIXELS, f"u{stack.dtype.itemsize}"),
        percents,
    )
    return values.reshape(len(percents), height, width), count.reshape(height, width)
