"""Temporal percentiles of one band: how low, usual and high a place was over a period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.sorting_networks import last_value, percentiles_of, sorting_network


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
