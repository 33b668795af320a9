"""Elimination of small segments into the spectrally nearest larger neighbour.

Belongs here: the second elimination step of Shepherd et al. 2019 (section 2.3), segments in increasing size by the
nearest segment mean. The first step is in `single_pixels`; clumping and numbering are in `clumps`.

Within one size all choices are made before the first merge is carried out, so that the result does not depend on the
order in which segments are visited; among equally near neighbours the first one met wins, going through the segment's
pixels in the order they joined and through each pixel's neighbours from the upper left.

Sums are float64 and therefore exact for integer images of up to 32 bits and less than 2**21 pixels to a segment, for
16 bits up to 2**37.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Segments of one size are gone over again while merges happen (a merge changes who is larger and how near); in
# practice two or three rounds settle it, the bound only keeps a pathological image linear.
_MAX_ROUNDS = 10


@njit(cache=True, nogil=True)
def segment_sums(image, labels, cols, n_segments):  # type: ignore[no-untyped-def]
    """Sum of every band over every segment: (n_segments + 1, bands) float64; row 0 stays zero.

    The image is (bands, rows × cols); the labels are flat and have a border of nodata one pixel wide.
    """
    n_bands, n_pixels = image.shape
    sums = np.zeros((n_segments + 1, n_bands))
    for row in range(n_pixels // cols):
        for column in range(cols):
            label = labels[(row + 1) * (cols + 2) + column + 1]
            if label != 0:
                for b in range(n_bands):
                    sums[label, b] += np.float64(image[b, row * cols + column])
    return sums


@njit(cache=True, nogil=True)
def _linked_pixels(labels, n_segments):  # type: ignore[no-untyped-def]
    """Each segment's pixels as a circular list in raster order: the pixel after each pixel, each segment's last one."""
    following = np.empty(len(labels), dtype=np.uint32)
    last = np.zeros(n_segments + 1, dtype=np.uint32)  # place 0 is a border pixel, so 0 means "none yet"
    for p in range(len(labels)):
        label = labels[p]
        if label == 0:
            continue
        if last[label] != 0:
            following[p] = following[last[label]]
            following[last[label]] = p
        else:
            following[p] = p
        last[label] = p
    return following, last


@njit(cache=True, nogil=True)
def _nearest_larger(s, labels, steps, following, last, sums, sizes, seen, stamp, mean, limit):  # type: ignore[no-untyped-def]
    """The larger neighbour with the nearest mean within the squared distance `limit`; 0 where there is none."""
    n_bands = sums.shape[1]
    size = sizes[s]
    for b in range(n_bands):
        mean[b] = sums[s, b] / size
    seen[s] = stamp
    best = np.uint32(0)
    best_distance = np.inf
    p = int(following[last[s]])
    for _ in range(size):
        for step in steps:
            label = labels[p + step]
            if seen[label] == stamp:
                continue
            seen[label] = stamp
            if label == 0 or sizes[label] <= size:
                continue
            distance = 0.0
            for b in range(n_bands):
                difference = mean[b] - sums[label, b] / sizes[label]
                distance += difference * difference
            if distance < best_distance:
                best_distance = distance
                best = label
        p = int(following[p])
    return best if best_distance <= limit else np.uint32(0)


@njit(cache=True, nogil=True)
def _merge(s, target, labels, following, last, sums, sizes):  # type: ignore[no-untyped-def]
    p = last[s]
    for _ in range(sizes[s]):
        p = following[p]
        labels[p] = target
    first = following[last[s]]
    following[last[s]] = following[last[target]]
    following[last[target]] = first
    last[target] = last[s]
    for b in range(sums.shape[1]):
        sums[target, b] += sums[s, b]
    sizes[target] += sizes[s]
    sizes[s] = 0


@njit(cache=True, nogil=True)
def _steps(width, eight):  # type: ignore[no-untyped-def]
    """Distances to the neighbours in a flat raster of this width, from the upper left to the lower right."""
    if eight:
        return np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    return np.array([-width, -1, 1, width])


@njit(cache=True, nogil=True)
def eliminate_small_segments(labels, sums, sizes, min_pixels, limit, width, eight):  # type: ignore[no-untyped-def]
    """Merge segments below `min_pixels` into the nearest larger neighbour, smallest size first, in place.

    Parameters
    ----------
    labels : (rows × width,) uint32 with a border of nodata one pixel wide, changed in place
    sums, sizes : (segments + 1, bands) float64 and (segments + 1,) int64, changed in place; emptied segments get size 0
    min_pixels : smallest size that is left alone
    limit : largest squared distance between means that may be merged
    width : number of columns, border included
    eight : neighbours also over corners

    Returns
    -------
    Number of segments merged away. Those without a larger neighbour within the limit stay.
    """
    n_segments = len(sizes) - 1
    following, last = _linked_pixels(labels, n_segments)
    steps = _steps(width, eight)
    seen = np.zeros(n_segments + 1, dtype=np.uint32)  # stamp of the last visit that met each segment
    stamp = np.uint32(0)
    mean = np.empty(sums.shape[1])
    small = np.flatnonzero((sizes > 0) & (sizes < min_pixels)).astype(np.uint32)
    if len(small) and small[0] == 0:
        small = small[1:]
    n_small = len(small)
    current = np.empty(n_small, dtype=np.uint32)
    targets = np.empty(n_small, dtype=np.uint32)
    eliminated = 0
    for size in range(1, min_pixels):
        # Those still to come; a list that shrinks keeps the total at pixels × log(min_pixels).
        n_current = 0
        kept = 0
        for k in range(n_small):
            s = small[k]
            if sizes[s] == size:
                current[n_current] = s
                n_current += 1
            elif size < sizes[s] < min_pixels:
                small[kept] = s
                kept += 1
        n_small = kept
        for _ in range(_MAX_ROUNDS):
            for k in range(n_current):
                if stamp == np.uint32(0xFFFFFFFF):
                    seen[:] = 0
                    stamp = np.uint32(0)
                stamp = np.uint32(stamp + np.uint32(1))
                targets[k] = _nearest_larger(
                    current[k], labels, steps, following, last, sums, sizes, seen, stamp, mean, limit
                )
            kept = 0
            for k in range(n_current):
                if targets[k] != 0:
                    _merge(current[k], targets[k], labels, following, last, sums, sizes)
                    eliminated += 1
                else:
                    current[kept] = current[k]
                    kept += 1
            if kept == n_current:
                break
            n_current = kept
    return eliminated
