"""Cutting convex polygons with straight lines: how the landscape becomes field blocks, and blocks become parcels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ring = npt.NDArray[np.float64]
"""Corners of a convex polygon, shape (n, 2), open (the first corner isn't repeated), counter-clockwise."""


def area(ring: Ring) -> float:
    """Area in square metres (shoelace formula)."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def long_axis(ring: Ring) -> float:
    """Direction of the longest side in radians: fields are worked along it."""
    sides = np.roll(ring, -1, axis=0) - ring
    dx, dy = sides[np.argmax(np.hypot(sides[:, 0], sides[:, 1]))]
    return float(np.arctan2(dy, dx))


def extent_along(ring: Ring, angle: float) -> tuple[float, float]:
    """Lowest and highest projection of the corners on the direction `angle`."""
    projected = ring @ np.array([np.cos(angle), np.sin(angle)])
    return float(projected.min()), float(projected.max())


def cut(ring: Ring, angle: float, offset: float) -> tuple[Ring, Ring] | None:
    """Both sides of the line {p : p·(cos angle, sin angle) = offset}; None when the line misses the polygon.

    The two sides share their new corners to the last bit, so that they are an exact partition.
    """
    distance = ring @ np.array([np.cos(angle), np.sin(angle)]) - offset
    below: list[npt.NDArray[np.float64]] = []
    above: list[npt.NDArray[np.float64]] = []
    for i in range(len(ring)):
        j = (i + 1) % len(ring)
        here, there = distance[i], distance[j]
        if here <= 0:
            below.append(ring[i])
        if here >= 0:
            above.append(ring[i])
        if here * there < 0:
            crossing = ring[i] + (ring[j] - ring[i]) * (here / (here - there))
            below.append(crossing)
            above.append(crossing)
    if len(below) < 3 or len(above) < 3:
        return None
    return np.array(below), np.array(above)


def cut_across(
    rng: np.random.Generator, ring: Ring, *, tilt: float, low: float, high: float
) -> tuple[Ring, Ring] | None:
    """Cut across the longer of the two principal extents, at a random share between `low` and `high`.

    Parameters
    ----------
    tilt:
        Standard deviation in radians of the line's direction around the perpendicular.
    """
    axis = long_axis(ring)
    along, across = extent_along(ring, axis), extent_along(ring, axis + np.pi / 2)
    if across[1] - across[0] > along[1] - along[0]:
        axis, along = axis + np.pi / 2, across
    axis += rng.normal(0.0, tilt)
    lowest, highest = extent_along(ring, axis)
    return cut(ring, axis, lowest + (highest - lowest) * rng.uniform(low, high))
