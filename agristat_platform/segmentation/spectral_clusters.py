"""Spectral clusters, the seeds of the segments: the subsample they are fitted on and the nearest centre for every pixel.

Belongs here: valid pixels, the subsample, the cluster image. Fitting is in `kmeans`, the kernel that finds nearest
centres in `nearest_centres`; everything spatial comes after, in `clumps` and `elimination`.

All kernels run on one thread, in a fixed order, so that a seed gives the same clusters on any machine load; the
interpreter lock is released, so callers may run several images at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.nearest_centres import number_nearest


def valid_pixels(image: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Pixels that have a finite value other than `nodata` in every band: (rows × cols,) from (bands, rows × cols)."""
    valid = np.ones(image.shape[1], dtype=np.bool_)
    for band in image:
        if np.issubdtype(image.dtype, np.floating):
            valid &= np.isfinite(band)
        if nodata is not None:
            valid &= band != nodata
    return valid


def sample_pixels(
    image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], size: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """About `size` valid pixels spread evenly over the image: (pixels, bands).

    One pixel at random out of each run of equally many valid pixels: an even cover without the aliasing of a fixed
    stride with the raster's width.
    """
    available = int(np.count_nonzero(valid))
    if available <= size:
        return np.ascontiguousarray(image[:, valid].T, dtype=np.float64)
    edges = np.linspace(0, available, size + 1).astype(np.int64)
    ordinals = rng.integers(edges[:-1], edges[1:])
    return np.ascontiguousarray(image[:, _positions(valid, ordinals)].T, dtype=np.float64)


def assign_clusters(
    image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], centres: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Number of the nearest centre for every pixel: 1..k, 0 where not valid; ties go to the lower number.

    Distances are Euclidean in the units of the image. uint8 up to 255 centres, uint16 above.
    """
    clusters = valid.astype(np.uint8 if len(centres) <= 255 else np.uint16)
    number_nearest(image, clusters, np.ascontiguousarray(centres, dtype=np.float64))
    return clusters


@njit(cache=True, nogil=True)
def _positions(valid, ordinals):  # type: ignore[no-untyped-def]
    """Flat positions of the valid pixels with these ordinals (ascending)."""
    positions = np.empty(len(ordinals), dtype=np.int64)
    seen = 0
    k = 0
    for p in range(len(valid)):
        if valid[p]:
            while k < len(ordinals) and ordinals[k] == seen:
                positions[k] = p
                k += 1
            seen += 1
    return positions
