"""The geometric median: the spectrum with the least sum of distances to a place's observations.

The median of each band by itself can be a spectrum that no date ever showed; here the bands stay together, and noise
is averaged, which a medoid does not do. Bands must have one unit (reflectance), since distances add over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.clear_bits import complete_words

TOLERANCE = 1e-5  # of reflectance: a tenth of what composites are stored to
STORED_TOLERANCE = 0.1  # the same in stored units
MOST_STEPS = 200
BLOCK_VALUES = 131_072  # of the observations of a block of pixels: 192 KiB of 32 bits
SLACK = {4: 1.0 + 4e-6, 8: 1.0 + 1e-12}  # by how much rounding alone (of 4 or 8 bytes) can make a sum of distances grow


@dataclass(frozen=True)
class GeometricMedian:
    """Values (bands, rows, cols), nodata or NaN where none; valid observations; whether the iteration came to rest."""

    values: NDArray[Any]
    count: NDArray[np.uint16]
    converged: NDArray[np.bool_]


def geometric_median(
    stack: NDArray[Any],
    clear: NDArray[Any] | None,
    *,
    nodata: float | None = None,
    tolerance: float | None = None,
    most_steps: int = MOST_STEPS,
) -> GeometricMedian:
    """The spectrum with the least sum of Euclidean distances to the valid observations.

    Weiszfeld's iteration from their mean, with Vardi and Zhang's step off an observation it lands on. Each step is
    lengthened by what the last two tell of where they lead (Anderson's mixing with one step of memory), and taken back
    where the sum of distances grew. Each place stops by itself, so that its result does not depend on its neighbours.
    A place with two observations gets their mean.

    Parameters
    ----------
    stack:
        (observations, bands, rows, cols), bands in one unit. Stacks of integers of at most 16 bits are computed in
        single precision and rounded half up; others in double.
    clear:
        (observations, rows, cols) boolean, True where an observation counts, or bits as `pack_clear` makes them; None: all.
    nodata:
        An observation with this value in a band never counts, nor one that is not finite. None: 0 of integers.
    tolerance:
        A place has come to rest when what its steps leave to go is less than this (Euclidean, unit of the stack, from
        how fast they shrink); None: 0.1 of integers, 1e-5 of floating point.
    most_steps:
        Steps after which a place is left as it is, and reported as not converged.

    Returns
    -------
    Values of the stack's type where it is of integers, float32 otherwise.

    Raises
    ------
    TypeError, ValueError
        A mask of another type or shape; tolerance not positive.

    References
    ----------
    Weiszfeld, E. (1937). Tohoku Mathematical Journal 43, 355-386.
    Vardi, Y. and Zhang, C.-H. (2000). The multivariate L1-median and associated data depth. PNAS 97, 1423-1426.
    Walker, H. F. and Ni, P. (2011). Anderson acceleration for fixed-point iterations. SIAM Journal on Numerical
    Analysis 49, 1715-1735.
    Roberts, D., Mueller, N. and McIntyre, A. (2017). High-dimensional pixel composites from Earth observation time
    series. IEEE TGRS 55, 6254-6264.
    """
    integers = stack.dtype.kind in "iu"
    if tolerance is None:
        tolerance = STORED_TOLERANCE if integers else TOLERANCE
    if not tolerance > 0:
        raise ValueError(f"tolerance {tolerance} is not positive")
    if nodata is None:
        nodata = 0 if integers else np.nan
    depth, bands, height, width = stack.shape
    flat, words, count = complete_words(stack, clear, nodata)
    work = np.dtype(np.float32 if integers and stack.dtype.itemsize <= 2 else np.float64)
    size = max(16, min(1024, BLOCK_VALUES // max(1, depth * bands)))
    values = np.full((bands, height * width), nodata if integers else np.nan, stack.dtype if integers else np.float32)
    converged = np.ones(height * width, np.bool_)
    room = np.zeros((depth, bands, size), work)
    limits = np.array([tolerance, tolerance / 100, SLACK[work.itemsize]], work)
    half = work.type(0.5 if integers else 0.0)
    _geometric_medians(flat, words, count, room, limits, most_steps, half, values, converged)
    shape = (height, width)
    return GeometricMedian(values.reshape(bands, *shape), count.reshape(shape), converged.reshape(shape))


@njit(cache=True, error_model="numpy")
def _load_row(values, present, row, centre):  # type: ignore[no-untyped-def]
    """One band of one observation, 0 where it does not count, added to the centre."""
    for pixel in range(row.size):
        row[pixel] = values[pixel] if present[pixel] > 0 else 0
        centre[pixel] += row[pixel]


@njit(cache=True, error_model="numpy")
def _load_present(word, shift, present):  # type: ignore[no-untyped-def]
    some = np.uint64(0)
    for pixel in range(present.size):
        bit = (word[pixel] >> shift) & np.uint64(1)
        present[pixel] = bit
        some |= bit
    return some > 0


@njit(cache=True, error_model="numpy")
def _add_squares(one, other, squares):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        difference = one[pixel] - other[pixel]
        squares[pixel] += difference * difference


@njit(cache=True, error_model="numpy")
def _add_three_squares(one, two, three, centre_one, centre_two, centre_three, squares):  # type: ignore[no-untyped-def]
    """`_add_squares` of three bands in one pass."""
    for pixel in range(squares.size):
        first, second = one[pixel] - centre_one[pixel], two[pixel] - centre_two[pixel]
        third = three[pixel] - centre_three[pixel]
        squares[pixel] = squares[pixel] + first * first + second * second + third * third


@njit(cache=True, error_model="numpy")
def _squared_distances(spectrum, centre, active, squares):  # type: ignore[no-untyped-def]
    bands, band = len(centre), 0
    squares[:] = 0
    while band + 3 <= bands:
        _add_three_squares(
            spectrum[band, :active],
            spectrum[band + 1, :active],
            spectrum[band + 2, :active],
            centre[band, :active],
            centre[band + 1, :active],
            centre[band + 2, :active],
            squares,
        )
        band += 3
    for rest in range(band, bands):
        _add_squares(spectrum[rest, :active], centre[rest, :active], squares)


@njit(cache=True, error_model="numpy")
def _invert(squares, present, weight, coinciding, total, one, none):  # type: ignore[no-untyped-def]
    """Squared distances into weights, in place: one over the distance, 0 for what is missing or lies on the centre."""
    for pixel in range(squares.size):
        square = squares[pixel] * present[pixel]
        apart = square > none
        distance = np.sqrt(square)
        inverse = one / (distance if apart else one)
        inverse = inverse if apart else none
        total[pixel] += distance
        coinciding[pixel] += none if apart else present[pixel]
        weight[pixel] += inverse
        squares[pixel] = inverse


@njit(cache=True, error_model="numpy")
def _add_weighted(weights, values, target):  # type: ignore[no-untyped-def]
    for pixel in range(target.size):
        target[pixel] += weights[pixel] * values[pixel]


@njit(cache=True, error_model="numpy")
def _add_step(centre, target, weight, pull, one, none):  # type: ignore[no-untyped-def]
    """The plain step of one band in place of its weighted sum; its square is added up."""
    for pixel in range(pull.size):
        some = weight[pixel] > none  # else all observations lie in the centre
        step = (target[pixel] / (weight[pixel] if some else one) - centre[pixel]) if some else none
        target[pixel] = step
        pull[pixel] += step * step


@njit(cache=True, error_model="numpy")
def _shorten(pull, weight, coinciding, resting, share, one, none):  # type: ignore[no-untyped-def]
    """How much of the step is left by observations that the centre lies on; squares of steps into their lengths."""
    for pixel in range(pull.size):
        length = np.sqrt(pull[pixel])
        force = length * weight[pixel]
        off = (force > coinciding[pixel]) & (resting[pixel] == none)
        share[pixel] = one - coinciding[pixel] / (force if off else one) if off else none
        pull[pixel] = length * share[pixel]


@njit(cache=True, error_model="numpy")
def _compare(target, share, last_step, along, change):  # type: ignore[no-untyped-def]
    for pixel in range(along.size):
        step = target[pixel] * share[pixel]
        target[pixel] = step
        difference = step - last_step[pixel]
        along[pixel] += step * difference
        change[pixel] += difference * difference


@njit(cache=True, error_model="numpy")
def _mix(total, last_total, history, pull, along, change, limits, resting, mixing, back, one, none):  # type: ignore[no-untyped-def]
    """How much of the last plain step is mixed in, whether the last step is taken back, and whether the place rests.

    Where steps shrink by a factor q, the mixed part is -q / (1 - q), and what is left to go the step over 1 - q.
    """
    tolerance, first_tolerance, slack = limits[0], limits[1], limits[2]
    for pixel in range(total.size):
        known = history[pixel] > none
        worse = known & (total[pixel] > last_total[pixel] * slack)
        mixed = known & (change[pixel] > none) & (not worse)
        ratio = along[pixel] / (change[pixel] if mixed else one)
        ratio = ratio if mixed else none
        near = pull[pixel] * (one + abs(ratio)) < (tolerance if mixed else first_tolerance)
        still = (resting[pixel] > none) | (near & (not worse))
        mixing[pixel] = none if still else ratio
        back[pixel] = one if worse else none
        resting[pixel] = one if still else none
        history[pixel] = none if worse | still else one  # who rests stays, however long the neighbours go on
        last_total[pixel] = total[pixel]


@njit(cache=True, error_model="numpy")
def _move(centre, step, mixing, back, last_plain, last_step, none):  # type: ignore[no-untyped-def]
    for pixel in range(centre.size):
        plain = centre[pixel] + step[pixel]
        mixed = plain - mixing[pixel] * (plain - last_plain[pixel])
        centre[pixel] = last_plain[pixel] if back[pixel] > none else mixed
        last_plain[pixel] = plain
        last_step[pixel] = step[pixel]


@njit(cache=True, error_model="numpy")
def _step(spectra, present, loaded, active, centre, target, last_plain, last_step, rows, limits):  # type: ignore[no-untyped-def]
    """One step of the first `active` pixels of a block, in place; row 10 tells which of them have come to rest."""
    one, none, bands = rows.dtype.type(1), rows.dtype.type(0), len(centre)
    squares, weight, coinciding, total = rows[0, :active], rows[1, :active], rows[2, :active], rows[3, :active]
    pull, share, along, change = rows[4, :active], rows[5, :active], rows[6, :active], rows[7, :active]
    last_total, history, resting = rows[8, :active], rows[9, :active], rows[10, :active]
    for row in range(1, 8):
        rows[row, :active] = none
    for band in range(bands):
        target[band, :active] = none
    for k in range(loaded):
        _squared_distances(spectra[k], centre, active, squares)
        _invert(squares, present[k, :active], weight, coinciding, total, one, none)
        for band in range(bands):
            _add_weighted(squares, spectra[k, band, :active], target[band, :active])
    for band in range(bands):
        _add_step(centre[band, :active], target[band, :active], weight, pull, one, none)
    _shorten(pull, weight, coinciding, resting, share, one, none)
    for band in range(bands):
        _compare(target[band, :active], share, last_step[band, :active], along, change)
    mixing, back = rows[1, :active], rows[2, :active]  # weights are used up
    _mix(total, last_total, history, pull, along, change, limits, resting, mixing, back, one, none)
    for band in range(bands):
        last = last_plain[band, :active]
        _move(centre[band, :active], target[band, :active], mixing, back, last, last_step[band, :active], none)


@njit(cache=True, error_model="numpy")
def _compact(active, loaded, spectra, present, centre, last_plain, last_step, rows, places):  # type: ignore[no-untyped-def]
    """Close the ranks of the pixels that still move; how many there are."""
    moving = 0
    for slot in range(active):
        if rows[10, slot] > 0:
            continue
        for k in range(loaded):
            present[k, moving] = present[k, slot]
            for band in range(len(centre)):
                spectra[k, band, moving] = spectra[k, band, slot]
        for band in range(len(centre)):
            centre[band, moving] = centre[band, slot]
            last_plain[band, moving] = last_plain[band, slot]
            last_step[band, moving] = last_step[band, slot]
        for row in range(8, 11):
            rows[row, moving] = rows[row, slot]
        places[moving] = places[slot]
        moving += 1
    return moving


@njit(cache=True, error_model="numpy")
def _write(centre, resting, places, active, count, half, values, converged):  # type: ignore[no-untyped-def]
    """Where the pixels are now; those that still move are written again later."""
    for slot in range(active):
        place = places[slot]
        converged[place] = resting[slot] > 0
        if count[place] > 0:
            for band in range(len(centre)):
                value = centre[band, slot]
                values[band, place] = np.floor(value + half) if half > 0 else value


@njit(cache=True, error_model="numpy")
def _geometric_medians(stack, words, count, spectra, limits, most_steps, half, values, converged):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    block = spectra.shape[2]
    present = np.empty((depth + 1, block), spectra.dtype)
    centre, target = np.empty((bands, block), spectra.dtype), np.empty((bands, block), spectra.dtype)
    last_plain, last_step = np.empty((bands, block), spectra.dtype), np.empty((bands, block), spectra.dtype)
    rows, places = np.empty((11, block), spectra.dtype), np.empty(block, np.int64)
    none = spectra.dtype.type(0)
    for start in range(0, pixels, block):
        active, loaded = min(block, pixels - start), 0
        stop = start + active
        centre[:] = 0
        last_plain[:] = 0
        last_step[:] = 0
        rows[:] = 0
        for k in range(depth):
            word, shift = words[k // 64, start:stop], np.uint64(k % 64)
            if _load_present(word, shift, present[loaded, :active]):
                for band in range(bands):
                    row = spectra[loaded, band, :active]
                    _load_row(stack[k, band, start:stop], present[loaded, :active], row, centre[band, :active])
                loaded += 1
        for pixel in range(active):
            number = spectra.dtype.type(max(count[start + pixel], 1))
            places[pixel] = start + pixel
            rows[10, pixel] = 1 if count[start + pixel] <= 2 else 0
            for band in range(bands):
                centre[band, pixel] /= number
        for steps in range(most_steps + 1):
            moving = 0
            for slot in range(active):
                moving += rows[10, slot] == none
            if moving == 0 or steps == most_steps:
                break
            if 4 * moving <= active:
                _write(centre, rows[10], places, active, count, half, values, converged)
                active = _compact(active, loaded, spectra, present, centre, last_plain, last_step, rows, places)
            _step(spectra, present, loaded, active, centre, target, last_plain, last_step, rows, limits)
        _write(centre, rows[10], places, active, count, half, values, converged)
