"""The steps of the segmentation after Shepherd et al. 2019 in their order, on an image that is read strip by strip.

Belongs here: what is done between options and result. The functions that callers use are in `shepherd` and
`segment_files`, the kernels in `spectral_clusters`, `clumps`, `single_pixels`, `segment_sums`, `elimination`.

Only four things need the image: the sample that k-means is fitted on, the nearest centre of each pixel, the nearest
neighbour of single pixels, and the segments' sums. Each needs a pixel once, or it and its neighbours, so the image is
read by strips. Clumps and the order of elimination reach over the whole image, but need its labels alone, which are
held. The result is therefore the same whatever the strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import EmptyImageError
from agristat_platform.segmentation.shepherd.clumps import (
    close_gaps,
    clump,
    clump_up_to,
    renumber,
    segment_sizes,
    without_border,
)
from agristat_platform.segmentation.shepherd.elimination import eliminate_small_segments
from agristat_platform.segmentation.shepherd.image_strips import ImageStrips
from agristat_platform.segmentation.shepherd.kmeans import fit_clusters
from agristat_platform.segmentation.shepherd.options import ShepherdOptions, check_values, checked_centres
from agristat_platform.segmentation.shepherd.segment_sums import SegmentSums, add_to_sums, empty_sums
from agristat_platform.segmentation.shepherd.single_pixels import eliminate_single_pixels
from agristat_platform.segmentation.shepherd.spectral_clusters import assign_clusters, mark_valid_pixels, sample_pixels


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
    available = mark_valid_pixels(image, nodata, clusters, given)
    if available == 0:
        raise EmptyImageError(
            f"all {image.rows * image.cols} pixels of the image are nodata",
            remedy="Check the composite's valid share and the nodata value",
        )
    if given is None:
        centres = _fitted(image, clusters, available, options)
        assign_clusters(image, clusters, np.ascontiguousarray(centres))
    else:
        centres = given
    max_distance = automatic_max_distance(centres) if options.max_distance == "auto" else options.max_distance
    labels, n_clumps = clumps_of(clusters.reshape(image.rows, image.cols), options)
    del clusters  # elimination needs the most memory and none of this
    image.reached("clumps")
    return eliminated(image, labels, n_clumps, options, max_distance, centres)


def _fitted(
    image: ImageStrips, valid: npt.NDArray[Any], available: int, options: ShepherdOptions
) -> npt.NDArray[np.float64]:
    """Cluster centres of a sample of the valid pixels; the sample is held no longer."""
    rng = np.random.default_rng(options.seed)
    sample = sample_pixels(image, valid, available, options.sample_of(available), rng)
    check_values(sample)
    centres = fit_clusters(sample, options.n_clusters, rng)
    image.reached("k-means")
    return centres


def automatic_max_distance(centres: npt.NDArray[np.float64]) -> float:
    """Median Euclidean distance between pairs of cluster centres (k, bands); 0.0 for a single centre."""
    first, second = np.triu_indices(len(centres), k=1)
    if len(first) == 0:
        return 0.0
    return float(np.median(np.linalg.norm(centres[first] - centres[second], axis=1)))


def clumps_of(clusters: npt.NDArray[Any], options: ShepherdOptions) -> tuple[npt.NDArray[np.uint32], int]:
    """Clumps of a cluster image (rows, cols) as flat labels with a border of nodata, and their number."""
    if options.max_clump_pixels is None:
        return clump(clusters, options.eight)
    return clump_up_to(clusters, options.eight, options.max_clump_pixels)


def _sums(image: ImageStrips, labels: npt.NDArray[np.uint32], sizes: npt.NDArray[np.uint32]) -> SegmentSums:
    """Sums of bands over segments, each added up in the order of the raster."""
    for strip in image.strips("sums"):
        if strip.top == 0:  # the image's type is known from its first strip
            sums = empty_sums(sizes, image.bands, strip.pixels.dtype)
        add_to_sums(strip.pixels, labels, strip.top, image.cols, sums)
    return sums


def eliminated(
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
    # A product, not a power: where the square is beyond double precision it is infinite, which is no limit.
    limit = np.inf if max_distance is None else float(max_distance) * float(max_distance)
    min_pixels = min(int(options.min_pixels), image.rows * image.cols + 1)  # elimination goes through all sizes below
    small = eliminate_small_segments(labels, sums, sizes, min_pixels, limit, image.cols + 2, options.eight)
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
