"""Best available pixel: of the clear observations of a place the one nearest to the wanted day and farthest from cloud.

Only the choice of the date and what it needs: how far each pixel is from cloud. No spectral rule is used, so that a
composite cannot prefer one land cover to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.clear_bits import complete_words, take_observations
from agristat_platform.imagery.masks import CLOUD, SHADOW

MOST_METRES = 500  # the papers' 50 pixels of 30 m would be 1.5 km: more margin than a block of 10 m pixels bears
DAY_SPREAD = 15.0  # days; at either end of a month the day's score is 0.61 of that in its middle


@dataclass(frozen=True)
class BestPixel:
    """Values (bands, rows, cols), observation they come from (-1 where none), complete clear observations."""

    values: NDArray[Any]
    observation: NDArray[np.int16]
    count: NDArray[np.uint16]


def cloud_distance(sky: NDArray[np.uint8], pixel_m: float, most_m: int = MOST_METRES) -> NDArray[np.uint16]:
    """Distance of each pixel to the nearest cloud, cirrus or cloud shadow of one date.

    Exact Euclidean between centres of pixels, rounded to metres half up. Nothing farther than `most_m` counts, so a
    block with `most_m / pixel_m` (rounded up) pixels more on each side has the same distances inside as the whole.

    Parameters
    ----------
    sky:
        (rows, cols) sky classes of one date, as `masks.sky_classes` gives them. Missing data is no cloud.
    pixel_m:
        Side of a pixel in metres.
    most_m:
        Distance from which on it does not matter, in whole metres, 1-65535; also of places with no cloud in reach.

    Returns
    -------
    uint16 (rows, cols), metres: 0 in cloud and shadow.

    Raises
    ------
    ValueError
        A pixel side that is not positive, or a greatest distance outside 1-65535.
    """
    if not pixel_m > 0:
        raise ValueError(f"a pixel of {pixel_m} m")
    if not 1 <= most_m <= 65_535 or int(most_m) != most_m:
        raise ValueError(f"greatest distance to cloud {most_m} m; it must be whole metres, 1-65535")
    reach = int(np.ceil(most_m / pixel_m))
    cloud = (sky == CLOUD) | (sky == SHADOW)
    metres = np.minimum(np.floor(pixel_m * np.sqrt(np.arange(reach * reach + 1)) + 0.5), most_m).astype(np.uint16)
    metres[-1] = most_m
    return np.asarray(_distances(cloud, reach, metres))


def best_pixel(
    stack: NDArray[Any],
    clear: NDArray[Any] | None,
    days: Sequence[float],
    target_day: float,
    cloud_distance: NDArray[np.unsignedinteger[Any]] | None = None,
    *,
    nodata: float = 0,
    most_m: int = MOST_METRES,
    day_spread: float = DAY_SPREAD,
) -> BestPixel:
    """The clear observation with the highest score of day and distance to cloud.

    Score: exp(-(day - target)² / (2 spread²)) + 1 / (1 + exp(-10 / most_m (min(distance, most_m) - most_m / 2))), each
    between 0 and 1. Of equals the earlier day, then the first in the stack. Always the whole spectrum of one date.

    Parameters
    ----------
    stack:
        (dates, bands, rows, cols), integers or floating point.
    clear:
        (dates, rows, cols) boolean, or bits as `pack_clear` makes them; None: all. A date with a missing band does not count.
    days:
        Day of each date, on any one count.
    target_day:
        The day wanted: the middle of the interval.
    cloud_distance:
        (dates, rows, cols) metres, as `cloud_distance` gives them for each date; None: only the day counts.
    nodata:
        The value that means missing; NaN always is.
    most_m:
        Distance to cloud in metres from which on it does not matter.
    day_spread:
        Standard deviation of the day's score.

    Raises
    ------
    TypeError, ValueError
        Masks, days or distances that do not fit the stack; more than 32 767 dates.

    References
    ----------
    Griffiths, P., van der Linden, S., Kuemmerle, T. and Hostert, P. (2013). A pixel-based Landsat compositing algorithm
    for large area land cover mapping. IEEE JSTARS 6(5), 2088-2101.
    White, J. C. et al. (2014). Pixel-based image compositing for large-area dense time series applications and
    science. Canadian Journal of Remote Sensing 40, 192-212. (Its sensor and opacity scores are left out: the first is
    for Landsat 7, the second is not delivered with these collections.)
    """
    depth, bands, height, width = stack.shape
    if depth > 32_767:
        raise ValueError(f"{depth} dates; at most 32767 can be told apart")
    if len(days) != depth:
        raise ValueError(f"{len(days)} days for {depth} dates")
    if not day_spread > 0:
        raise ValueError(f"day spread {day_spread} is not positive")
    flat, words, count = complete_words(stack, clear, nodata)
    when = np.asarray(days, np.float64)
    day_score = np.exp(-0.5 * ((when - target_day) / day_spread) ** 2)
    if cloud_distance is None:
        distance, cloud_score = np.zeros((0, height * width), np.uint16), np.zeros(1)
    else:
        if cloud_distance.dtype.kind != "u" or cloud_distance.shape != (depth, height, width):
            raise ValueError(
                f"distances to cloud are {cloud_distance.dtype} of shape {cloud_distance.shape}, "
                f"not whole metres of shape {(depth, height, width)}"
            )
        distance = np.ascontiguousarray(cloud_distance).reshape(depth, height * width)
        cloud_score = 1 / (1 + np.exp(-10 / most_m * (np.arange(most_m + 1) - most_m / 2)))
    observation = _best(words, np.argsort(when, kind="stable"), day_score, distance, cloud_score)
    values = take_observations(flat, observation, nodata)
    shape = (height, width)
    return BestPixel(values.reshape(bands, *shape), observation.reshape(shape), count.reshape(shape))


@njit(cache=True)
def _best(words, order, day_score, distance, cloud_score):  # type: ignore[no-untyped-def]
    """Dates are tried in the order of their days, and only a higher score replaces what was found."""
    pixels = words.shape[1]
    observation = np.full(pixels, -1, np.int16)
    highest = np.full(pixels, -1.0)
    by_cloud, farthest = len(distance) > 0, len(cloud_score) - 1
    for k in order:
        word, shift = words[k // 64], np.uint64(k % 64)
        for pixel in range(pixels):
            if (word[pixel] >> shift) & np.uint64(1):
                score = day_score[k]
                if by_cloud:
                    score += cloud_score[min(np.int64(distance[k, pixel]), farthest)]
                if score > highest[pixel]:
                    highest[pixel] = score
                    observation[pixel] = k
    return observation


@njit(cache=True)
def _along_row(cloud, reach, steps):  # type: ignore[no-untyped-def]
    """Steps along a row to the nearest cloud, at most `reach`; whether there is one in the row at all."""
    cols, found, far = cloud.size, False, reach
    for col in range(cols):
        if cloud[col]:
            far, found = 0, True
        elif far < reach:
            far += 1
        steps[col] = far
    far = reach
    for col in range(cols - 1, -1, -1):
        if cloud[col]:
            far = 0
        elif far < reach:
            far += 1
        if far < steps[col]:
            steps[col] = far
    return found


@njit(cache=True)
def _nearer(squares, rise, least):  # type: ignore[no-untyped-def]
    for col in range(least.size):
        through = squares[col] + rise
        least[col] = through if through < least[col] else least[col]


@njit(cache=True)
def _distances(cloud, reach, metres):  # type: ignore[no-untyped-def]
    """Squared steps along rows, then the least over the rows in reach; looked up in metres."""
    rows, cols = cloud.shape
    squares = np.empty((rows, cols), np.int32)
    found = np.zeros(rows, np.bool_)
    for row in range(rows):
        found[row] = _along_row(cloud[row], reach, squares[row])
        squares[row] *= squares[row]
    distances = np.empty((rows, cols), np.uint16)
    least = np.empty(cols, np.int32)
    for row in range(rows):
        least[:] = reach * reach
        for other in range(max(0, row - reach + 1), min(rows, row + reach)):
            if found[other]:
                _nearer(squares[other], np.int32((other - row) ** 2), least)
        for col in range(cols):
            distances[row, col] = metres[least[col]]
    return distances
