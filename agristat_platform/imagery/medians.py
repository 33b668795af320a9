"""Many observations of one place made into one value: masked median, masked mean, first tile with data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.clear_bits import clear_words
from agristat_platform.imagery.sorting_networks import (
    BLOCK_PIXELS,
    float_medians,
    integer_medians,
    last_value,
    median_network,
)


def masked_median(
    stack: NDArray[Any], nodata: float, *, out: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Median over the first axis of the values that are not `nodata`.

    The median of an even number is the mean of the middle two; of integers, halves are rounded up. A place without
    any value stays `nodata`. The order of the observations does not matter.

    Parameters
    ----------
    stack:
        (observations, rows, cols) or (observations, bands, rows, cols): integers of at most 32 bits, float32 or
        float64. Not copied when it is contiguous.
    nodata:
        The value that means missing. NaN is missing in floating-point stacks whatever `nodata` is.
    out:
        Where to put the medians: contiguous, type and shape of one observation.

    Returns
    -------
    (median, count): same type as the stack and uint16, both of the shape of one observation.

    Raises
    ------
    TypeError
        Another type of stack.
    ValueError
        More than 65 535 observations, which the count could not hold; an `out` that does not fit.
    """
    return _medians(stack, np.zeros((0, int(np.prod(stack.shape[-2:]))), np.uint8), nodata, out)


def clear_median(
    stack: NDArray[Any], clear: NDArray[Any] | None, nodata: float, *, out: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Median over the dates that are clear of the values that are not `nodata`, without a masked copy of the stack.

    Parameters
    ----------
    stack:
        (dates, rows, cols) or (dates, bands, rows, cols) as read, obscured pixels included.
    clear:
        (rows, cols) or (words, rows, cols) bits of the clear dates as `pack_clear` makes them, or (dates, rows, cols)
        boolean; None: all.
    nodata, out:
        As for `masked_median`.

    Returns
    -------
    (median, count), as `masked_median` of the stack with `nodata` wherever it is not clear.

    Raises
    ------
    TypeError, ValueError
        As `masked_median`; clear dates that do not fit the stack.
    """
    if clear is None:
        return masked_median(stack, nodata, out=out)
    return _medians(stack, clear_words(clear, len(stack), stack.shape[-2:]), nodata, out)


def _medians(
    stack: NDArray[Any], words: NDArray[Any], nodata: float, out: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    last = last_value(stack)
    shape = stack.shape[1:]
    if out is None:
        out = np.empty(shape, stack.dtype)
    elif out.shape != shape or out.dtype != stack.dtype or not out.flags.c_contiguous:
        raise ValueError(f"medians of shape {shape} and type {stack.dtype} cannot be put into {out.shape} {out.dtype}")
    bands = shape[0] if len(shape) == 3 else 1
    pixels = shape[-2] * shape[-1]
    count = np.zeros(shape, np.uint16)
    if len(stack) == 0:
        out.fill(nodata)
        return out, count
    integer_or_float = integer_medians if stack.dtype.kind in "iu" else float_medians
    integer_or_float(
        np.ascontiguousarray(stack).reshape(len(stack), bands, pixels),
        words,
        (stack.dtype.type(nodata), last),
        median_network(len(stack)),
        np.empty(BLOCK_PIXELS, f"u{stack.dtype.itemsize}"),
        out.reshape(bands, pixels),
        count.reshape(bands, pixels),
    )
    return out, count


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


def clear_mean(
    stack: NDArray[Any], clear: NDArray[Any] | None, nodata: float
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Mean over the clear dates of the values that are neither `nodata` nor infinite, summed in double precision.

    Parameters
    ----------
    stack:
        (dates, rows, cols) or (dates, bands, rows, cols), integers or floating point.
    clear:
        As for `clear_median`.
    nodata:
        The value that means missing; NaN is missing whatever `nodata` is.

    Returns
    -------
    (mean, count): type of the stack, of integers halves up, `nodata` where there is none; and uint16.
    """
    shape = stack.shape[1:]
    bands, pixels = (shape[0] if len(shape) == 3 else 1), shape[-2] * shape[-1]
    words = clear_words(clear, len(stack), (shape[-2], shape[-1]))
    flat = np.ascontiguousarray(stack).reshape(len(stack), bands, pixels)
    mean = np.full((bands, pixels), nodata, stack.dtype)
    count = np.zeros((bands, pixels), np.uint16)
    for band in range(bands):
        total = _totals(flat, band, words, stack.dtype.type(nodata), count[band])
        np.divide(total, count[band], out=total, where=count[band] > 0)
        if stack.dtype.kind in "iu":
            total = np.floor(total + 0.5)
        np.copyto(mean[band], total, where=count[band] > 0, casting="unsafe")
    return mean.reshape(shape), count.reshape(shape)


@njit(cache=True)
def _add_clear(values, word, shift, nodata, total, count):  # type: ignore[no-untyped-def]
    for pixel in range(total.size):
        value = values[pixel]
        counts = (((word[pixel] >> shift) & 1) == 1) & (value != nodata) & (value - value == 0)
        total[pixel] += np.float64(value) if counts else 0.0
        count[pixel] += np.uint16(1 if counts else 0)


@njit(cache=True)
def _totals(stack, band, words, nodata, count):  # type: ignore[no-untyped-def]
    """Sums over the dates of one band, and how many went into them, block by block."""
    depth, _, pixels = stack.shape
    bits = 8 * words.itemsize
    total = np.zeros(pixels)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for k in range(depth):
            word, shift = words[k // bits, start:stop], words.dtype.type(k % bits)
            _add_clear(stack[k, band, start:stop], word, shift, nodata, total[start:stop], count[start:stop])
    return total


def first_with_data(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.int16]:
    """For each place the index of the first array that is True there, −1 where none is.

    Decides which of several overlapping tiles of one overpass a place is taken from.
    """
    owner = np.full(masks[0].shape, -1, np.int16)
    for index, mask in enumerate(masks):
        owner[(owner < 0) & mask] = index
    return owner
