"""Segmentation of an image after Shepherd et al. 2019.

Belongs here: `segment_image`, `segment_strips` and `segment_clusters`, and what their options mean. Rasters in files are in
`segment_files`, the steps in `steps`.

Source: Shepherd, Bunting and Dymond 2019, "Operational large-scale segmentation of imagery based on iterative
elimination", Remote Sensing 11(6), 658, https://doi.org/10.3390/rs11060658.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import SegmentationOptionError
from agristat_platform.segmentation.shepherd.image_strips import ImageStrips, Progress, ReadRows, image_strips
from agristat_platform.segmentation.shepherd.options import ShepherdOptions, checked_clusters
from agristat_platform.segmentation.shepherd.steps import SegmentationResult, clumps_of, eliminated, segmented


def segment_image(
    image: npt.NDArray[Any],
    *,
    n_clusters: int = 60,
    min_pixels: int = 20,
    max_distance: float | Literal["auto"] | None = "auto",
    nodata: float | None = None,
    connectivity: int = 4,
    max_clump_pixels: int | None = None,
    seed: int = 0,
    sample_size: int | None = None,
    cluster_centres: npt.NDArray[np.floating[Any]] | None = None,
) -> SegmentationResult:
    """Cut an image into segments of similar spectra (Shepherd et al. 2019).

    k-means clusters on a subsample; connected pixels of one cluster become clumps; single pixels go to the
    spectrally nearest neighbouring pixel; clumps below `min_pixels` go, smallest first, to the larger neighbour whose
    mean is nearest. Same image, options and seed give the same labels, whatever the threads.

    Parameters
    ----------
    image:
        (bands, rows, cols), integer or floating. Spectral distance is Euclidean over the bands in these units, so
        bands should share a scale. A pixel with NaN, infinity or `nodata` in any band is nodata, and so is one that
        is masked in any band of a masked array.
    n_clusters:
        k of k-means; 2..65535.
    min_pixels:
        Size of the smallest segment that is not eliminated. Smaller ones remain where no larger neighbour lies within
        `max_distance`, or none lies beside them at all.
    max_distance:
        Largest distance between means that elimination may bridge (image units); "auto": the median distance between
        cluster centres; None: no limit. Single pixels are eliminated whatever the distance, as published.
    nodata:
        Value that marks missing pixels, beside NaN.
    connectivity:
        4 (edges) or 8 (edges and corners).
    max_clump_pixels:
        Size at which a clump stops growing and what is left of it begins another; None: clumps are whole. 10000 gives
        the labels of pyshepseg, which cuts there.
    seed:
        Of the subsample and of k-means++.
    sample_size:
        Pixels that k-means is fitted on; None: a hundredth of the valid ones, within 2,500 (40 a cluster where there are
        many) and 20,000.
    cluster_centres:
        (k, bands) centres fitted elsewhere, so that several images share their clusters; `n_clusters`, `seed` and
        `sample_size` are then unused.

    Raises
    ------
    ImageShapeError
        The image is not (bands, rows, cols), is empty, not numeric, or the centres have another number of bands.
    EmptyImageError
        Every pixel is nodata.
    TooManySegmentsError
        More pixels than 32-bit segment numbers.
    SegmentationOptionError
        An option is outside its range.
    """
    options = ShepherdOptions(n_clusters, min_pixels, max_distance, connectivity, max_clump_pixels, seed, sample_size)
    return segmented(image_strips(image), nodata, options, cluster_centres)


def segment_strips(
    read: ReadRows,
    shape: tuple[int, int, int],
    *,
    rows_per_strip: int = 512,
    n_clusters: int = 60,
    min_pixels: int = 20,
    max_distance: float | Literal["auto"] | None = "auto",
    nodata: float | None = None,
    connectivity: int = 4,
    max_clump_pixels: int | None = None,
    seed: int = 0,
    sample_size: int | None = None,
    cluster_centres: npt.NDArray[np.floating[Any]] | None = None,
    progress: Progress | None = None,
) -> SegmentationResult:
    """`segment_image` of an image that is never held as a whole; the labels are the same, byte for byte.

    Held are two strips, the labels (4 bytes a pixel) and what elimination needs of each segment.

    Parameters
    ----------
    read:
        Gives the rows of a slice (start, stop) as (bands, rows, cols), of one type throughout; a masked array says
        what is missing. It is asked from the top to the bottom, without overlap, up to five times (three with
        `cluster_centres`), and must give the same each time.
    shape:
        (bands, rows, cols) of the whole image.
    rows_per_strip:
        Rows held at a time. Changes no label.
    n_clusters, min_pixels, max_distance, nodata, connectivity, max_clump_pixels, seed, sample_size, cluster_centres:
        As in `segment_image`.
    progress:
        Called with the step and the share of all work that is done, 0 to 1.

    Raises
    ------
    ImageShapeError
        As in `segment_image`, and where a strip differs from `shape` or in type from those before.
    EmptyImageError, TooManySegmentsError, SegmentationOptionError
        As in `segment_image`; too many pixels are refused before any is read.
    """
    options = ShepherdOptions(n_clusters, min_pixels, max_distance, connectivity, max_clump_pixels, seed, sample_size)
    return segmented(ImageStrips(read, shape, rows_per_strip, progress), nodata, options, cluster_centres)


def segment_clusters(
    clusters: npt.NDArray[np.unsignedinteger[Any]],
    image: npt.NDArray[Any],
    *,
    min_pixels: int = 20,
    max_distance: float | None = None,
    connectivity: int = 4,
    max_clump_pixels: int | None = None,
    cluster_centres: npt.NDArray[np.float64] | None = None,
) -> SegmentationResult:
    """The spatial part of `segment_image`, on a cluster image made before.

    Parameters
    ----------
    clusters:
        (rows, cols) whole numbers, 0 = nodata.
    image:
        (bands, rows, cols); its values must be finite wherever `clusters` is not 0.
    min_pixels, max_distance, connectivity, max_clump_pixels:
        As in `segment_image`; None: no limit.
    cluster_centres:
        Passed on to the result; an empty array there when None.

    Raises
    ------
    ImageShapeError
        Cluster image and image lie on different grids, or the clusters are not whole numbers from 0.
    TooManySegmentsError, SegmentationOptionError
        As in `segment_image`.
    """
    if isinstance(max_distance, str):
        raise SegmentationOptionError(
            f"max_distance is {max_distance!r}",
            remedy="Give None or a number; automatic_max_distance has that of cluster centres",
        )
    strips = image_strips(image)
    options = ShepherdOptions(
        min_pixels=min_pixels, max_distance=max_distance, connectivity=connectivity, max_clump_pixels=max_clump_pixels
    )
    labels, n_clumps = clumps_of(checked_clusters(clusters, strips.rows, strips.cols), options)
    centres = np.empty((0, strips.bands)) if cluster_centres is None else cluster_centres
    return eliminated(strips, labels, n_clumps, options, max_distance, centres)
