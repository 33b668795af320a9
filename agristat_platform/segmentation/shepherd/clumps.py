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
def clump(clusters, eight):  # type: ignore[no-untyped-def]
    """Number connected pixels of equal cluster.

    Parameters
    ----------
    clusters : (rows, cols) unsigned integers, 0 = nodata
    eight : neighbours also over corners

    Returns
    -------
    labels : ((rows + 2) × (cols + 2),) uint32 with a border of nodata one pixel wide, which spares all later steps
        every question about edges; 0 = nodata, 1..n in the raster order of each clump's first pixel
    n : number of clumps
    """
    rows, cols = clusters.shape
    width = cols + 2
    forest = np.zeros((rows + 2) * width, dtype=np.uint32)
    for r in range(rows):
        for c in range(cols):
            cluster = clusters[r, c]
            if cluster == 0:
                continue
            p = (r + 1) * width + c + 1
            left = c > 0 and clusters[r, c - 1] == cluster
            up = r > 0 and clusters[r - 1, c] == cluster
            corner = r > 0 and c > 0 and clusters[r - 1, c - 1] == cluster
            if left:
                forest[p] = forest[p - 1]
                if up and not corner:  # with the corner the two are one tree already
                    _join(forest, p - 1, p - width)
            elif up:
                forest[p] = forest[p - width]
            else:
                forest[p] = p
            if eight and r > 0:
                if corner and not left and not up:
                    _join(forest, p, p - width - 1)
                if c < cols - 1 and not up and clusters[r - 1, c + 1] == cluster:
                    _join(forest, p, p - width + 1)
    # A parent never comes after its child, so its final number is already in place when the child is reached.
    n_clumps = 0
    for p in range(width, len(forest) - width):
        if forest[p] == p:
            n_clumps += 1
            forest[p] = n_clumps
        elif forest[p] != 0:
            forest[p] = forest[forest[p]]
    return forest, n_clumps


@njit(cache=True, nogil=True)
def clump_up_to(clusters, eight, max_pixels):  # type: ignore[no-untyped-def]
    """As `clump`, but a clump that has reached `max_pixels` grows no further and the rest of it begins another.

    Where the cuts fall depends on the order of the search: depth first from the first pixel in raster order, neighbours
    taken up column by column. It is that of pyshepseg, so that its labels can be reproduced; a clump ends up to three
    pixels (seven over corners) above `max_pixels`, the first one not being counted.
    """
    rows, cols = clusters.shape
    width = cols + 2
    labels = np.zeros((rows + 2) * width, dtype=np.uint32)
    waiting = np.empty(min(max_pixels + 9, rows * cols), dtype=np.uint32)
    n_clumps = 0
    for row in range(rows):
        for col in range(cols):
            cluster = clusters[row, col]
            first = (row + 1) * width + col + 1
            if cluster == 0 or labels[first] != 0:
                continue
            n_clumps += 1
            labels[first] = n_clumps
            waiting[0] = first
            n_waiting = 1
            taken = 0
            while n_waiting > 0 and taken < max_pixels:
                n_waiting -= 1
                p = int(waiting[n_waiting])
                for dc in range(-1, 2):
                    for dr in range(-1, 2):
                        r, c = p // width - 1 + dr, p % width - 1 + dc
                        q = p + dr * width + dc
                        if (
                            (eight or dr == 0 or dc == 0)
                            and 0 <= r < rows
                            and 0 <= c < cols
                            and clusters[r, c] == cluster
                            and labels[q] == 0
                        ):
                            labels[q] = n_clumps
                            taken += 1
                            waiting[n_waiting] = q
                            n_waiting += 1
    return labels, n_clumps


@njit(cache=True, nogil=True)
def neighbour_steps(width, eight):  # type: ignore[no-untyped-def]
    """Distances to the neighbours in a flat raster of this width, from the upper left to the lower right."""
    if eight:
        return np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    return np.array([-width, -1, 1, width])


@njit(cache=True, nogil=True)
def segment_sizes(labels, n_segments):  # type: ignore[no-untyped-def]
    """Pixels of each segment: (n_segments + 1,) uint32; entry 0 counts nodata."""
    sizes = np.zeros(n_segments + 1, dtype=np.uint32)
    for p in range(len(labels)):
        sizes[labels[p]] += 1
    return sizes


@njit(cache=True, nogil=True)
def close_gaps(labels, sizes):  # type: ignore[no-untyped-def]
    """Renumber in place to 1..n keeping the order of the numbers; returns sizes (n + 1,) with entry 0 unused.

    `sizes` is used up: the new numbers are written over it, and the new sizes counted, because two more arrays of all clumps
    would leave gaps in memory where elimination has no use for them.
    """
    n = 0
    sizes[0] = 0
    for s in range(1, len(sizes)):
        n += sizes[s] > 0
        sizes[s] = n if sizes[s] > 0 else 0
    for p in range(len(labels)):
        labels[p] = sizes[labels[p]]
    closed = segment_sizes(labels, n)
    closed[0] = 0
    return closed


@njit(cache=True, nogil=True)
def renumber(labels, sizes):  # type: ignore[no-untyped-def]
    """Renumber in place to 1..n in the raster order of first pixels; returns the pixels of each new segment (n,) int64."""
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


@njit(cache=True, nogil=True)
def without_border(labels, rows, cols):  # type: ignore[no-untyped-def]
    """Labels without their border as (rows, cols); rows move up in the same memory, a copy would be as large again."""
    for row in range(rows):
        for col in range(cols):
            labels[row * cols + col] = labels[(row + 1) * (cols + 2) + col + 1]
    return labels[: rows * cols].reshape((rows, cols))
