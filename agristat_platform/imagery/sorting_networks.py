"""Many short columns sorted at once, and the medians and percentiles read off them.

A sorting network compares the same pairs of observations whatever their values, so one comparison runs over a block of
neighbouring pixels without branches and the processor does dozens of pixels in one instruction. Missing observations
take the type's largest value and so end behind the valid ones; the number of valid ones says where the median lies.
All compiled kernels of this kind are in this file: a compiled kernel that is kept on disk does not notice when one it
calls changes in another file. Deterministic and single-threaded; minimum and maximum do not round.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_PIXELS = 1024  # 24 observations of 16 bits take 48 KiB: near the processor, and long enough for its vectors


@lru_cache(maxsize=64)
def sorting_network(depth: int, outputs: int | None = None) -> NDArray[np.int64]:
    """Pairs (low, high) of a sorting network: exchanging each in turn so that low ≤ high sorts `depth` values.

    Batcher's odd-even merge exchange, for any depth; comparisons that none of the wanted outputs depends on are left
    out.

    Parameters
    ----------
    depth:
        Number of values.
    outputs:
        The first so many places that have to come out right; None: all.

    Returns
    -------
    Read-only (comparisons, 2).

    References
    ----------
    Batcher, K. E. (1968). Sorting networks and their applications. AFIPS Spring Joint Computer Conference, 307-314.
    Knuth, D. E. (1998). The Art of Computer Programming 3, algorithm 5.2.2M.
    """
    pairs = []
    run = 1
    while run < depth:
        distance = run
        while distance >= 1:
            for start in range(distance % run, depth - distance, 2 * distance):
                for low in range(start, min(start + distance, depth - distance)):
                    if low // (2 * run) == (low + distance) // (2 * run):
                        pairs.append((low, low + distance))
            distance //= 2
        run *= 2
    wanted = np.zeros(depth, bool)
    wanted[:outputs] = True
    kept = []
    for low, high in reversed(pairs):
        if wanted[low] or wanted[high]:
            wanted[low] = wanted[high] = True
            kept.append((low, high))
    network = np.array(kept[::-1], np.int64).reshape(-1, 2)
    network.setflags(write=False)
    return network


def last_value(stack: NDArray[Any]) -> Any:
    """The value that sorts behind (or level with) every other of a stack's type.

    Raises
    ------
    TypeError
        A type that the kernels do not take.
    ValueError
        More observations than a 16-bit count holds.
    """
    if stack.shape[0] > 65_535:
        raise ValueError(f"{stack.shape[0]} observations of one place; at most 65535 can be counted")
    if stack.dtype.kind in "iu" and stack.dtype.itemsize <= 4:
        return stack.dtype.type(np.iinfo(stack.dtype).max)
    if stack.dtype in (np.float32, np.float64):
        return stack.dtype.type(np.inf)
    raise TypeError(f"a stack of {stack.dtype}; medians take integers of at most 32 bits, float32 and float64")


@njit(cache=True)
def _exchange(low, high):  # type: ignore[no-untyped-def]
    """Minima of two rows into the first, maxima into the second."""
    for pixel in range(low.size):
        first, second = low[pixel], high[pixel]
        low[pixel] = first if first < second else second
        high[pixel] = second if first < second else first


@njit(cache=True)
def _sort(block, network, size):  # type: ignore[no-untyped-def]
    for pair in range(len(network)):
        _exchange(block[network[pair, 0], :size], block[network[pair, 1], :size])


@njit(cache=True)
def _take(values, nodata, last, row, counts):  # type: ignore[no-untyped-def]
    """One observation of a block of pixels; missing ones as the last value of all. NaN is always missing."""
    for pixel in range(row.size):
        value = values[pixel]
        missing = (value == nodata) | (value != value)
        row[pixel] = last if missing else value
        counts[pixel] += np.uint16(not missing)


@njit(cache=True)
def _take_valid(values, valid, last, row, counts):  # type: ignore[no-untyped-def]
    for pixel in range(row.size):
        value = values[pixel]
        present = valid[pixel] & (value == value)
        row[pixel] = value if present else last
        counts[pixel] += np.uint16(present)


@njit(cache=True)
def integer_medians(stack, nodata, last, network):  # type: ignore[no-untyped-def]
    """Medians (pixels,), halves up, and counts of an integer stack (observations, pixels)."""
    depth, pixels = stack.shape
    medians = np.empty(pixels, stack.dtype)
    counts = np.zeros(pixels, np.uint16)
    block = np.empty((depth, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for k in range(depth):
            _take(stack[k, start:stop], nodata, last, block[k, : stop - start], counts[start:stop])
        _sort(block, network, stop - start)
        for place in range(stop - start):
            count = np.int64(counts[start + place])
            if count == 0:
                medians[start + place] = nodata
            else:
                lower, upper = np.int64(block[(count - 1) // 2, place]), np.int64(block[count // 2, place])
                medians[start + place] = (lower + upper + 1) // 2
    return medians, counts


@njit(cache=True)
def float_medians(stack, nodata, last, network):  # type: ignore[no-untyped-def]
    """Medians (pixels,) and counts of a floating-point stack (observations, pixels)."""
    depth, pixels = stack.shape
    medians = np.empty(pixels, stack.dtype)
    counts = np.zeros(pixels, np.uint16)
    block = np.empty((depth, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for k in range(depth):
            _take(stack[k, start:stop], nodata, last, block[k, : stop - start], counts[start:stop])
        _sort(block, network, stop - start)
        for place in range(stop - start):
            count = np.int64(counts[start + place])
            if count == 0:
                medians[start + place] = nodata
            else:
                lower, upper = np.float64(block[(count - 1) // 2, place]), np.float64(block[count // 2, place])
                middle = upper if count % 2 else 0.5 * lower + 0.5 * upper
                medians[start + place] = middle + 0.0  # of -0 and 0, equal in any order, always 0
    return medians, counts


@njit(cache=True)
def percentiles_of(stack, valid, last, network, shares):  # type: ignore[no-untyped-def]
    """Percentiles (shares, pixels) float32, interpolated, NaN where none, and counts of a stack."""
    depth, pixels = stack.shape
    percentiles = np.empty((shares.size, pixels), np.float32)
    counts = np.zeros(pixels, np.uint16)
    block = np.empty((depth, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for k in range(depth):
            _take_valid(stack[k, start:stop], valid[k, start:stop], last, block[k, : stop - start], counts[start:stop])
        _sort(block, network, stop - start)
        for number in range(shares.size):
            for place in range(stop - start):
                count = np.int64(counts[start + place])
                if count == 0:
                    percentiles[number, start + place] = np.nan
                    continue
                position = (count - 1) * shares[number]
                lower = np.int64(position)
                upper = min(lower + 1, count - 1)
                weight = position - lower
                below, above = np.float64(block[lower, place]), np.float64(block[upper, place])
                value = below if weight == 0.0 else below + weight * (above - below)
                percentiles[number, start + place] = value + 0.0
    return percentiles, counts
