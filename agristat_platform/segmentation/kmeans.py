"""k-means: centres of a sample of pixels.

Belongs here: the start and Lloyd's iteration. The search for the nearest centre is in `nearest_centres`; which pixels are
the sample, and what the clusters are for, in `spectral_clusters`.

A start draws several pixels for each centre and keeps the one that lowers the sum of squared distances most. Starts are
made, tried for a few rounds and compared on a part of the sample; the best goes on there, and then on the whole sample.

Sources: Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++", the greedy start in
section 7.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.nearest_centres import number_nearest

# Pixels whose distances to a new centre are worked out side by side; their sums stay in the first-level cache.
_BLOCK = 512

# Starts, the rounds of Lloyd after which they are compared, and the pixels, at least, that they are made on.
_STARTS = 4
_TRIAL_ROUNDS = 5
_FEW = 5_000


def fit_clusters(
    sample: npt.NDArray[np.float64], n_clusters: int, rng: np.random.Generator, *, iterations: int = 100
) -> npt.NDArray[np.float64]:
    """Cluster centres of a sample by greedy k-means++, the best of four starts, and Lloyd: (clusters, bands).

    Fewer rows than `n_clusters` come back where the sample has fewer distinct values. Lloyd stops when the centres'
    squared movement falls below 1e-4 of the mean band variance, or after `iterations`.
    """
    drawn = rng.random((_STARTS, n_clusters, 2 + int(np.log(n_clusters))))
    tolerance = 1e-4 * float(sample.var(axis=0).mean())
    # Few pixels for many centres would be a start for themselves only.
    part = np.ascontiguousarray(sample[:: max(1, len(sample) // max(_FEW, 50 * n_clusters))])
    best, least = np.empty((0, sample.shape[1])), np.inf
    for uniforms in drawn:
        centres = _spread_centres(np.ascontiguousarray(part.T), uniforms)
        if len(centres) < n_clusters and len(part) < len(sample):  # the part has fewer distinct values
            part = sample
            centres = _spread_centres(np.ascontiguousarray(part.T), uniforms)
        inertia = _lloyd(part, np.ascontiguousarray(part.T), centres, _TRIAL_ROUNDS, tolerance)
        if len(centres) > len(best) or inertia < least:
            best, least = centres, inertia
    if len(part) < len(sample):
        _lloyd(part, np.ascontiguousarray(part.T), best, iterations, tolerance)
    _lloyd(sample, np.ascontiguousarray(sample.T), best, iterations, tolerance)
    return best


@njit(cache=True, nogil=True)
def _lower_by(nearest, by_band, centre, lowered):  # type: ignore[no-untyped-def]
    """Each pixel's squared distance to the nearest centre with one more centre, into `lowered`; returns their sum."""
    n_bands, n = by_band.shape
    squared = np.empty(_BLOCK)
    totals = np.zeros(_BLOCK)  # sums side by side: a single one would have every addition wait for the last
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        squared[:] = 0.0
        for b in range(n_bands):
            values = by_band[b, start : start + count]
            c = centre[b]
            for i in range(count):
                difference = values[i] - c
                squared[i] += difference * difference
        before = nearest[start : start + count]
        after = lowered[start : start + count]
        for i in range(count):
            after[i] = squared[i] if squared[i] < before[i] else before[i]
            totals[i] += after[i]
    return totals.sum()


@njit(cache=True, nogil=True)
def _spread_centres(by_band, uniforms):  # type: ignore[no-untyped-def]
    """Greedy k-means++: of `uniforms.shape[1]` pixels the one that lowers the sum of squared distances most.

    They are drawn with probability proportional to the squared distance to the nearest centre so far.
    """
    n_bands, n = by_band.shape
    k, candidates = uniforms.shape
    centres = np.empty((k, n_bands))
    nearest = np.full(n, np.inf)
    lowered = np.empty(n)
    best = np.empty(n)
    running = np.empty(n)
    centre = np.empty(n_bands)
    for c in range(k):
        if c > 0:
            total = 0.0
            for i in range(n):
                total += nearest[i]
                running[i] = total
            if total <= 0.0:
                return centres[:c].copy()
        least = np.inf
        for candidate in range(candidates if c > 0 else 1):
            if c == 0:
                chosen = min(int(uniforms[c, candidate] * n), n - 1)
            else:
                # The first whose running sum lies above is at a distance; rounding at the very end may leave none.
                target = min(uniforms[c, candidate] * running[-1], np.nextafter(running[-1], 0.0))
                chosen = np.searchsorted(running, target, side="right")
            for b in range(n_bands):
                centre[b] = by_band[b, chosen]
            total = _lower_by(nearest, by_band, centre, lowered)
            if total < least or candidate == 0:
                least = total
                centres[c] = centre
                best, lowered = lowered, best
        nearest, best = best, nearest
    return centres


@njit(cache=True, nogil=True)
def _lloyd(sample, by_band, centres, iterations, tolerance):  # type: ignore[no-untyped-def]
    """Move the centres, in place; returns the members' sum of squared distances to them."""
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
    squared = 0.0
    for i in range(n):
        for b in range(n_bands):
            squared += (sample[i, b] - centres[int(members[i]) - 1, b]) ** 2
    return squared
