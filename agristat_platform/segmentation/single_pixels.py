"""Elimination of single pixels into the larger segment of the spectrally nearest neighbouring pixel.

Belongs here: the first elimination step of Shepherd et al. 2019 (section 2.3). Segments of more pixels are the business
of `elimination`.

In a noisy image most clumps are single pixels, so the first round works out the distances of whole rows, in vectors,
and chooses without branches; the few pixels of later rounds are looked at one by one. Both add up bands in the same
order in double precision.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _single_pixels(labels, sizes):  # type: ignore[no-untyped-def]
    """Places of the pixels that are a segment by themselves; written without branches, which would be a coin's toss."""
    count = 0
    for p in range(len(labels)):
        count += sizes[labels[p]] == 1
    pixels = np.empty(count + 1, dtype=np.uint32)
    count = 0
    for p in range(len(labels)):
        pixels[count] = p
        count += sizes[labels[p]] == 1
    return pixels[:count]


@njit(cache=True, nogil=True)
def _row_distances(image, start, step, count, distances):  # type: ignore[no-untyped-def]
    """Squared distance of each of `count` pixels from `start` on to the pixel `step` further: all of a row at once."""
    for i in range(count):
        distances[i] = 0.0
    for b in range(len(image)):
        here = image[b, start : start + count]
        there = image[b, start + step : start + step + count]
        for i in range(count):
            difference = np.float64(here[i]) - np.float64(there[i])
            distances[i] += difference * difference


@njit(cache=True, nogil=True)
def _fill_row(image, row, rows, cols, eight, below):  # type: ignore[no-untyped-def]
    """Distances from a row's pixels to their later neighbours: right, lower left, below, lower right.

    Entry c + 1 of a line belongs to the pixel in column c of this row.
    """
    start = row * cols
    _row_distances(image, start, 1, cols - 1, below[0, 1:])
    if row + 1 < rows:
        _row_distances(image, start, cols, cols, below[2, 1:])
        if eight:
            _row_distances(image, start + 1, cols - 1, cols - 1, below[1, 2:])
            _row_distances(image, start, cols + 1, cols - 1, below[3, 1:])


@njit(cache=True, nogil=True)
def _choose_by_rows(image, pixels, labels, sizes, cols, eight, targets):  # type: ignore[no-untyped-def]
    """As `_choose_pixels` for pixels that lie close, as in the first round: distances of whole rows, in vectors."""
    width = cols + 2
    rows = len(labels) // width - 2
    above = np.empty((4, width))
    below = np.empty((4, width))
    done = -2
    for k in range(len(pixels)):
        p = int(pixels[k])
        row, c = p // width - 1, p % width
        if row != done:
            if row != done + 1 and row > 0:
                _fill_row(image, row - 1, rows, cols, eight, below)
            above, below = below, above
            _fill_row(image, row, rows, cols, eight, below)
            done = row
        target = np.uint32(0)
        best = np.inf
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                if (dr == 0 and dc == 0) or (not eight and dr != 0 and dc != 0):
                    continue
                label = labels[p + dr * width + dc]
                if dr < 0:
                    distance = above[2 - dc, c + dc]
                elif dr > 0:
                    distance = below[2 + dc, c]
                else:
                    distance = below[0, c + min(dc, 0)]
                nearer = (sizes[label] > 1) & (distance < best)
                best = distance if nearer else best
                target = label if nearer else target
        targets[k] = target


@njit(cache=True, nogil=True)
def _choose_pixels(image, pixels, labels, sizes, cols, eight, targets):  # type: ignore[no-untyped-def]
    width = cols + 2
    for k in range(len(pixels)):
        p = int(pixels[k])
        targets[k] = 0
        best = np.inf
        here = (p // width - 1) * cols + p % width - 1
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                if not eight and dr != 0 and dc != 0:
                    continue
                label = labels[p + dr * width + dc]
                if sizes[label] < 2:
                    continue
                there = here + dr * cols + dc
                distance = 0.0
                for b in range(len(image)):
                    difference = np.float64(image[b, here]) - np.float64(image[b, there])
                    distance += difference * difference
                if distance < best:
                    best = distance
                    targets[k] = label


@njit(cache=True, nogil=True)
def eliminate_single_pixels(image, labels, sizes, cols, eight):  # type: ignore[no-untyped-def]
    """Give each one-pixel segment to its spectrally nearest neighbouring pixel in a larger segment, in place.

    Parameters
    ----------
    image : (bands, rows × cols), any numeric type
    labels : ((rows + 2) × (cols + 2),) uint32 with a border of nodata, changed in place
    sizes : (segments + 1,) int64, changed in place; emptied segments and nodata get 0
    cols : number of columns, border left out
    eight : neighbours also over corners

    Returns
    -------
    Number of pixels that changed segment. Single pixels without a larger neighbour stay.
    """
    sizes[0] = 0  # nodata is nobody's neighbour
    pixels = _single_pixels(labels, sizes)
    targets = np.empty(len(pixels), dtype=np.uint32)
    pending = len(pixels)
    eliminated = 0
    while pending > 0:
        if eliminated == 0:
            _choose_by_rows(image, pixels, labels, sizes, cols, eight, targets)
        else:
            _choose_pixels(image, pixels[:pending], labels, sizes, cols, eight, targets)
        kept = 0
        for k in range(pending):
            if targets[k] != 0:
                p = int(pixels[k])
                sizes[labels[p]] = 0
                labels[p] = targets[k]
                sizes[targets[k]] += 1
            else:
                pixels[kept] = pixels[k]
                kept += 1
        eliminated += pending - kept
        if kept == pending:
            break
        pending = kept
    return eliminated
