"""Medians of whole spectra: the geometric median and the medoid, which keep a place's bands together.

The median of each band by itself can be a spectrum that no date ever showed; these two cannot drift apart so.
Bands must have one unit (reflectance), since distances add over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TOLERANCE = 1e-5  # of reflectance: a tenth of what composites are stored to
MOST_STEPS = 200
BLOCK_PIXELS = 256


@dataclass(frozen=True)
class GeometricMedian:
    """Values float32 (bands, rows, cols), NaN where none; valid observations; whether the iteration came to rest."""

    values: NDArray[np.float32]
    count: NDArray[np.uint16]
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class Medoid:
    """Values (bands, rows, cols), observation they come from (-1 where none, values 0 or NaN), valid observations."""

    values: NDArray[Any]
    observation: NDArray[np.int32]
    count: NDArray[np.uint16]


def geometric_median(
    stack: NDArray[np.floating[Any]],
    valid: NDArray[np.bool_],
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
) -> GeometricMedian:
    """The spectrum with the least sum of Euclidean distances to the valid observations.

    Weiszfeld's iteration from their mean, with Vardi and Zhang's step off an observation it lands on. Each place stops
    by itself, so that its result does not depend on its neighbours. A place with two observations gets their mean.

    Parameters
    ----------
    stack:
        (observations, bands, rows, cols), bands in one unit.
    valid:
        (observations, rows, cols), True where an observation counts. One with a band that is not finite never does.
    tolerance:
        A place has come to rest when a step moves it by less than this (Euclidean, unit of the stack).
    most_steps:
        Steps after which a place is left as it is, and reported as not converged.

    Raises
    ------
    TypeError, ValueError
        Mask not boolean, or of another shape; tolerance not positive.

    References
    ----------
    Weiszfeld, E. (1937). Tohoku Mathematical Journal 43, 355-386.
    Vardi, Y. and Zhang, C.-H. (2000). The multivariate L1-median and associated data depth. PNAS 97, 1423-1426.
    Roberts, D., Mueller, N. and McIntyre, A. (2017). High-dimensional pixel composites from Earth observation time
    series. IEEE TGRS 55, 6254-6264.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance {tolerance} is not positive")
    flat, mask = _flattened(stack, valid)
    values, count, converged = _geometric_medians(flat, mask, tolerance, most_steps)
    _, bands, height, width = stack.shape
    shape = (height, width)
    return GeometricMedian(values.reshape(bands, *shape), count.reshape(shape), converged.reshape(shape))


def medoid(stack: NDArray[Any], valid: NDArray[np.bool_]) -> Medoid:
    """The valid observation with the least sum of Euclidean distances to the other valid ones.

    Always a spectrum that was observed. Of equals the first in the stack: order it by date.

    Parameters
    ----------
    stack:
        (observations, bands, rows, cols), bands in one unit; integers or floating point.
    valid:
        (observations, rows, cols), True where an observation counts. One with a band that is not finite never does.

    Raises
    ------
    TypeError, ValueError
        Mask not boolean, or of another shape.

    References
    ----------
    Flood, N. (2013). Seasonal composite Landsat TM/ETM+ images using the medoid. Remote Sensing 5, 6481-6500.
    """
    flat, mask = _flattened(stack, valid)
    observation, count = _medoids(flat, mask)
    _, bands, height, width = stack.shape
    values = np.zeros((bands, height * width), stack.dtype)
    if stack.dtype.kind == "f":
        values.fill(np.nan)
    places = np.flatnonzero(observation >= 0)
    values[:, places] = flat[observation[places], :, places].T
    shape = (height, width)
    return Medoid(values.reshape(bands, *shape), observation.reshape(shape), count.reshape(shape))


def _flattened(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(observations, bands, pixels) and its mask (observations, pixels) without observations that are not finite."""
    if valid.dtype != np.bool_:
        raise TypeError(f"the mask of valid observations is {valid.dtype}, not boolean")
    depth, bands, height, width = stack.shape
    if valid.shape != (depth, height, width):
        raise ValueError(f"the mask of valid observations has shape {valid.shape}, not {(depth, height, width)}")
    if stack.dtype.kind == "f":
        valid = valid & np.isfinite(stack).all(axis=1)
    flat = np.ascontiguousarray(stack).reshape(depth, bands, height * width)
    return flat, np.ascontiguousarray(valid).reshape(depth, height * width)


@njit(cache=True)
def _add_squares(one, other, squares):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        difference = one[pixel] - other[pixel]
        squares[pixel] += difference * difference


@njit(cache=True)
def _distances(spectra, centre, squares):  # type: ignore[no-untyped-def]
    """Squared distances of one observation of a block of pixels to the centre."""
    squares[:] = 0.0
    for band in range(len(spectra)):
        _add_squares(spectra[band], centre[band], squares)


@njit(cache=True)
def _geometric_medians(stack, valid, tolerance, most_steps):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    values = np.empty((bands, pixels), np.float32)
    counts = np.zeros(pixels, np.uint16)
    converged = np.zeros(pixels, np.bool_)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        size = stop - start
        spectra = np.zeros((depth, bands, size))
        count, centre = np.zeros(size), np.zeros((bands, size))
        for k in range(depth):
            for pixel in range(size):
                count[pixel] += valid[k, start + pixel]
            for band in range(bands):
                for pixel in range(size):
                    value = stack[k, band, start + pixel] if valid[k, start + pixel] else 0.0
                    spectra[k, band, pixel] = value
                    centre[band, pixel] += value
        for band in range(bands):
            for pixel in range(size):
                centre[band, pixel] /= max(count[pixel], 1.0)
        resting = count <= 2
        _iterate(spectra, valid[:, start:stop].copy(), centre, resting, tolerance, most_steps)
        for pixel in range(size):
            counts[start + pixel] = np.uint16(count[pixel])
            converged[start + pixel] = resting[pixel]
            for band in range(bands):
                values[band, start + pixel] = centre[band, pixel] if count[pixel] > 0 else np.nan
    return values, counts, converged


@njit(cache=True)
def _invert(squares, present, weight, coinciding):  # type: ignore[no-untyped-def]
    """Squared distances into weights, in place: one over the distance, 0 for what is missing or lies on the centre."""
    for pixel in range(squares.size):
        apart = squares[pixel] > 0.0
        inverse = 1.0 / np.sqrt(squares[pixel] if apart else 1.0) if present[pixel] & apart else 0.0
        coinciding[pixel] += 1.0 if present[pixel] & (not apart) else 0.0
        weight[pixel] += inverse
        squares[pixel] = inverse


@njit(cache=True)
def _add_weighted(weights, values, total):  # type: ignore[no-untyped-def]
    for pixel in range(total.size):
        total[pixel] += weights[pixel] * values[pixel]


@njit(cache=True)
def _iterate(spectra, present, centre, resting, tolerance, most_steps):  # type: ignore[no-untyped-def]
    """Move the centres that do not rest yet, in place."""
    depth, bands, size = spectra.shape
    squares, weight, coinciding = np.empty(size), np.empty(size), np.empty(size)
    target = np.empty((bands, size))
    for _ in range(most_steps):
        if resting.all():
            return
        weight[:] = 0.0
        coinciding[:] = 0.0
        target[:] = 0.0
        for k in range(depth):
            _distances(spectra[k], centre, squares)
            _invert(squares, present[k], weight, coinciding)
            for band in range(bands):
                _add_weighted(squares, spectra[k, band], target[band])
        for pixel in range(size):
            if not resting[pixel]:
                resting[pixel] = _step(centre[:, pixel], target[:, pixel], weight[pixel], coinciding[pixel], tolerance)


@njit(cache=True)
def _step(centre, target, weight, coinciding, tolerance):  # type: ignore[no-untyped-def]
    """Move one centre to its weighted mean, less far off observations it lies on; whether it has come to rest."""
    if weight == 0.0:
        return True  # all observations lie in one point
    pull = 0.0
    for band in range(centre.size):
        target[band] = target[band] / weight - centre[band]
        pull += target[band] * target[band]
    length = np.sqrt(pull)
    share = 1.0
    if coinciding > 0.0:
        force = length * weight
        share = 0.0 if force <= coinciding else 1.0 - coinciding / force
    for band in range(centre.size):
        centre[band] += share * target[band]
    return share * length < tolerance


@njit(cache=True)
def _add_distances(squares, one_valid, other_valid, one, other):  # type: ignore[no-untyped-def]
    for pixel in range(squares.size):
        distance = np.sqrt(squares[pixel]) if one_valid[pixel] & other_valid[pixel] else 0.0
        one[pixel] += distance
        other[pixel] += distance


@njit(cache=True)
def _medoids(stack, valid):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    observation = np.full(pixels, -1, np.int32)
    counts = np.zeros(pixels, np.uint16)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        size = stop - start
        spectra = np.empty((depth, bands, size))
        for k in range(depth):
            for band in range(bands):
                spectra[k, band, :] = stack[k, band, start:stop]
        sums, squares = np.zeros((depth, size)), np.empty(size)
        for first in range(depth):
            for second in range(first + 1, depth):
                _distances(spectra[second], spectra[first], squares)
                _add_distances(squares, valid[first, start:stop], valid[second, start:stop], sums[first], sums[second])
        for pixel in range(size):
            least = np.inf
            for k in range(depth):
                if valid[k, start + pixel]:
                    counts[start + pixel] += np.uint16(1)
                    if sums[k, pixel] < least:
                        least = sums[k, pixel]
                        observation[start + pixel] = k
    return observation, counts
