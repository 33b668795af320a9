"""Segmentation of an image after Shepherd et al. 2019: the steps in order, their options, and the result.

Belongs here: `segment_image` and `segment_clusters`. The kernels are in `spectral_clusters`, `clumps`, `single_pixels`, `elimination`.

Source: Shepherd, Bunting and Dymond 2019, "Operational large-scale segmentation of imagery based on iterative
elimination", Remote Sensing 11(6), 658, https://doi.org/10.3390/rs11060658.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.clumps import close_gaps, clump, clump_up_to, renumber, segment_sizes
from agristat_platform.segmentation.elimination import eliminate_small_segments, segment_sums
from agristat_platform.segmentation.errors import (
    EmptyImageError,
    ImageShapeError,
    SegmentationOptionError,
    TooManySegmentsError,
)
from agristat_platform.segmentation.single_pixels import eliminate_single_pixels
from agristat_platform.segmentation.spectral_clusters import (
    assign_clusters,
    fit_clusters,
    sample_pixels,
    valid_pixels,
)

MAX_PIXELS = 2**32 - 2

# Types the kernels take as they are; the rest is converted without loss to one of these.
_NATIVE = tuple(np.dtype(name) for name in ("uint8", "int16", "uint16", "float32", "float64"))


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
    masked = np.ma.getmask(image)
    image = _checked_image(image)
    _check_options(n_clusters, min_pixels, max_distance, connectivity, sample_size, max_clump_pixels)
    bands, rows, cols = image.shape
    flat = np.ascontiguousarray(image).reshape(bands, rows * cols)
    valid = valid_pixels(flat, nodata)
    if masked is not np.ma.nomask:
        valid &= ~masked.any(axis=0).reshape(rows * cols)
    if not valid.any():
        raise EmptyImageError(
            f"all {rows * cols} pixels of the image are nodata",
            remedy="Check the composite's valid share and the nodata value",
        )
    if cluster_centres is None:
        rng = np.random.default_rng(seed)
        centres = fit_clusters(sample_pixels(flat, valid, sample_size, rng), n_clusters, rng)
    else:
        centres = _checked_centres(cluster_centres, bands)
    clusters = assign_clusters(flat, valid, centres).reshape(rows, cols)
    del valid
    if max_distance == "auto":
        max_distance = automatic_max_distance(centres)
    labels, n_clumps = _clumps(clusters, connectivity, max_clump_pixels)
    del clusters  # elimination needs the most memory and none of this
    return _eliminated(image, labels, n_clumps, min_pixels, max_distance, connectivity, centres)


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
        (rows, cols) unsigned integers, 0 = nodata.
    image:
        (bands, rows, cols); its values must be finite wherever `clusters` is not 0.
    min_pixels, max_distance, connectivity, max_clump_pixels:
        As in `segment_image`; None: no limit.
    cluster_centres:
        Passed on to the result; an empty array there when None.

    Raises
    ------
    ImageShapeError
        Cluster image and image lie on different grids.
    TooManySegmentsError, SegmentationOptionError
        As in `segment_image`.
    """
    image = _checked_image(image)
    _check_options(2, min_pixels, max_distance, connectivity, 1, max_clump_pixels)
    bands, rows, cols = image.shape
    if clusters.shape != (rows, cols):
        raise ImageShapeError(
            f"cluster image {clusters.shape} and image {(rows, cols)} have different grids",
            remedy="Make both on the region's grid",
        )
    labels, n_clumps = _clumps(clusters, connectivity, max_clump_pixels)
    centres = np.empty((0, bands)) if cluster_centres is None else cluster_centres
    return _eliminated(image, labels, n_clumps, min_pixels, max_distance, connectivity, centres)


def _clumps(
    clusters: npt.NDArray[Any], connectivity: int, max_pixels: int | None
) -> tuple[npt.NDArray[np.uint32], int]:
    clusters = np.ascontiguousarray(clusters)
    if max_pixels is None:
        return clump(clusters, connectivity == 8)
    return clump_up_to(clusters, connectivity == 8, max_pixels)


def _eliminated(
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.uint32],
    n_clumps: int,
    min_pixels: int,
    max_distance: float | None,
    connectivity: int,
    centres: npt.NDArray[np.float64],
) -> SegmentationResult:
    """What elimination makes of clumps; `labels` (flat, with a border of nodata) is used up."""
    bands, rows, cols = image.shape
    flat = np.ascontiguousarray(image).reshape(bands, rows * cols)
    eight = connectivity == 8
    sizes = segment_sizes(labels, n_clumps)
    singles = eliminate_single_pixels(flat, labels, sizes, cols, eight)
    # Gaps are closed before sums are made: single pixels are most of the clumps of a noisy image.
    sizes = close_gaps(labels, sizes)
    sums = segment_sums(flat, labels, cols, len(sizes) - 1)
    limit = np.inf if max_distance is None else float(max_distance) ** 2
    small = eliminate_small_segments(labels, sums, sizes, min_pixels, limit, cols + 2, eight)
    del sums
    labels = labels.reshape(rows + 2, cols + 2)[1:-1, 1:-1].reshape(rows * cols)
    pixels = renumber(labels, sizes)
    return SegmentationResult(
        labels=labels.reshape(rows, cols),
        cluster_centres=centres,
        max_distance=float("inf") if max_distance is None else float(max_distance),
        pixels=pixels,
        single_pixels_eliminated=int(singles),
        small_segments_eliminated=int(small),
    )


def automatic_max_distance(centres: npt.NDArray[np.float64]) -> float:
    """Median Euclidean distance between pairs of cluster centres (k, bands); 0.0 for a single centre."""
    first, second = np.triu_indices(len(centres), k=1)
    if len(first) == 0:
        return 0.0
    return float(np.median(np.linalg.norm(centres[first] - centres[second], axis=1)))


def _checked_image(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    image = np.asarray(image)
    if image.ndim != 3 or 0 in image.shape:
        raise ImageShapeError(
            f"an image of shape {image.shape} cannot be segmented",
            remedy="Give (bands, rows, cols); a single band as image[np.newaxis]",
        )
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise ImageShapeError(
            f"an image of type {image.dtype} cannot be segmented", remedy="Give integers or floating-point numbers"
        )
    if (image.shape[1] + 2) * (image.shape[2] + 2) > MAX_PIXELS:
        raise TooManySegmentsError(
            f"{image.shape[1]} × {image.shape[2]} pixels are more than 32-bit segment numbers can hold ({MAX_PIXELS})",
            remedy="Segment the raster in tiles",
        )
    if image.dtype in _NATIVE:
        return image
    narrow = image.dtype in (np.dtype("int8"), np.dtype("float16"))
    return image.astype({"i": np.int16, "f": np.float32}[image.dtype.kind] if narrow else np.float64)


def _checked_centres(centres: npt.NDArray[Any], bands: int) -> npt.NDArray[np.float64]:
    centres = np.ascontiguousarray(centres, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[1] != bands or not 1 <= len(centres) <= 65535:
        raise ImageShapeError(
            f"cluster centres of shape {centres.shape} do not fit an image of {bands} bands",
            remedy="Give (clusters, bands) with 1 to 65535 clusters",
        )
    if not np.isfinite(centres).all():
        raise SegmentationOptionError("cluster centres are not all finite", remedy="Fit them on valid pixels only")
    return centres


def _check_options(
    n_clusters: int,
    min_pixels: int,
    max_distance: float | str | None,
    connectivity: int,
    sample_size: int,
    max_clump_pixels: int | None,
) -> None:
    if not 2 <= n_clusters <= 65535:
        raise SegmentationOptionError(f"n_clusters is {n_clusters}", remedy="Give a number from 2 to 65535")
    if min_pixels < 1:
        raise SegmentationOptionError(f"min_pixels is {min_pixels}", remedy="Give at least 1, which eliminates nothing")
    if connectivity not in (4, 8):
        raise SegmentationOptionError(f"connectivity is {connectivity}", remedy="Give 4 or 8")
    if sample_size < 1:
        raise SegmentationOptionError(f"sample_size is {sample_size}", remedy="Give at least 1 pixel")
    if max_clump_pixels is not None and not 1 <= max_clump_pixels <= MAX_PIXELS:
        raise SegmentationOptionError(
            f"max_clump_pixels is {max_clump_pixels}", remedy=f"Give None or a number from 1 to {MAX_PIXELS}"
        )
    if isinstance(max_distance, str):
        if max_distance != "auto":
            raise SegmentationOptionError(f"max_distance is {max_distance!r}", remedy='Give "auto", None or a number')
    elif max_distance is not None and not max_distance >= 0:
        raise SegmentationOptionError(f"max_distance is {max_distance}", remedy='Give "auto", None or a number ≥ 0')
