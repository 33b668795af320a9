"""Pixels before and after regions grow: their noise, the first regions, and the last word on pixels at boundaries.

Belongs here: what looks at single pixels. The merging of regions is in `graph`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

# Median of the smaller of two absolute differences x1 − x2 and x2 − x3 of standard normal variables, over √2.
_MEDIAN_OF_SMALLER = 0.3876762385914027
_SAMPLED_PIXELS = 200_000


def pixel_noise(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Standard deviation of the noise of each band, (bands,) in image units.

    From differences of horizontal and of vertical neighbours: of three in a row the smaller of the two differences, so
    that a boundary beside the middle one seldom counts, and of those the median, over its value for unit noise. The
    same from means of 2 × 2 pixels, doubled, is equal for independent pixels and larger where neighbours resemble each
    other (bands resampled from 20 m, texture); the larger of the two is taken. Of an integer image it is at least the
    rounding error 1/√12; of a floating one at least a millionth of the range, so that a noiseless image has a scale
    too. A large image is sampled in evenly spaced rows and columns.

    Parameters
    ----------
    image : (bands, rows, cols)
    valid : (rows, cols), pixels that count
    """
    noise = np.empty(len(image))
    for band, values in enumerate(image):
        estimate = 0.0
        for side in (1, 2):
            differences = np.concatenate(
                [_smaller_differences(values, valid, side), _smaller_differences(values.T, valid.T, side)]
            )
            if len(differences):
                estimate = max(estimate, side * float(np.median(differences)) / (np.sqrt(2) * _MEDIAN_OF_SMALLER))
        if np.issubdtype(image.dtype, np.integer):
            least = 1 / np.sqrt(12)
        else:
            seen = values[valid]
            least = 1e-6 * (float(seen.max()) - float(seen.min())) or 1.0
        noise[band] = max(estimate, least)
    return noise


def _smaller_differences(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.float64]:
    """The smaller difference to left and right of means of side × side pixels, from evenly spaced rows of them."""
    rows, cols = values.shape[0] // side, values.shape[1] // side
    if rows == 0 or cols < 3:
        return np.empty(0)
    step = max(1, rows * cols * side * side // _SAMPLED_PIXELS)
    lines = (np.arange(0, rows, step)[:, np.newaxis] * side + np.arange(side)).ravel()
    shape = (-1, side, cols, side)
    known = valid[lines, : cols * side]
    means = np.where(known, values[lines, : cols * side], 0).astype(np.float64).reshape(shape).mean(axis=(1, 3))
    differences = np.abs(np.diff(means, axis=1))
    whole: npt.NDArray[np.bool_] = np.asarray(known.reshape(shape).all(axis=(1, 3)))
    smaller: npt.NDArray[np.float64] = np.minimum(differences[:, 1:], differences[:, :-1])
    return smaller[whole[:, 2:] & whole[:, 1:-1] & whole[:, :-2]]


def noise_directions(
    image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], noise: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Matrix (bands, bands) that takes pixels (as rows, in image units) to directions in which noise is at most 1.

    Bands that vary together (an index and the bands it is made of, dates of one field) say one thing several times. The
    correlations of their noise, from the half of the differences between neighbouring 2 × 2 means that are smallest and
    hence within fields, give directions and variances; directions of variance above 1 are scaled down to 1. Those
    below stay as they are: how little noise they have is known too badly to trust their differences more.

    Parameters
    ----------
    image : (bands, rows, cols)
    valid : (rows, cols), pixels that count
    noise : (bands,) see `pixel_noise`
    """
    bands, rows, cols = len(image), valid.shape[0] // 2, valid.shape[1] // 2
    step = max(1, rows * cols * 4 // _SAMPLED_PIXELS)
    lines = (np.arange(0, rows, step)[:, np.newaxis] * 2 + np.arange(2)).ravel()
    known = valid[lines, : cols * 2]
    means = np.where(known, image[:, lines, : cols * 2], 0).astype(np.float64)
    means = means.reshape(bands, len(lines) // 2, 2, cols, 2)
    whole = np.asarray(known.reshape(len(lines) // 2, 2, cols, 2).all(axis=(1, 3)))
    differences = np.diff(means.mean(axis=(2, 4)), axis=2)[:, whole[:, 1:] & whole[:, :-1]] / noise[:, np.newaxis]
    correlations = np.eye(bands)
    if differences.shape[1] > 0:
        lengths = (differences**2).sum(axis=0)
        within = differences[:, lengths <= np.median(lengths)]
        # Not by a matrix product, whose sums may depend on the number of threads.
        covariances = np.einsum("ik,jk->ij", within, within)
        deviations = np.sqrt(np.diag(covariances))
        varies = np.outer(deviations, deviations) > 0
        correlations[varies] = covariances[varies] / np.outer(deviations, deviations)[varies]
    variances, directions = np.linalg.eigh(correlations)
    turned: npt.NDArray[np.float64] = directions / np.sqrt(np.maximum(variances, 1.0)) / noise[:, np.newaxis]
    return turned


@njit(cache=True, nogil=True)
def in_noise_units(image, valid, directions):  # type: ignore[no-untyped-def]
    """(pixels, bands) float32 of an image (bands, pixels): distance from the first valid pixel along `directions`."""
    n_bands, n_pixels = image.shape
    scaled = np.zeros((n_pixels, n_bands), dtype=np.float32)
    turn = directions.astype(np.float32)
    origin = 0
    while not valid[origin]:
        origin += 1
    for p in range(n_pixels):
        if valid[p]:
            row = scaled[p]
            for k in range(n_bands):
                value = np.float32(np.float64(image[k, p]) - np.float64(image[k, origin]))
                for m in range(n_bands):
                    row[m] += value * turn[k, m]
    return scaled


@njit(cache=True, nogil=True)
def first_regions(scaled, valid, rows, cols, limit):  # type: ignore[no-untyped-def]
    """Squares of 2 × 2 pixels where their sum of squares is within the noise, single pixels elsewhere.

    Parameters
    ----------
    scaled : (rows × cols, bands) float32 in noise
    valid : (rows × cols,) bool
    limit : largest sum of squared deviations from the square's mean; chi-squared with 3 × bands degrees of freedom
        where the square lies in one field

    Returns
    -------
    labels : (rows × cols,) uint32, 0 = nodata, 1..n
    means : (n, bands) float32
    sizes : (n,) float64
    """
    n_bands = scaled.shape[1]
    labels = np.zeros(rows * cols, dtype=np.uint32)
    whole = np.zeros(((rows + 1) // 2, (cols + 1) // 2), dtype=np.bool_)
    n = 0
    for i in range(0, rows, 2):
        for j in range(0, cols, 2):
            a = i * cols + j
            if i + 1 < rows and j + 1 < cols:
                b, c, d = a + 1, a + cols, a + cols + 1
                if valid[a] and valid[b] and valid[c] and valid[d]:
                    spread = np.float32(0.0)
                    for k in range(n_bands):
                        mean = np.float32(0.25) * (scaled[a, k] + scaled[b, k] + scaled[c, k] + scaled[d, k])
                        spread += (
                            (scaled[a, k] - mean) ** 2
                            + (scaled[b, k] - mean) ** 2
                            + (scaled[c, k] - mean) ** 2
                            + (scaled[d, k] - mean) ** 2
                        )
                    if spread <= limit:
                        whole[i // 2, j // 2] = True
                        n += 1
                        continue
            for r in range(i, min(i + 2, rows)):
                for s in range(j, min(j + 2, cols)):
                    n += valid[r * cols + s]
    means = np.empty((n, n_bands), dtype=np.float32)
    sizes = np.empty(n, dtype=np.float64)
    n = 0
    for p in range(rows * cols):
        if not valid[p] or labels[p] != 0:
            continue
        i, j = p // cols, p % cols
        if whole[i // 2, j // 2]:
            for k in range(n_bands):
                means[n, k] = np.float32(0.25) * (
                    scaled[p, k] + scaled[p + 1, k] + scaled[p + cols, k] + scaled[p + cols + 1, k]
                )
            sizes[n] = 4.0
            n += 1
            labels[p] = labels[p + 1] = labels[p + cols] = labels[p + cols + 1] = n
        else:
            for k in range(n_bands):
                means[n, k] = scaled[p, k]
            sizes[n] = 1.0
            n += 1
            labels[p] = n
    return labels, means, sizes


@njit(cache=True, nogil=True)
def follow(labels, numbers):  # type: ignore[no-untyped-def]
    """Relabel in place: region r (label r + 1) becomes label numbers[r] + 1."""
    for p in range(len(labels)):
        if labels[p] != 0:
            labels[p] = numbers[labels[p] - 1] + 1


@njit(cache=True, nogil=True)
def _cuts(ring, own, eight):  # type: ignore[no-untyped-def]
    """Whether the middle of a ring of eight labels holds its region together there.

    Yokoi's connectivity number (Yokoi, Toriwaki and Fukumura 1975) is 1 where the region stays connected without it.
    """
    number = 0
    for k in range(0, 8, 2):
        a, b, c = ring[k] == own, ring[k + 1] == own, ring[(k + 2) % 8] == own
        if eight:
            a, b, c = not a, not b, not c
        number += a and not (b and c)
    return number != 1


@njit(cache=True, nogil=True)
def refine_boundaries(scaled, labels, means, sizes, cols, min_pixels, per_side, eight):  # type: ignore[no-untyped-def]
    """One sweep in which each pixel at a boundary may go to a neighbouring region that fits it better, in place.

    A pixel's cost in a region is its squared distance from the region's mean plus `per_side` for every neighbour (of
    eight, those over corners count 1/√2) outside that region: iterated conditional modes (Besag 1986) of a Potts field.
    No pixel goes that would cut its region in two or leave less of it than `min_pixels`.

    Parameters
    ----------
    scaled : (rows × cols, bands) float32 in noise
    labels : (rows × cols,) uint32, changed in place
    means : (n, bands) float32; they stand during the sweep
    sizes : (n,) float64, changed in place
    cols : number of columns
    min_pixels, per_side, eight : see above

    Returns
    -------
    Number of pixels that moved.
    """
    n_pixels, n_bands = scaled.shape
    rows = n_pixels // cols
    moved = 0
    # Round the pixel from its right, sides at even places; 0 beyond the image.
    down = np.array([0, -1, -1, -1, 0, 1, 1, 1])
    right = np.array([1, 1, 0, -1, -1, -1, 0, 1])
    ring = np.zeros(8, dtype=np.uint32)
    corner = np.float32(0.70710678)
    for i in range(rows):
        for j in range(cols):
            p = i * cols + j
            own = labels[p]
            if own == 0:
                continue
            if (
                (j + 1 == cols or labels[p + 1] == own)
                and (j == 0 or labels[p - 1] == own)
                and (i == 0 or labels[p - cols] == own)
                and (i + 1 == rows or labels[p + cols] == own)
            ):
                continue
            if sizes[own - 1] <= min_pixels:
                continue
            for k in range(8):
                y, x = i + down[k], j + right[k]
                ring[k] = labels[y * cols + x] if 0 <= y < rows and 0 <= x < cols else 0
            if _cuts(ring, own, eight):
                continue
            best = own
            best_cost = np.float32(np.inf)
            for candidate in range(-2, 8, 2):
                # The present region first, then those that share a side.
                label = own if candidate < 0 else ring[candidate]
                if label == 0 or (candidate >= 0 and label == own):
                    continue
                cost = np.float32(0.0)
                for k in range(n_bands):
                    difference = scaled[p, k] - means[label - 1, k]
                    cost += difference * difference
                for k in range(8):
                    if ring[k] != 0 and ring[k] != label:
                        cost += per_side if k % 2 == 0 else per_side * corner
                if cost < best_cost:
                    best_cost = cost
                    best = label
            if best != own:
                labels[p] = best
                sizes[own - 1] -= 1
                sizes[best - 1] += 1
                moved += 1
    return moved
