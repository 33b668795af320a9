"""Texture within regions: how much their parts differ by more than the noise of single pixels explains.

Belongs here: its measurement on provisional regions. What it means for their merging is in `graph`.

Soil, moisture and vigour vary within a field over tens of metres, so the mean of n of its pixels does not come closer to
the field's as 1/n: its variance is 1/n + t in units of the noise, with t from the variance of the means of blocks. t is
taken along the directions of its own covariance, since texture lies in a few of them (more or less green, at all dates).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

# With fewer differences of blocks within regions there is no telling.
_LEAST_FREEDOM = 100


def region_texture(
    scaled: npt.NDArray[np.float32], labels: npt.NDArray[np.uint32], cols: int, side: int
) -> npt.NDArray[np.float64]:
    """Covariance (bands, bands) of the texture of regions in units of the noise, negative semidefinite parts set to 0.

    From the means of blocks around the mean of their region's blocks, less the share of the noise of single pixels.
    Pixels that touch another region over a side or corner are mixed and left out, and so are blocks of which no region
    has more than half. 0 where regions hold too few blocks to tell.

    Parameters
    ----------
    scaled : (rows × cols, bands) in units of the noise
    labels : (rows × cols,), 0 = nodata
    cols : number of columns
    side : of the blocks, pixels; the larger, the coarser the texture they see and the fewer regions hold any
    """
    bands = scaled.shape[1]
    region, pixels, means = block_means(scaled, labels, cols, side)
    _, of, count = np.unique(region, return_inverse=True, return_counts=True)
    freedom = int((count - 1).sum())
    if freedom < _LEAST_FREEDOM:
        return np.zeros((bands, bands))
    deviations = means.astype(np.float64)
    for band in range(bands):
        centre = np.bincount(of, weights=deviations[:, band]) / count
        deviations[:, band] -= centre[of]
    # Not by a matrix product, whose sums may depend on the number of threads.
    covariance = np.einsum("ij,ik->jk", deviations, deviations) / freedom
    shared = count[of] > 1
    covariance -= np.eye(bands) * (1.0 / pixels[shared]).mean()
    variances, directions = np.linalg.eigh(covariance)
    positive: npt.NDArray[np.float64] = np.einsum("ik,k,jk->ij", directions, np.maximum(variances, 0.0), directions)
    return positive


@njit(cache=True, nogil=True)
def block_means(scaled, labels, cols, side):  # type: ignore[no-untyped-def]
    """Means of the pixels of the region that has more than half of a block, mixed pixels left out.

    Parameters
    ----------
    scaled : (rows × cols, bands) float32
    labels : (rows × cols,) uint32, 0 = nodata
    cols : number of columns
    side : of a block, pixels; blocks cut off by the image's edge do not count

    Returns
    -------
    region : (n,) uint32, labels
    pixels : (n,) int64
    means : (n, bands) float32
    """
    rows = len(labels) // cols
    bands = scaled.shape[1]
    most = (rows // side) * (cols // side)
    region = np.empty(most, dtype=np.uint32)
    pixels = np.empty(most, dtype=np.int64)
    means = np.zeros((most, bands), dtype=np.float32)
    n = 0
    for top in range(0, rows - side + 1, side):
        for left in range(0, cols - side + 1, side):
            found = labels[top * cols + left]
            # Most blocks lie in one region, and so do their surroundings.
            even = _even(labels, top - 1, left - 1, side + 2, rows, cols)
            if not even:
                found = _candidate(labels, top, left, side, cols)
            if found == 0:
                continue
            count = 0
            for i in range(top, top + side):
                for j in range(left, left + side):
                    if even or (labels[i * cols + j] == found and _even(labels, i - 1, j - 1, 3, rows, cols)):
                        count += 1
                        for k in range(bands):
                            means[n, k] += scaled[i * cols + j, k]
            if 2 * count > side * side:
                region[n] = found
                pixels[n] = count
                for k in range(bands):
                    means[n, k] /= np.float32(count)
                n += 1
            else:
                for k in range(bands):
                    means[n, k] = 0.0
    return region[:n], pixels[:n], means[:n]


@njit(cache=True, nogil=True)
def _candidate(labels, top, left, side, cols):  # type: ignore[no-untyped-def]
    """The only label of a square that can have more than half of it, by the vote of Boyer and Moore 1981."""
    found, votes = labels[top * cols + left], 0
    for i in range(top, top + side):
        for j in range(left, left + side):
            label = labels[i * cols + j]
            if votes == 0:
                found, votes = label, 1
            elif label == found:
                votes += 1
            else:
                votes -= 1
    return found


@njit(cache=True, nogil=True)
def _even(labels, top, left, side, rows, cols):  # type: ignore[no-untyped-def]
    """Whether all pixels of a square that lie in the image have one label."""
    own = labels[max(top, 0) * cols + max(left, 0)]
    for y in range(max(top, 0), min(top + side, rows)):
        for x in range(max(left, 0), min(left + side, cols)):
            if labels[y * cols + x] != own:
                return False
    return True
