"""Options of the segmentation after Shepherd et al. 2019, and what they and images must be.

Belongs here: checks that need no pixel's neighbour. The steps themselves are in `steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import ImageShapeError, SegmentationOptionError, TooManySegmentsError

MAX_PIXELS = 2**32 - 2

# A hundredth is pyshepseg's share; a larger sample of a small image gave a lower F (docs/measurements.md).
SAMPLE_SHARE = 0.01
LEAST_SAMPLE = 2_500
SAMPLE_PER_CLUSTER = 40
LARGEST_SAMPLE = 20_000

MAX_VALUE = 1e150  # of any band: the squares of as many differences as there are bands and pixels stay finite

# Types the kernels take as they are; the rest is converted to one of these, without loss but for integers above 2**53.
_NATIVE = tuple(np.dtype(name) for name in ("uint8", "int16", "uint16", "float32", "float64"))


@dataclass(frozen=True)
class ShepherdOptions:
    """The options of `segment_image`, where they are explained; checked when made.

    Raises
    ------
    SegmentationOptionError
        An option is outside its range.
    """

    n_clusters: int = 60
    min_pixels: int = 20
    max_distance: float | Literal["auto"] | None = "auto"
    connectivity: int = 4
    max_clump_pixels: int | None = None
    seed: int = 0
    sample_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("n_clusters", "min_pixels", "connectivity", "seed"):
            check_whole(name, getattr(self, name))
        if self.max_clump_pixels is not None:
            check_whole("max_clump_pixels", self.max_clump_pixels)
        if self.seed < 0:
            raise SegmentationOptionError(f"seed is {self.seed}", remedy="Give a whole number from 0")
        if not 2 <= self.n_clusters <= 65535:
            raise SegmentationOptionError(f"n_clusters is {self.n_clusters}", remedy="Give a number from 2 to 65535")
        if self.min_pixels < 1:
            raise SegmentationOptionError(
                f"min_pixels is {self.min_pixels}", remedy="Give at least 1, which eliminates nothing"
            )
        if self.connectivity not in (4, 8):
            raise SegmentationOptionError(f"connectivity is {self.connectivity}", remedy="Give 4 or 8")
        if self.sample_size is not None:
            check_whole("sample_size", self.sample_size)
            if self.sample_size < 1:
                raise SegmentationOptionError(f"sample_size is {self.sample_size}", remedy="Give at least 1 pixel")
        if self.max_clump_pixels is not None and not 1 <= self.max_clump_pixels <= MAX_PIXELS:
            raise SegmentationOptionError(
                f"max_clump_pixels is {self.max_clump_pixels}", remedy=f"Give None or a number from 1 to {MAX_PIXELS}"
            )
        if isinstance(self.max_distance, str):
            if self.max_distance != "auto":
                raise SegmentationOptionError(
                    f"max_distance is {self.max_distance!r}", remedy='Give "auto", None or a number'
                )
        elif self.max_distance is not None and not self.max_distance >= 0:
            raise SegmentationOptionError(
                f"max_distance is {self.max_distance}", remedy='Give "auto", None or a number ≥ 0'
            )

    @property
    def eight(self) -> bool:
        """Whether pixels that touch over a corner are neighbours."""
        return self.connectivity == 8

    def sample_of(self, available: int) -> int:
        """Pixels to fit k-means on, where that many are valid."""
        if self.sample_size is not None:
            return self.sample_size
        least = max(LEAST_SAMPLE, SAMPLE_PER_CLUSTER * self.n_clusters)
        return min(max(int(SAMPLE_SHARE * available), least), max(LARGEST_SAMPLE, least))


def check_whole(name: str, value: Any) -> None:
    """Refuse options that are no whole number.

    Raises
    ------
    SegmentationOptionError
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SegmentationOptionError(f"{name} is {value!r}", remedy="Give a whole number")


def check_rows(name: str, rows: int) -> None:
    """Refuse strips without rows.

    Raises
    ------
    SegmentationOptionError
    """
    check_whole(name, rows)
    if rows < 1:
        raise SegmentationOptionError(f"{name} is {rows}", remedy="Give at least 1 row; 512 is a good number")


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is no image of (bands, rows, cols), and one with more pixels than there are segment numbers.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ImageShapeError(
            f"an image of shape {tuple(shape)} cannot be segmented",
            remedy="Give (bands, rows, cols); a single band as image[np.newaxis]",
        )
    if (shape[1] + 2) * (shape[2] + 2) > MAX_PIXELS:
        raise TooManySegmentsError(
            f"{shape[1]} × {shape[2]} pixels are more than 32-bit segment numbers can hold ({MAX_PIXELS})",
            remedy="Split the raster and segment its parts",
        )


def check_values(sample: npt.NDArray[np.float64]) -> None:
    """Refuse an image of which (pixels, bands) are a sample where squared differences would leave double precision.

    Raises
    ------
    ImageShapeError
    """
    largest = float(np.abs(sample).max(initial=0.0))
    if largest > MAX_VALUE:
        raise ImageShapeError(
            f"the image holds {largest:g}, and distances between spectra go up to {MAX_VALUE:g}",
            remedy="Is it a nodata value that should be named? Scale the bands otherwise",
        )


def native_image(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The image in a type the kernels take; not copied where it is of one already. Masks are dropped.

    Raises
    ------
    ImageShapeError
        Neither integers nor floating-point numbers.
    """
    image = np.asarray(image)
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise ImageShapeError(
            f"an image of type {image.dtype} cannot be segmented", remedy="Give integers or floating-point numbers"
        )
    if image.dtype in _NATIVE:
        return image
    narrow = image.dtype in (np.dtype("int8"), np.dtype("float16"))
    return image.astype({"i": np.int16, "f": np.float32}[image.dtype.kind] if narrow else np.float64)


def checked_image(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`native_image` of an image held as a whole, its shape checked as well.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
    """
    check_shape(np.shape(image))
    return native_image(image)


def checked_centres(centres: npt.NDArray[Any], bands: int) -> npt.NDArray[np.float64]:
    """Cluster centres as (clusters, bands) float64.

    Raises
    ------
    ImageShapeError
        They do not fit an image of so many bands.
    SegmentationOptionError
        They are not all finite.
    """
    centres = np.ascontiguousarray(centres, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[1] != bands or not 1 <= len(centres) <= 65535:
        raise ImageShapeError(
            f"cluster centres of shape {centres.shape} do not fit an image of {bands} bands",
            remedy="Give (clusters, bands) with 1 to 65535 clusters",
        )
    if not np.isfinite(centres).all():
        raise SegmentationOptionError("cluster centres are not all finite", remedy="Fit them on valid pixels only")
    return centres


def checked_clusters(clusters: npt.NDArray[Any], rows: int, cols: int) -> npt.NDArray[Any]:
    """A cluster image of (rows, cols) whole numbers from 0.

    Raises
    ------
    ImageShapeError
        Another shape, numbers that are not whole, or negative ones.
    """
    clusters = np.ascontiguousarray(clusters)
    if clusters.shape != (rows, cols):
        raise ImageShapeError(
            f"cluster image {clusters.shape} and image {(rows, cols)} have different grids",
            remedy="Make both on the region's grid",
        )
    if not np.issubdtype(clusters.dtype, np.integer):
        raise ImageShapeError(
            f"a cluster image of type {clusters.dtype} holds no cluster numbers", remedy="Give unsigned integers"
        )
    if np.issubdtype(clusters.dtype, np.signedinteger) and (low := int(clusters.min())) < 0:
        raise ImageShapeError(f"the cluster image holds the negative cluster {low}", remedy="Use 0 for nodata")
    return clusters
