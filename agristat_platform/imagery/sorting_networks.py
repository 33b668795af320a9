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

BLOCK_PIXELS = 2048  # 24 observations of 16 bits take 96 KiB: near the processor, and long runs for memory
HALF = 0.5 + 1e-9  # a half that arithmetic has left a hair too small is rounded up as well


@lru_cache(maxsize=64)
def sorting_network(depth: int, outputs: int | None = None, sorted_runs: int = 1) -> NDArray[np.int64]:
    """Pairs (low, high) of a sorting network: exchanging each in turn so that low ≤ high sorts `depth` values.

    Batcher's odd-even merge exchange, for any depth; comparisons that none of the wanted outputs depends on are left
    out.

    Parameters
    ----------
    depth:
        Number of values.
    outputs:
        The first so many places that have to come out right; None: all.
    sorted_runs:
        A power of two: each so many values in a row are in order already.

    Returns
    -------
    Read-only (comparisons, 2).

    References
    ----------
    Batcher, K. E. (1968). Sorting networks and their applications. AFIPS Spring Joint Computer Conference, 307-314.
    Knuth, D. E. (1998). The Art of Computer Programming 3, algorithm 5.2.2M.
    """
    pairs = []
    run = sorted_runs
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


def median_network(depth: int) -> NDArray[np.int64]:
    """What the median kernels need to sort runs of four into the lower half of `depth` values and the middle."""
    return sorting_network((depth + 3) // 4 * 4, depth // 2 + 1, 4)


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
def _four_flags(word, shift, flags):  # type: ignore[no-untyped-def]
    """The bits of four dates of a block of pixels, narrowed to the width of the stack so that all runs abreast."""
    for pixel in range(flags.size):
        flags[pixel] = (word[pixel] >> shift) & 15


@njit(cache=True)
def _take_four(first, second, third, fourth, flags, nodata, last, low, mid, upper, high, counts):  # type: ignore[no-untyped-def]
    """Four observations of a block of pixels in order; missing ones as the last value of all. NaN is always missing.

    The five comparisons that sort four values are done while these are in registers, which saves half of the work.
    """
    one, none = np.uint16(1), np.uint16(0)
    for pixel in range(counts.size):
        a, b, c, d, clear = first[pixel], second[pixel], third[pixel], fourth[pixel], flags[pixel]
        no_a, no_b = (a == nodata) | (a != a) | ((clear & 1) == 0), (b == nodata) | (b != b) | ((clear & 2) == 0)
        no_c, no_d = (c == nodata) | (c != c) | ((clear & 4) == 0), (d == nodata) | (d != d) | ((clear & 8) == 0)
        present = (none if no_a else one) + (none if no_b else one) + (none if no_c else one) + (none if no_d else one)
        counts[pixel] = np.uint16(counts[pixel] + present)
        a, b, c, d = last if no_a else a, last if no_b else b, last if no_c else c, last if no_d else d
        a, b = a if a < b else b, b if a < b else a
        c, d = c if c < d else d, d if c < d else c
        a, c = a if a < c else c, c if a < c else a
        b, d = b if b < d else d, d if b < d else b
        low[pixel], high[pixel] = a, d
        mid[pixel], upper[pixel] = b if b < c else c, c if b < c else b


@njit(cache=True)
def _sorted_block(stack, band, start, words, missing, network, block, flags, counts):  # type: ignore[no-untyped-def]
    """Sort the observations of the pixels from `start` into `block`, of a multiple of four rows, and count them.

    `words` without rows: every date is clear. `missing` is (nodata, last value).
    """
    depth, size, bits = len(stack), counts.size, 8 * words.itemsize
    stop = start + size
    counts[:] = 0
    flags[:] = 15
    for k in range(0, len(block), 4):
        if len(words) > 0:
            _four_flags(words[k // bits, start:stop], words.dtype.type(k % bits), flags[:size])
        # dates past the last are never clear, whatever row stands in for them
        if k + 4 > depth:
            flags &= flags.dtype.type(15 >> (k + 4 - depth))
        first, second = stack[k, band, start:stop], stack[min(k + 1, depth - 1), band, start:stop]
        third, fourth = stack[min(k + 2, depth - 1), band, start:stop], stack[min(k + 3, depth - 1), band, start:stop]
        low, mid, upper, high = block[k, :size], block[k + 1, :size], block[k + 2, :size], block[k + 3, :size]
        _take_four(first, second, third, fourth, flags[:size], missing[0], missing[1], low, mid, upper, high, counts)
    _sort(block, network, size)


@njit(cache=True)
def integer_medians(stack, words, missing, network, flags, medians, counts):  # type: ignore[no-untyped-def]
    """Medians, halves up, and counts (bands, pixels) of an integer stack (observations, bands, pixels), in place.

    `words` (words, pixels) unsigned: the observations that count, a bit each; without rows: all. `missing`: (nodata,
    last value). `network` finishes runs of four, for the depth rounded up to a multiple of four: see `median_network`.
    `flags`: room for a block of pixels of an unsigned type as wide as the stack's.
    """
    depth, bands, pixels = stack.shape
    block = np.empty(((depth + 3) // 4 * 4, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for band in range(bands):
            count_here, median = counts[band, start:stop], medians[band, start:stop]
            _sorted_block(stack, band, start, words, missing, network, block, flags, count_here)
            for place in range(stop - start):
                count = np.int64(count_here[place])
                if count == 0:
                    median[place] = missing[0]
                else:
                    lower, upper = np.int64(block[(count - 1) // 2, place]), np.int64(block[count // 2, place])
                    median[place] = (lower + upper + 1) // 2


@njit(cache=True)
def float_medians(stack, words, missing, network, flags, medians, counts):  # type: ignore[no-untyped-def]
    """Medians and counts (bands, pixels) of a floating-point stack, as `integer_medians`."""
    depth, bands, pixels = stack.shape
    block = np.empty(((depth + 3) // 4 * 4, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        for band in range(bands):
            count_here, median = counts[band, start:stop], medians[band, start:stop]
            _sorted_block(stack, band, start, words, missing, network, block, flags, count_here)
            for place in range(stop - start):
                count = np.int64(count_here[place])
                if count == 0:
                    median[place] = missing[0]
                else:
                    lower, upper = np.float64(block[(count - 1) // 2, place]), np.float64(block[count // 2, place])
                    middle = upper if count % 2 else 0.5 * lower + 0.5 * upper
                    median[place] = middle + 0.0  # of -0 and 0, equal in any order, always 0


@njit(cache=True)
def stored_percentiles(stack, words, missing, network, flags, percents):  # type: ignore[no-untyped-def]
    """Percentiles (percents, pixels), halves up, nodata where none, and counts of an integer stack (dates, 1, pixels).

    `network` sorts all observations from runs of four; the rest as `integer_medians`.
    """
    depth, _, pixels = stack.shape
    percentiles = np.empty((percents.size, pixels), stack.dtype)
    counts = np.empty(pixels, np.uint16)
    block = np.empty(((depth + 3) // 4 * 4, BLOCK_PIXELS), stack.dtype)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        _sorted_block(stack, 0, start, words, missing, network, block, flags, counts[start:stop])
        for number in range(percents.size):
            for place in range(stop - start):
                count = np.int64(counts[start + place])
                if count == 0:
                    percentiles[number, start + place] = missing[0]
                    continue
                position = (count - 1) * percents[number] / 100
                lower = np.int64(position)
                below = np.float64(block[lower, place])
                above = np.float64(block[min(lower + 1, count - 1), place])
                value = below + (position - lower) * (above - below)
                percentiles[number, start + place] = np.int64(np.floor(value + HALF))
    return percentiles, counts


@njit(cache=True)
def _take_valid(values, valid, last, row, counts):  # type: ignore[no-untyped-def]
    for pixel in range(row.size):
        value = values[pixel]
        present = valid[pixel] & (value == value)
        row[pixel] = value if present else last
        counts[pixel] += np.uint16(present)


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
