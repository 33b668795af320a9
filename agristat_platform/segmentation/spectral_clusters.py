"""Spectral clusters, the seeds of the segments: k-means on a subsample, then the nearest centre for every pixel.

Belongs here: the subsample, k-means++ and Lloyd's iteration, the cluster image. Everything spatial comes after, in
`clumps` and `elimination`.

All kernels run on one thread, in a fixed order, so that a seed gives the same clusters on any machine load; the
interpreter lock is released, so callers may run several images at once.

Sources: Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++"; Elkan 2003, "Using
the triangle inequality to accelerate k-means" (for the bound that skips distant centres).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

# Relative slack on the triangle inequality: rounding must never hide the nearest centre.
_SLACK = 1e-9


def valid_pixels(image: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Pixels that have a finite value other than `nodata` in every band: (rows × cols,) from (bands, rows × cols)."""
    valid = np.ones(image.shape[1], dtype=np.bool_)
    for band in image:
        if np.issubdtype(image.dtype, np.floating):
            valid &= np.isfinite(band)
        if nodata is not None:
            valid &= band != nodata
    return valid


def sample_pixels(
    image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], size: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """About `size` valid pixels spread evenly over the image: (pixels, bands).

    One pixel at random out of each run of equally many valid pixels: an even cover without the aliasing of a fixed
    stride with the raster's width.
    """
    available = int(np.count_nonzero(valid))
    if available <= size:
        return np.ascontiguousarray(image[:, valid].T, dtype=np.float64)
    edges = np.linspace(0, available, size + 1).astype(np.int64)
    ordinals = rng.integers(edges[:-1], edges[1:])
    return np.ascontiguousarray(image[:, _positions(valid, ordinals)].T, dtype=np.float64)


def fit_clusters(
    sample: npt.NDArray[np.float64], n_clusters: int, rng: np.random.Generator, *, iterations: int = 100
) -> npt.NDArray[np.float64]:
    """Cluster centres of a sample by k-means++ and Lloyd: (clusters, bands).

    Fewer rows than `n_clusters` come back where the sample has fewer distinct values. Lloyd stops when the centres'
    squared movement falls below 1e-4 of the mean band variance, or after `iterations`.
    """
    centres = _spread_centres(sample, rng.random(n_clusters))
    tolerance = 1e-4 * float(sample.var(axis=0).mean())
    return _lloyd(sample, centres, iterations, tolerance)


def assign_clusters(
    image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], centres: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Number of the nearest centre for every pixel: 1..k, 0 where not valid; ties go to the lower number.

    Distances are Euclidean in the units of the image. uint8 up to 255 centres, uint16 above.
    """
    clusters = valid.astype(np.uint8 if len(centres) <= 255 else np.uint16)
    order, gaps = _centre_neighbours(np.ascontiguousarray(centres, dtype=np.float64))
    _assign(image, clusters, np.ascontiguousarray(centres, dtype=np.float64), order, gaps)
    return clusters


@njit(cache=True, nogil=True)
def _positions(valid, ordinals):  # type: ignore[no-untyped-def]
    """Flat positions of the valid pixels with these ordinals (ascending)."""
    positions = np.empty(len(ordinals), dtype=np.int64)
    seen = 0
    k = 0
    for p in range(len(valid)):
        if valid[p]:
            while k < len(ordinals) and ordinals[k] == seen:
                positions[k] = p
                k += 1
            seen += 1
    return positions


@njit(cache=True, nogil=True)
def _spread_centres(sample, uniforms):  # type: ignore[no-untyped-def]
    """k-means++: each next centre drawn with probability proportional to the squared distance to the nearest so far."""
    n, n_bands = sample.shape
    k = len(uniforms)
    centres = np.empty((k, n_bands))
    nearest = np.full(n, np.inf)
    chosen = min(int(uniforms[0] * n), n - 1)
    for c in range(k):
        if c > 0:
            total = 0.0
            for i in range(n):
                total += nearest[i]
            if total <= 0.0:
                return centres[:c].copy()
            target = uniforms[c] * total
            running = 0.0
            chosen = -1
            for i in range(n):
                if nearest[i] > 0.0:
                    chosen = i
                    running += nearest[i]
                    if running > target:
                        break
        for b in range(n_bands):
            centres[c, b] = sample[chosen, b]
        for i in range(n):
            distance = 0.0
            for b in range(n_bands):
                difference = sample[i, b] - centres[c, b]
                distance += difference * difference
            if distance < nearest[i]:
                nearest[i] = distance
    return centres


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


@njit(cache=True, nogil=True)
def _lloyd(sample, centres, iterations, tolerance):  # type: ignore[no-untyped-def]
    n, n_bands = sample.shape
    k = len(centres)
    members = np.zeros(n, dtype=np.int32)
    sums = np.empty((k, n_bands))
    counts = np.empty(k, dtype=np.int64)
    for _ in range(iterations):
        order, gaps = _centre_neighbours(centres)
        sums[:] = 0.0
        counts[:] = 0
        for i in range(n):
            c = _nearest(sample[i], members[i], centres, order, gaps)
            members[i] = c
            counts[c] += 1
            for b in range(n_bands):
                sums[c, b] += sample[i, b]
        moved = 0.0
        for c in range(k):
            if counts[c] > 0:  # an empty cluster keeps its centre
                for b in range(n_bands):
                    mean = sums[c, b] / counts[c]
                    moved += (mean - centres[c, b]) ** 2
                    centres[c, b] = mean
        if moved <= tolerance:
            break
    return centres


@njit(cache=True, nogil=True)
def _assign(image, clusters, centres, order, gaps):  # type: ignore[no-untyped-def]
    n_bands, n = image.shape
    x = np.empty(n_bands)
    best = 0
    for p in range(n):
        if clusters[p] != 0:
            for b in range(n_bands):
                x[b] = image[b, p]
            best = _nearest(x, best, centres, order, gaps)
            clusters[p] = best + 1
