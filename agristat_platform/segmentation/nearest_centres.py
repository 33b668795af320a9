"""The nearest of some tens of centres for every pixel, as exact as in double precision at the speed of single.

Belongs here: the search for the nearest centre and nothing of what it is for.

A pixel x is nearer to the centre with the smaller |c|²/2 - x·c. These scores are worked out in single precision for a
block of pixels at a time, pixels and centres shifted to the centres' mean. A score of n bands is wrong by at most
(n + 3) u (|x||c| + |c|²/2), u = 2**-24 (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1, for
the product; two units more for rounding x and c). Where best and second-best score lie further apart than both errors
together, the order in double precision is the same; elsewhere, and where anything overflows or is tiny, the pixel is decided in
double precision, ties to the lower number. With |x||c| ≤ (|x|² + |c|²)/2 the bound needs no square root.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Relative slack on the triangle inequality: rounding must never hide the nearest centre.
_SLACK = 1e-9

# Centres whose square is larger could overflow a score in single precision, and a NaN would hide the best.
_LARGEST_SQUARE = 1e37

# Pixels scored together: ten bands of them and their scores lie in the first-level cache.
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
    origin, shifted_centres, halves, widest = _shifted_centres(centres)
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
    shifted = np.zeros((n_bands, _BLOCK), dtype=np.float32)
    squares = np.empty(_BLOCK, dtype=np.float32)
    scores = np.empty(_BLOCK, dtype=np.float32)
    best = np.empty(_BLOCK, dtype=np.float32)
    second = np.empty(_BLOCK, dtype=np.float32)
    nearest = np.empty(_BLOCK, dtype=np.int32)
    x = np.empty(n_bands)
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        if not numbers[start : start + count].any():
            continue
        squares[:] = 0.0
        for b in range(n_bands):
            _shift(image[b, start : start + count], origin[b], shifted[b], squares)
        best[:] = np.inf
        second[:] = np.inf
        nearest[:] = 0
        for j in range(len(centres)):
            _score(shifted, shifted_centres[j], halves[j], scores)
            _keep_best(scores, np.int32(j), best, second, nearest)
        for i in range(count):
            p = start + i
            if numbers[p] == 0:
                continue
            found = nearest[i]
            # Written so that NaN and infinity fail it.
            if not second[i] - best[i] > constant + growing * squares[i]:
                if len(order) == 0:
                    order, gaps = _centre_neighbours(centres)
                for b in range(n_bands):
                    x[b] = image[b, p]
                found = _nearest(x, found, centres, order, gaps)
            numbers[p] = found + 1


@njit(cache=True, nogil=True)
def _shifted_centres(centres):  # type: ignore[no-untyped-def]
    """The centres' mean, the centres around it in single precision, half their squares, and the largest square."""
    k, n_bands = centres.shape
    origin = np.zeros(n_bands)
    for b in range(n_bands):
        for j in range(k):
            origin[b] += centres[j, b] / k
    shifted = np.empty((k, n_bands), dtype=np.float32)
    halves = np.empty(k, dtype=np.float32)
    widest = 0.0
    for j in range(k):
        square = 0.0
        for b in range(n_bands):
            value = centres[j, b] - origin[b]
            shifted[j, b] = value
            square += value * value
        halves[j] = square / 2.0
        widest = max(widest, square)
    return origin, shifted, halves, widest


@njit(cache=True, nogil=True)
def _shift(values, origin, shifted, squares):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        value = np.float32(values[i] - origin)
        shifted[i] = value
        squares[i] += value * value


# "contract" lets multiplication and addition be one instruction; either way is within the bound.
@njit(cache=True, nogil=True, fastmath={"contract"})
def _score(shifted, centre, half, scores):  # type: ignore[no-untyped-def]
    """|c|²/2 - x·c of a block, four bands to a pass to spare reading the scores again."""
    n_bands = len(centre)
    scores[:] = half
    whole = n_bands - n_bands % 4
    for b in range(0, whole, 4):
        x0, x1, x2, x3 = shifted[b], shifted[b + 1], shifted[b + 2], shifted[b + 3]
        c0, c1, c2, c3 = centre[b], centre[b + 1], centre[b + 2], centre[b + 3]
        for i in range(_BLOCK):
            scores[i] -= c0 * x0[i] + c1 * x1[i] + c2 * x2[i] + c3 * x3[i]
    for b in range(whole, n_bands):
        x0, c0 = shifted[b], centre[b]
        for i in range(_BLOCK):
            scores[i] -= c0 * x0[i]


@njit(cache=True, nogil=True)
def _keep_best(scores, j, best, second, nearest):  # type: ignore[no-untyped-def]
    """Best and second-best score so far, and whose the best is; without branches, so that it runs over vectors."""
    for i in range(_BLOCK):
        score = scores[i]
        leader = best[i]
        worse = score if score > leader else leader
        second[i] = worse if worse < second[i] else second[i]
        nearest[i] = j if score < leader else nearest[i]
        best[i] = score if score < leader else leader


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
