"""k-means: centres of a sample of pixels.

Belongs here: the k-means++ start and Lloyd's iteration. It is one plain start: starts that come closer to the sample
(greedy, the best of several) gave segments a lower F against true fields (docs/measurements.md). The search for the
nearest centre is in `nearest_centres`; which pixels are the sample, and what the clusters are for, in
`spectral_clusters`.

Sources: Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.shepherd.nearest_centres import number_nearest

# Pixels whose distances to a new centre are worked out side by side; their sums stay in the first-level cache.
_BLOCK = 1024


def fit_clusters(
    sample: npt.NDArray[np.float64], n_clusters: int, rng: np.random.Generator, *, iterations: int = 10
) -> npt.NDArray[np.float64]:
    """Cluster centres of a sample by k-means++ and Lloyd: (clusters, bands).

    Fewer rows than `n_clusters` come back where the sample has fewer distinct values. Lloyd stops when the centres'
    squared movement falls below 1e-4 of the mean band variance, or after `iterations`.
    """
    by_band = np.ascontiguousarray(sample.T)
    centres = _spread_centres(by_band, rng.random(n_clusters))
    tolerance = 1e-4 * float(sample.var(axis=0).mean())
    return _lloyd(sample, by_band, centres, iterations, tolerance)


@njit(cache=True, nogil=True)
def _lower_to(nearest, by_band, centre, squared):  # type: ignore[no-untyped-def]
    """Lower each pixel's squared distance to the nearest centre by one more centre; `squared` is room for a block."""
    n_bands, n = by_band.shape
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        squared[:] = 0.0
        for b in range(n_bands):
            values = by_band[b, start : start + count]
            c = centre[b]
            for i in range(count):
                difference = values[i] - c
                squared[i] += difference * difference
        block = nearest[start : start + count]
        for i in range(count):
            block[i] = squared[i] if squared[i] < block[i] else block[i]


@njit(cache=True, nogil=True)
def _spread_centres(by_band, uniforms):  # type: ignore[no-untyped-def]
    """k-means++: each next centre drawn with probability proportional to the squared distance to the nearest so far."""
    n_bands, n = by_band.shape
    k = len(uniforms)
    centres = np.empty((k, n_bands))
    nearest = np.full(n, np.inf)
    squared = np.empty(_BLOCK)
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
            centres[c, b] = by_band[b, chosen]
        _lower_to(nearest, by_band, centres[c], squared)
    return centres


@njit(cache=True, nogil=True)
def _lloyd(sample, by_band, centres, iterations, tolerance):  # type: ignore[no-untyped-def]
    n, n_bands = sample.shape
    k = len(centres)
    members = np.ones(n, dtype=np.uint16)
    before = np.zeros(n, dtype=np.uint16)
    sums = np.zeros((k, n_bands))
    counts = np.zeros(k, dtype=np.int64)
    for _ in range(iterations):
        number_nearest(by_band, members, centres)
        for i in range(n):  # few pixels change their cluster after the first rounds
            if members[i] == before[i]:
                continue
            c = int(members[i]) - 1
            counts[c] += 1
            for b in range(n_bands):
                sums[c, b] += sample[i, b]
            if before[i] != 0:
                c = int(before[i]) - 1
                counts[c] -= 1
                for b in range(n_bands):
                    sums[c, b] -= sample[i, b]
            before[i] = members[i]
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
