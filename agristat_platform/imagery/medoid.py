"""The medoid: of the observed spectra of a place the one nearest to all others.

The median of each band by itself can be a spectrum that no date ever showed; a medoid is one that was observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.clear_bits import complete_words, take_observations

BLOCK_PIXELS = 512
STEPS_A_UNIT = 16.0  # distances of stored values are summed in sixteenths of a unit, exactly in any order


@dataclass(frozen=True)
class Medoid:
    """Values (bands, rows, cols), observation they come from (-1 where none: nodata or NaN), valid observations."""

    values: NDArray[Any]
    observation: NDArray[np.int16]
    count: NDArray[np.uint16]


def medoid(stack: NDArray[Any], clear: NDArray[Any] | None, *, nodata: float | None = None) -> Medoid:
    """The valid observation with the least sum of Euclidean distances to the other valid ones.

    Always a spectrum that was observed. Of equals the first in the stack: order it by date. Distances between 16-bit
    spectra are rounded to a sixteenth of a stored unit, so that neither their order nor the machine decides a tie.

    Parameters
    ----------
    stack:
        (observations, bands, rows, cols), bands in one unit; integers or floating point.
    clear:
        (observations, rows, cols) boolean, True where an observation counts, or bits as `pack_clear` makes them; None: all.
    nodata:
        An observation with this value in a band never counts, nor one that is not finite. None: 0 of integers.

    Raises
    ------
    TypeError, ValueError
        A mask of another type or shape; more than 32 767 observations.

    References
    ----------
    Flood, N. (2013). Seasonal composite Landsat TM/ETM+ images using the medoid. Remote Sensing 5, 6481-6500.
    """
    depth, bands, height, width = stack.shape
    if depth > 32_767:
        raise ValueError(f"{depth} observations; at most 32767 can be told apart")
    if nodata is None:
        nodata = 0 if stack.dtype.kind in "iu" else np.nan
    flat, words, count = complete_words(stack, clear, nodata)
    if stack.dtype.kind in "iu" and stack.dtype.itemsize <= 2 and _sums_fit(depth, bands):
        observation = _stored_medoids(flat, words, np.float32(STEPS_A_UNIT))
    else:
        observation = _medoids(flat, words)
    values = take_observations(flat, observation, nodata)
    shape = (height, width)
    return Medoid(values.reshape(bands, *shape), observation.reshape(shape), count.reshape(shape))


def _sums_fit(depth: int, bands: int) -> bool:
    """Whether no sum of distances between 16-bit spectra can outgrow 32 bits."""
    return bool(depth * np.sqrt(bands) * 65_536 * STEPS_A_UNIT < 2**31)


@njit(cache=True)
def _valid_of(word, shift, valid):  # type: ignore[no-untyped-def]
    """All bits set where an observation counts, none elsewhere; whether there is any."""
    some = np.int32(0)
    for pixel in range(valid.size):
        valid[pixel] = -np.int32((word[pixel] >> shift) & np.uint64(1))
        some |= valid[pixel]
    return some != 0


@njit(cache=True)
def _add_squares(one, other, squares):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        difference = one[pixel] - other[pixel]
        squares[pixel] += difference * difference


@njit(cache=True)
def _add_three_squares(one, two, three, other_one, other_two, other_three, squares):  # type: ignore[no-untyped-def]
    """`_add_squares` of three bands in one pass."""
    for pixel in range(squares.size):
        first, second, third = (
            one[pixel] - other_one[pixel],
            two[pixel] - other_two[pixel],
            three[pixel] - other_three[pixel],
        )
        squares[pixel] = squares[pixel] + first * first + second * second + third * third


@njit(cache=True)
def _squared_distances(one, other, squares):  # type: ignore[no-untyped-def]
    bands, band = len(one), 0
    squares[:] = 0
    while band + 3 <= bands:
        b, c = band + 1, band + 2
        _add_three_squares(one[band], one[b], one[c], other[band], other[b], other[c], squares)
        band += 3
    for rest in range(band, bands):
        _add_squares(one[rest], other[rest], squares)


@njit(cache=True)
def _add_steps(squares, steps_a_unit, one_valid, other_valid, one, other):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        distance = np.int32(np.sqrt(squares[pixel]) * steps_a_unit + np.float32(0.5))
        one[pixel] += distance & other_valid[pixel]
        other[pixel] += distance & one_valid[pixel]


@njit(cache=True)
def _add_distances(squares, one_valid, other_valid, one, other):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        distance = np.sqrt(squares[pixel])
        one[pixel] += distance if other_valid[pixel] else 0.0
        other[pixel] += distance if one_valid[pixel] else 0.0


@njit(cache=True)
def _load_row(values, row):  # type: ignore[no-untyped-def]
    for pixel in range(row.size):
        row[pixel] = values[pixel]


@njit(cache=True)
def _load(stack, words, start, spectra, valid, sums, dates):  # type: ignore[no-untyped-def]
    """Observations of a block of pixels that count for any of them, their sums at 0, and how many there are."""
    depth, bands, _ = stack.shape
    size = valid.shape[1]
    loaded = 0
    for k in range(depth):
        if _valid_of(words[k // 64, start : start + size], np.uint64(k % 64), valid[loaded]):
            for band in range(bands):
                _load_row(stack[k, band, start : start + size], spectra[loaded, band])
            sums[loaded] = 0
            dates[loaded] = k
            loaded += 1
    return loaded


@njit(cache=True)
def _keep_less(sums, valid, date, least, observation):  # type: ignore[no-untyped-def]
    for pixel in range(observation.size):
        better = (valid[pixel] != 0) & (sums[pixel] < least[pixel])
        least[pixel] = sums[pixel] if better else least[pixel]
        observation[pixel] = date if better else observation[pixel]


@njit(cache=True)
def _observations_of_least(sums, valid, dates, loaded, greatest, least, observation):  # type: ignore[no-untyped-def]
    """The first of the least sums of each pixel."""
    least[:] = greatest
    for k in range(loaded):
        _keep_less(sums[k], valid[k], dates[k], least, observation)


@njit(cache=True)
def _stored_medoids(stack, words, steps_a_unit):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    observation = np.full(pixels, -1, np.int16)
    dates = np.empty(depth + 1, np.int16)
    for start in range(0, pixels, BLOCK_PIXELS):
        size = min(BLOCK_PIXELS, pixels - start)
        valid = np.empty((depth + 1, size), np.int32)
        spectra, sums = np.empty((depth, bands, size), np.float32), np.empty((depth, size), np.int32)
        squares, least = np.empty(size, np.float32), np.empty(size, np.int32)
        loaded = _load(stack, words, start, spectra, valid, sums, dates)
        for first in range(loaded):
            for second in range(first + 1, loaded):
                _squared_distances(spectra[first], spectra[second], squares)
                _add_steps(squares, steps_a_unit, valid[first], valid[second], sums[first], sums[second])
        _observations_of_least(sums, valid, dates, loaded, 2**31 - 1, least, observation[start : start + size])
    return observation


@njit(cache=True)
def _medoids(stack, words):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    observation = np.full(pixels, -1, np.int16)
    dates = np.empty(depth + 1, np.int16)
    for start in range(0, pixels, BLOCK_PIXELS):
        size = min(BLOCK_PIXELS, pixels - start)
        valid = np.empty((depth + 1, size), np.int32)
        spectra, sums = np.empty((depth, bands, size)), np.empty((depth, size))
        squares, least = np.empty(size), np.empty(size)
        loaded = _load(stack, words, start, spectra, valid, sums, dates)
        for first in range(loaded):
            for second in range(first + 1, loaded):
                _squared_distances(spectra[first], spectra[second], squares)
                _add_distances(squares, valid[first], valid[second], sums[first], sums[second])
        _observations_of_least(sums, valid, dates, loaded, np.inf, least, observation[start : start + size])
    return observation
