"""The nearest of some tens of centres for every pixel, as exact as in double precision at the speed of single.

Belongs here: the search for the nearest centre and nothing of what it is for.

A pixel x is nearer to the centre with the smaller |c|²/2 - x·c. These scores are worked out in single precision, pixels and
centres shifted to the centres' mean, for sixteen pixels and four centres at a time, so that neither scores nor the best of
them leave the registers. A score of n bands is wrong by at most
(n + 3) u (|x||c| + |c|²/2), u = 2**-24 (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1, for
the product; two units more for rounding x and c). Where best and second-best score lie further apart than both errors
together, the order in double precision is the same; elsewhere, and where anything overflows or is tiny, the pixel is decided in
double precision, ties to the lower number. With |x||c| ≤ (|x|² + |c|²)/2 the bound needs no square root.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from agristat_platform.segmentation.shepherd.lanes import (
    LANES,
    fill_lanes,
    load_lanes,
    plus_product,
    store_lanes,
    where_less,
)

# Relative slack on the triangle inequality: rounding must never hide the nearest centre.
_SLACK = 1e-9

# Centres whose square is larger could overflow a score in single precision, and a NaN would hide the best.
_LARGEST_SQUARE = 1e37

# Pixels shifted together: ten bands of them lie in the first-level cache. A multiple of LANES.
_BLOCK = 256


@njit(cache=True, nogil=True)
def number_nearest(image, numbers, centres):  # type: ignore[no-untyped-def]
    """Write the number of the nearest centre, 1..k, over each number that is not 0; ties go to the lower number.

    Parameters
    ----------
    image : (bands, pixels), any numeric type; finite wherever `numbers` is not 0
    numbers : (pixels,) unsigned integers, changed in place; 0 = left alone
    centres : (k, bands) float64, C-contiguous
    """
    n_bands, n = image.shape
    origin, fours, halves, widest = _shifted_centres(centres)
    # Both errors: a part for every pixel, and one that grows with the pixel's own square. The last two terms stand for
    # the shift's rounding in double precision and for scores too small for single precision's relative error.
    far = 0.0
    for b in range(n_bands):
        far += abs(origin[b])
    constant = np.float32((n_bands + 4) * 2.0**-23 * widest + 2.0**-50 * far * np.sqrt(widest) + 1e-35)
    if widest > _LARGEST_SQUARE:
        constant = np.float32(np.inf)
    growing = np.float32((n_bands + 4) * 2.0**-24)
    order = np.empty((0, 0), dtype=np.int32)
    gaps = np.empty((0, 0))
    shifted = np.zeros(n_bands * _BLOCK, dtype=np.float32)
    squares = np.empty(_BLOCK, dtype=np.float32)
    margins = np.empty(_BLOCK, dtype=np.float32)
    nearest = np.empty(_BLOCK, dtype=np.float32)
    x = np.empty(n_bands)
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        here = numbers[start : start + count]
        if not here.any():
            continue
        squares[:] = 0.0
        for b in range(n_bands):
            _shift(image[b, start : start + count], origin[b], shifted[b * _BLOCK : (b + 1) * _BLOCK], squares)
        _score(shifted, n_bands, fours, halves, nearest, margins)
        decided = True
        for i in range(count):
            # Written so that NaN and infinity fail it.
            decided &= margins[i] > constant + growing * squares[i]
        if decided:
            for i in range(count):
                here[i] = np.int32(nearest[i]) + 1 if here[i] != 0 else 0
            continue
        for i in range(count):
            if here[i] == 0:
                continue
            found = int(nearest[i])
            if not margins[i] > constant + growing * squares[i]:
                if len(order) == 0:
                    order, gaps = _centre_neighbours(centres)
                for b in range(n_bands):
                    x[b] = image[b, start + i]
                found = _nearest(x, found, centres, order, gaps)
            here[i] = found + 1


@njit(cache=True, nogil=True)
def _shifted_centres(centres):  # type: ignore[no-untyped-def]
    """The centres' mean, the centres around it as `_score` takes them, half their squares, and the largest square.

    Centres are negative, in single precision, and by four: a band of four centres, the next band of them, and so on. The
    last four are filled up with centres that are infinitely far from everything.
    """
    k, n_bands = centres.shape
    origin = np.zeros(n_bands)
    for b in range(n_bands):
        for j in range(k):
            origin[b] += centres[j, b] / k
        # A number of single precision, so that values of up to 16 bits can be shifted there.
        origin[b] = np.float32(origin[b])
    whole = (k + 3) // 4 * 4
    fours = np.zeros(whole * n_bands, dtype=np.float32)
    halves = np.full(whole, np.inf, dtype=np.float32)
    widest = 0.0
    for j in range(k):
        square = 0.0
        for b in range(n_bands):
            value = centres[j, b] - origin[b]
            fours[(j // 4 * n_bands + b) * 4 + j % 4] = -value
            square += value * value
        halves[j] = square / 2.0
        widest = max(widest, square)
    return origin, fours, halves, widest


@njit(cache=True, nogil=True)
def _shift(values, origin, shifted, squares):  # type: ignore[no-untyped-def]
    if values.itemsize <= 2:  # exact in single precision, as is `origin`: the same differences in half the time
        near = np.float32(origin)
        for i in range(len(values)):
            value = np.float32(values[i]) - near
            shifted[i] = value
            squares[i] += value * value
    else:
        for i in range(len(values)):
            value = np.float32(values[i] - origin)
            shifted[i] = value
            squares[i] += value * value


@njit(cache=True, nogil=True)
def _score(shifted, n_bands, fours, halves, nearest, margins):  # type: ignore[no-untyped-def]
    """The centre with the best |c|²/2 - x·c for a block of pixels, and how much worse the second-best is."""
    infinite = fill_lanes(np.float32(np.inf))
    for i in range(0, _BLOCK, LANES):
        best, second, number = infinite, infinite, fill_lanes(np.float32(0.0))
        for j in range(0, len(halves), 4):
            score0, score1 = fill_lanes(halves[j]), fill_lanes(halves[j + 1])
            score2, score3 = fill_lanes(halves[j + 2]), fill_lanes(halves[j + 3])
            c = j * n_bands
            for b in range(n_bands):
                x = load_lanes(shifted, b * _BLOCK + i)
                score0 = plus_product(score0, x, fours[c])
                score1 = plus_product(score1, x, fours[c + 1])
                score2 = plus_product(score2, x, fours[c + 2])
                score3 = plus_product(score3, x, fours[c + 3])
                c += 4
            best, second, number = _better(best, second, number, score0, j)
            best, second, number = _better(best, second, number, score1, j + 1)
            best, second, number = _better(best, second, number, score2, j + 2)
            best, second, number = _better(best, second, number, score3, j + 3)
        store_lanes(nearest, i, number)
        store_lanes(margins, i, plus_product(second, best, np.float32(-1.0)))


@njit(cache=True, nogil=True)
def _better(best, second, number, score, j):  # type: ignore[no-untyped-def]
    """Best and second-best score so far, and whose the best is, after one more score."""
    worse = where_less(best, score, score, best)
    return (
        where_less(score, best, score, best),
        where_less(worse, second, worse, second),
        where_less(score, best, fill_lanes(np.float32(j)), number),
    )


@njit(cache=True, nogil=True)
def _centre_neighbours(centres):  # type: ignore[no-untyped-def]
    """For each centre, all centres by increasing distance (itself first), and those distances."""
    k, n_bands = centres.shape
    order = np.empty((k, k), dtype=np.int32)
    gaps = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            squared = 0.0
            for b in range(n_bands):
                difference = centres[i, b] - centres[j, b]
                squared += difference * difference
            distance = np.sqrt(squared) if j != i else -1.0
            t = j
            while t > 0 and gaps[i, t - 1] > distance:
                gaps[i, t] = gaps[i, t - 1]
                order[i, t] = order[i, t - 1]
                t -= 1
            gaps[i, t] = distance
            order[i, t] = j
    return order, gaps


@njit(cache=True, nogil=True)
def _squared_distance(x, centre):  # type: ignore[no-untyped-def]
    squared = 0.0
    for b in range(len(x)):
        difference = x[b] - centre[b]
        squared += difference * difference
    return squared


@njit(cache=True, nogil=True)
def _nearest(x, start, centres, order, gaps):  # type: ignore[no-untyped-def]
    """Index of the centre nearest to x; `start` is a guess that only decides how fast it is found."""
    best = start
    best_squared = _squared_distance(x, centres[start])
    from_start = np.sqrt(best_squared)
    reach = 2.0 * from_start * (1.0 + _SLACK)
    for t in range(1, len(centres)):
        if gaps[start, t] > reach:
            break
        j = order[start, t]
        squared = _squared_distance(x, centres[j])
        if squared < best_squared or (squared == best_squared and j < best):
            best = j
            best_squared = squared
            reach = (from_start + np.sqrt(squared)) * (1.0 + _SLACK)
    return best
