"""Clumps: connected pixels of one cluster, and the numbering of segments.

Belongs here: connected components and renumbering, both purely spatial. Nothing here looks at spectra.

Source of the component search: union-find with path halving (Tarjan and van Leeuwen 1984), the forest kept in the
label array itself.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _root(forest, p):  # type: ignore[no-untyped-def]
    while forest[p] != p:
        forest[p] = forest[forest[p]]
        p = forest[p]
    return p


@njit(cache=True, nogil=True)
def _join(forest, p, q):  # type: ignore[no-untyped-def]
    """One tree out of two; the earlier pixel becomes the root."""
    p = _root(forest, p)
    q = _root(forest, q)
    if p < q:
        forest[q] = p
    elif q < p:
        forest[p] = q


@njit(cache=True, nogil=True)
def clump(clusters, cols, eight):  # type: ignore[no-untyped-def]
    """Number connected pixels of equal cluster.

    Parameters
    ----------
    clusters : (rows × cols,) unsigned integers, 0 = nodata
    cols : number of columns
    eight : neighbours also over corners

    Returns
    -------
    labels : (rows × cols,) uint32, 0 = nodata, 1..n in the raster order of each clump's first pixel
    n : number of clumps
    """
    n_pixels = len(clusters)
    forest = np.empty(n_pixels, dtype=np.uint32)
    for p in range(n_pixels):
        forest[p] = p
        cluster = clusters[p]
        if cluster == 0:
            continue
        column = p % cols
        if column > 0 and clusters[p - 1] == cluster:
            _join(forest, p, p - 1)
        if p >= cols:
            if clusters[p - cols] == cluster:
                _join(forest, p, p - cols)
            if eight:
                if column > 0 and clusters[p - cols - 1] == cluster:
                    _join(forest, p, p - cols - 1)
                if column < cols - 1 and clusters[p - cols + 1] == cluster:
                    _join(forest, p, p - cols + 1)
    # A parent never comes after its child, so its final number is already in place when the child is reached.
    n_clumps = 0
    for p in range(n_pixels):
        if clusters[p] == 0:
            forest[p] = 0
        elif forest[p] == p:
            n_clumps += 1
            forest[p] = n_clumps
        else:
            forest[p] = forest[forest[p]]
    return forest, n_clumps


@njit(cache=True, nogil=True)
def segment_sizes(labels, n_segments):  # type: ignore[no-untyped-def]
    """Pixels of each segment: (n_segments + 1,) int64; entry 0 counts nodata."""
    sizes = np.zeros(n_segments + 1, dtype=np.int64)
    for p in range(len(labels)):
        sizes[labels[p]] += 1
    return sizes


@njit(cache=True, nogil=True)
def close_gaps(labels, sizes):  # type: ignore[no-untyped-def]
    """Renumber in place to 1..n keeping the order of the numbers; returns sizes (n + 1,) with entry 0 unused."""
    numbers = np.zeros(len(sizes), dtype=np.uint32)
    n = 0
    for s in range(1, len(sizes)):
        if sizes[s] > 0:
            n += 1
            numbers[s] = n
    closed = np.zeros(n + 1, dtype=np.int64)
    for s in range(1, len(sizes)):
        if sizes[s] > 0:
            closed[numbers[s]] = sizes[s]
    for p in range(len(labels)):
        labels[p] = numbers[labels[p]]
    return closed


@njit(cache=True, nogil=True)
def renumber(labels, sizes):  # type: ignore[no-untyped-def]
    """Renumber in place to 1..n in the raster order of first pixels; returns the pixels of each new segment (n,)."""
    numbers = np.zeros(len(sizes), dtype=np.uint32)
    used = 0
    for s in range(1, len(sizes)):
        if sizes[s] > 0:
            used += 1
    pixels = np.zeros(used, dtype=np.int64)
    n = 0
    for p in range(len(labels)):
        label = labels[p]
        if label != 0:
            if numbers[label] == 0:
                n += 1
                numbers[label] = n
                pixels[n - 1] = sizes[label]
            labels[p] = numbers[label]
    return pixels
