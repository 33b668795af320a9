"""Elimination of single pixels into the larger segment of the spectrally nearest neighbouring pixel.

Belongs here: the first elimination step of Shepherd et al. 2019 (section 2.3). Segments of more pixels are the business
of `elimination`.

Which neighbour is nearest does not change while single pixels are eliminated, only which neighbours lie in a larger
segment does. So the image is gone through once, strip by strip, to put each single pixel's neighbours in order; the
rounds of elimination need that order alone. In a noisy image most clumps are single pixels, so distances are worked out
for whole rows, in vectors, bands added up in their order in double precision.

An order is kept in 32 bits, four for each neighbour from the nearest (lowest bits) on: 1 for the first neighbour counted
from the upper left, and so on; 0 ends it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.shepherd.clumps import neighbour_steps
from agristat_platform.segmentation.shepherd.image_strips import ImageStrips


def eliminate_single_pixels(
    image: ImageStrips, labels: npt.NDArray[np.uint32], sizes: npt.NDArray[np.uint32], eight: bool
) -> int:
    """Give each one-pixel segment to its spectrally nearest neighbouring pixel in a larger segment, in place.

    Parameters
    ----------
    image:
        Finite wherever a label is not 0; read once.
    labels:
        ((rows + 2) × (cols + 2),) with a border of nodata, changed in place.
    sizes:
        (segments + 1,), changed in place; emptied segments and nodata get 0.
    eight:
        Neighbours also over corners.

    Returns
    -------
    Number of pixels that changed segment. Single pixels without a larger neighbour stay.
    """
    sizes[0] = 0  # nodata is nobody's neighbour
    pixels = _single_pixels(labels, sizes)
    if len(pixels) == 0:
        return 0
    orders = _neighbour_orders(image, pixels, eight)
    return int(_join_single_pixels(pixels, orders, labels, sizes, neighbour_steps(image.cols + 2, eight)))


def _neighbour_orders(image: ImageStrips, pixels: npt.NDArray[np.uint32], eight: bool) -> npt.NDArray[np.uint32]:
    """The order of each pixel's neighbours.

    A strip's first row and the row before it have neighbours on both sides of the seam; they are looked at in a window
    of two rows from either side.
    """
    width = image.cols + 2
    orders = np.zeros(len(pixels), dtype=np.uint32)

    def order_rows(window: npt.NDArray[Any], top: int, first: int, end: int) -> None:
        """Rows first to end - 1, seen in a window that begins with row `top`."""
        if first < end:
            part = slice(*np.searchsorted(pixels, [(first + 1) * width, (end + 1) * width]))
            _order_neighbours(window, top, image.cols, pixels[part], eight, orders[part])

    above: npt.NDArray[Any] | None = None  # the last two rows before this strip
    for strip in image.strips("single pixels"):
        # The last row waits for the row below it.
        end = strip.bottom if strip.bottom == image.rows else strip.bottom - 1
        if above is None:
            order_rows(strip.pixels, strip.top, strip.top, end)
            above = strip.pixels[:, -2 * image.cols :].copy()
            continue
        seam = np.concatenate([above, strip.pixels[:, : 2 * image.cols]], axis=1)
        order_rows(seam, strip.top - above.shape[1] // image.cols, strip.top - 1, min(strip.top + 1, end))
        order_rows(strip.pixels, strip.top, strip.top + 1, end)
        above = np.concatenate([above, strip.pixels[:, -2 * image.cols :]], axis=1)[:, -2 * image.cols :].copy()
    return orders


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
def _order_neighbours(image, top, cols, pixels, eight, orders):  # type: ignore[no-untyped-def]
    """Write the order of the neighbours of `pixels` (ascending), seen in an image that begins with row `top`.

    Neighbours on the border and of nodata are ordered by whatever is there: their labels are 0, which nothing joins.
    """
    width = cols + 2
    rows = image.shape[1] // cols
    above = np.full((4, width), np.inf)
    below = np.full((4, width), np.inf)
    distances = np.empty(8)
    done = -2
    for k in range(len(pixels)):
        p = int(pixels[k])
        row, c = p // width - 1 - top, p % width
        if row != done:
            if row != done + 1 and row > 0:
                _fill_row(image, row - 1, rows, cols, eight, below)
            above, below = below, above
            _fill_row(image, row, rows, cols, eight, below)
            done = row
        n = 0
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                if (dr == 0 and dc == 0) or (not eight and dr != 0 and dc != 0):
                    continue
                if dr < 0:
                    distance = above[2 - dc, c + dc]
                elif dr > 0:
                    distance = below[2 + dc, c]
                else:
                    distance = below[0, c + min(dc, 0)]
                distances[n] = distance if distance < np.inf else np.inf  # NaN is no distance either
                n += 1
        order = 0
        for i in range(n):
            place = 0  # neighbours that come before; of equally near ones the first met
            for j in range(i):
                place += distances[j] <= distances[i]
            for j in range(i + 1, n):
                place += distances[j] < distances[i]
            order |= (i + 1 if distances[i] < np.inf else 0) << (4 * place)
        orders[k] = order


@njit(cache=True, nogil=True)
def _join_single_pixels(pixels, orders, labels, sizes, steps):  # type: ignore[no-untyped-def]
    """Rounds of elimination: all choices of a round are made before the first pixel changes."""
    targets = np.empty(len(pixels), dtype=np.uint32)
    pending = len(pixels)
    eliminated = 0
    while pending > 0:
        for k in range(pending):
            p = int(pixels[k])
            order = int(orders[k])
            target = np.uint32(0)
            while order != 0:
                label = labels[p + steps[(order & 15) - 1]]
                if sizes[label] > 1:
                    target = label
                    break
                order >>= 4
            targets[k] = target
        kept = 0
        for k in range(pending):
            if targets[k] != 0:
                p = int(pixels[k])
                sizes[labels[p]] = 0
                labels[p] = targets[k]
                sizes[targets[k]] += 1
            else:
                pixels[kept] = pixels[k]
                orders[kept] = orders[k]
                kept += 1
        eliminated += pending - kept
        if kept == pending:
            break
        pending = kept
    return eliminated
