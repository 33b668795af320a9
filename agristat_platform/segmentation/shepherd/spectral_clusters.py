"""Spectral clusters, the seeds of the segments: a subsample for k-means, then the nearest centre for every pixel.

Belongs here: which pixels count, the subsample, the cluster image, all from an image that is read strip by strip. Centres are
fitted in `kmeans`, the kernel that finds the nearest one is in `nearest_centres`; everything spatial comes after, in
`clumps` and `elimination`.

All kernels run on one thread, in a fixed order, so that a seed gives the same clusters on any machine load; the
interpreter lock is released, so callers may run several images at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.shepherd.image_strips import ImageStrips
from agristat_platform.segmentation.shepherd.nearest_centres import number_nearest


def valid_pixels(image: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Pixels that have a finite value other than `nodata` in every band: (rows × cols,) from (bands, rows × cols)."""
    valid = np.ones(image.shape[1], dtype=np.bool_)
    if nodata is not None and np.issubdtype(image.dtype, np.integer) and float(nodata).is_integer():
        nodata = int(nodata)  # comparing integers with a float would make floats of them all
    for band in image:
        if np.issubdtype(image.dtype, np.floating):
            valid &= np.isfinite(band)
        if nodata is not None:
            valid &= band != nodata
    return valid


def mark_valid_pixels(
    image: ImageStrips,
    nodata: float | None,
    clusters: npt.NDArray[Any],
    centres: npt.NDArray[np.float64] | None = None,
) -> int:
    """Write 1 over the number of every valid pixel, 0 over the others, and count the valid ones.

    Parameters
    ----------
    image:
        Read once.
    nodata:
        Value that marks missing pixels, beside NaN and what the reader masks.
    clusters:
        (rows × cols,) unsigned integers, changed in place.
    centres:
        Known already: clusters are numbered in the same pass, as by `assign_clusters`.
    """
    available = 0
    for strip in image.strips("valid pixels"):
        valid = valid_pixels(strip.pixels, nodata)
        if strip.masked is not None:
            valid &= ~strip.masked
        here = clusters[strip.top * image.cols : strip.bottom * image.cols]
        here[:] = valid
        available += int(np.count_nonzero(valid))
        if centres is not None:
            number_nearest(strip.pixels, here, centres)
    return available


def sample_pixels(
    image: ImageStrips, valid: npt.NDArray[Any], available: int, size: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """About `size` valid pixels spread evenly over the image: (pixels, bands).

    One pixel at random out of each run of equally many valid pixels: an even cover without the aliasing of a fixed
    stride with the raster's width.

    Parameters
    ----------
    image:
        Read once.
    valid:
        (rows × cols,) unsigned integers, 0 = not valid.
    available:
        Number of valid pixels.
    size:
        Number of pixels wanted; all of them where fewer are valid.
    rng:
        Drawn from where fewer than all are wanted.
    """
    if available <= size:
        ordinals = np.arange(available)
    else:
        edges = np.linspace(0, available, size + 1).astype(np.int64)
        ordinals = rng.integers(edges[:-1], edges[1:])
    sample = np.empty((len(ordinals), image.bands))
    before = 0
    for strip in image.strips("sample"):
        here = valid[strip.top * image.cols : strip.bottom * image.cols]
        after = before + int(np.count_nonzero(here))
        part = slice(*np.searchsorted(ordinals, [before, after]))
        sample[part] = strip.pixels[:, _positions(here, ordinals[part] - before)].T
        before = after
    return sample


def assign_clusters(image: ImageStrips, clusters: npt.NDArray[Any], centres: npt.NDArray[np.float64]) -> None:
    """Write the number of the nearest centre, 1..k, over each pixel's number that is not 0; ties go to the lower number.

    Distances are Euclidean in the units of the image, which is read once; `clusters` is (rows × cols,) unsigned
    integers that can hold k, changed in place; `centres` is (k, bands), contiguous.
    """
    for strip in image.strips("clusters"):
        number_nearest(strip.pixels, clusters[strip.top * image.cols : strip.bottom * image.cols], centres)


@njit(cache=True, nogil=True)
def _positions(valid, ordinals):  # type: ignore[no-untyped-def]
    """Flat positions of the valid pixels with these ordinals (ascending)."""
    positions = np.empty(len(ordinals), dtype=np.int64)
    seen = 0
    k = 0
    for p in range(len(valid)):
        if valid[p] != 0:
            while k < len(ordinals) and ordinals[k] == seen:
                positions[k] = p
                k += 1
            seen += 1
    return positions
