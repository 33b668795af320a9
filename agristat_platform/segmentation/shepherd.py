"""Segmentation of an image after Shepherd et al. 2019: the steps in order, and the result.

Belongs here: `segment_image`, `segment_strips` and `segment_clusters`; rasters as files are in `segment_files`. The kernels are
in `spectral_clusters`, `clumps`, `single_pixels`, `elimination`; options in `shepherd_options`.

Only four things need the image: the sample that k-means is fitted on, the nearest centre of each pixel, the nearest
neighbour of single pixels, and the segments' sums. Each needs a pixel once, or it and its neighbours, so the image is
read by strips. Clumps and the order of elimination reach over the whole image, but need its labels alone, which are
held. The result is therefore the same whatever the strips.

Source: Shepherd, Bunting and Dymond 2019, "Operational large-scale segmentation of imagery based on iterative
elimination", Remote Sensing 11(6), 658, https://doi.org/10.3390/rs11060658.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.clumps import (
    close_gaps,
    clump,
    clump_up_to,
    renumber,
    segment_sizes,
    without_border,
)
from agristat_platform.segmentation.elimination import eliminate_small_segments
from agristat_platform.segmentation.errors import EmptyImageError
from agristat_platform.segmentation.image_strips import ImageStrips, Progress, ReadRows, image_strips
from agristat_platform.segmentation.kmeans import fit_clusters
from agristat_platform.segmentation.segment_sums import SegmentSums, add_to_sums, empty_sums
from agristat_platform.segmentation.shepherd_options import ShepherdOptions, checked_centres, checked_clusters
from agristat_platform.segmentation.single_pixels import eliminate_single_pixels
from agristat_platform.segmentation.spectral_clusters import (
    assign_clusters,
    mark_valid_pixels,
    sample_pixels,
)


@dataclass(frozen=True)
class SegmentationResult:
    """Segments of one image.

    Attributes
    ----------
    labels:
        (rows, cols) uint32; 0 = nodata, segments 1..n without gaps, numbered in the raster order of their first pixel.
    cluster_centres:
        (n_clusters, bands) float64 in the units of the image; fewer rows where the image has fewer distinct values.
    max_distance:
        Largest spectral distance between means that elimination could bridge, in the units of the image.
    pixels:
        (n,) int64, pixels of segment k + 1.
    single_pixels_eliminated, small_segments_eliminated:
        What each step merged away.
    """

    labels: npt.NDArray[np.uint32]
    cluster_centres: npt.NDArray[np.float64]
    max_distance: float
    pixels: npt.NDArray[np.int64]
    single_pixels_eliminated: int
    small_segments_eliminated: int

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.pixels)


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
    sample_size: int = 20_000,
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
        Pixels that k-means is fitted on.
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
    sample_size: int = 20_000,
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


def segmented(
    image: ImageStrips,
    nodata: float | None,
    options: ShepherdOptions,
    cluster_centres: npt.NDArray[np.floating[Any]] | None,
) -> SegmentationResult:
    """All steps, on whatever gives the strips; raises as `segment_strips`."""
    given = None if cluster_centres is None else checked_centres(cluster_centres, image.bands)
    n_clusters = options.n_clusters if given is None else len(given)
    clusters = np.zeros(image.rows * image.cols, dtype=np.uint8 if n_clusters <= 255 else np.uint16)
    available = mark_valid_pixels(image, nodata, clusters)
    if available == 0:
        raise EmptyImageError(
            f"all {image.rows * image.cols} pixels of the image are nodata",
            remedy="Check the composite's valid share and the nodata value",
        )
    if given is None:
        rng = np.random.default_rng(options.seed)
        sample = sample_pixels(image, clusters, available, options.sample_size, rng)
        centres = fit_clusters(sample, options.n_clusters, rng)
        image.reached("k-means")
    else:
        centres = given
    assign_clusters(image, clusters, centres)
    max_distance = automatic_max_distance(centres) if options.max_distance == "auto" else options.max_distance
    labels, n_clumps = _clumps(clusters.reshape(image.rows, image.cols), options)
    del clusters  # elimination needs the most memory and none of this
    image.reached("clumps")
    return _eliminated(image, labels, n_clumps, options, max_distance, centres)


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
    strips = image_strips(image)
    options = ShepherdOptions(
        min_pixels=min_pixels, max_distance=max_distance, connectivity=connectivity, max_clump_pixels=max_clump_pixels
    )
    labels, n_clumps = _clumps(checked_clusters(clusters, strips.rows, strips.cols), options)
    centres = np.empty((0, strips.bands)) if cluster_centres is None else cluster_centres
    return _eliminated(strips, labels, n_clumps, options, max_distance, centres)


def automatic_max_distance(centres: npt.NDArray[np.float64]) -> float:
    """Median Euclidean distance between pairs of cluster centres (k, bands); 0.0 for a single centre."""
    first, second = np.triu_indices(len(centres), k=1)
    if len(first) == 0:
        return 0.0
    return float(np.median(np.linalg.norm(centres[first] - centres[second], axis=1)))


def _clumps(clusters: npt.NDArray[Any], options: ShepherdOptions) -> tuple[npt.NDArray[np.uint32], int]:
    if options.max_clump_pixels is None:
        return clump(clusters, options.eight)
    return clump_up_to(clusters, options.eight, options.max_clump_pixels)


def _sums(image: ImageStrips, labels: npt.NDArray[np.uint32], sizes: npt.NDArray[np.uint32]) -> SegmentSums:
    for strip in image.strips("sums"):
        if strip.top == 0:  # the image's type is known from its first strip
            sums = empty_sums(sizes, image.bands, strip.pixels.dtype)
        add_to_sums(strip.pixels, labels, strip.top, image.cols, sums)
    return sums


def _eliminated(
    image: ImageStrips,
    labels: npt.NDArray[np.uint32],
    n_clumps: int,
    options: ShepherdOptions,
    max_distance: float | None,
    centres: npt.NDArray[np.float64],
) -> SegmentationResult:
    """What elimination makes of clumps; `labels` (flat, with a border of nodata) is used up."""
    sizes = segment_sizes(labels, n_clumps)
    singles = eliminate_single_pixels(image, labels, sizes, options.eight)
    # Gaps are closed before sums are made: single pixels are most of the clumps of a noisy image.
    sizes = close_gaps(labels, sizes)
    sums = _sums(image, labels, sizes)
    limit = np.inf if max_distance is None else float(max_distance) ** 2
    small = eliminate_small_segments(labels, sums, sizes, options.min_pixels, limit, image.cols + 2, options.eight)
    del sums
    image.reached("small segments")
    pixels = renumber(labels, sizes)
    return SegmentationResult(
        labels=without_border(labels, image.rows, image.cols),
        cluster_centres=centres,
        max_distance=float("inf") if max_distance is None else float(max_distance),
        pixels=pixels,
        single_pixels_eliminated=singles,
        small_segments_eliminated=int(small),
    )
