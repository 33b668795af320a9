"""Segmentation by growing regions until neighbours differ by more than the noise explains: steps, options, result.

Belongs here: `segment_by_region_growing` and what it takes. The kernels are in `pixels` and `graph`.

Neighbouring regions a and b are candidates for one when joining them adds less to the sum of squares (in units of the
noise) than their boundary and their second mean cost to describe, the minimum description length of Leclerc 1989,
"Constructing simple stable descriptions for image partitioning", International Journal of Computer Vision 3, 73–102:

    n_a n_b / (n_a + n_b) · |mean_a − mean_b|² ≤ threshold · (boundary sides + bands · ln(1 + min(n_a, n_b)))

with half a nat for a side of boundary and half the logarithm of the pixels for each mean (both doubled, as the sum of
squares is twice a log-likelihood). They are joined where each is the other's cheapest neighbour (mutual best fit: Baatz
and Schäpe 2000, "Multiresolution segmentation"), in rounds over the whole graph, or where the smaller is at most a
quarter of its cheapest neighbour.

Where fields vary within, by soil or vigour, that stops at parts of fields. So the texture within the regions is measured
(`texture`), the difference of two means is held against noise and texture together, pixels count as the
independent ones that they are worth, and regions grow on; four times, as larger regions show more of it. Without texture
nothing changes. That neighbouring pixels of an object are alike and are worth fewer independent ones is the effective
sample size of spatial statistics (Cressie 1993, "Statistics for Spatial Data", section 1.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from agristat_platform.segmentation.errors import EmptyImageError, SegmentationOptionError
from agristat_platform.segmentation.region_growing.graph import (
    best_neighbours,
    contract,
    merge_targets,
    region_edges,
)
from agristat_platform.segmentation.region_growing.pixels import (
    first_regions,
    follow,
    in_noise_units,
    noise_directions,
    pixel_noise,
    refine_boundaries,
)
from agristat_platform.segmentation.region_growing.texture import region_texture
from agristat_platform.segmentation.results import Segments
from agristat_platform.segmentation.shepherd.clumps import renumber
from agristat_platform.segmentation.shepherd.options import check_whole, checked_image
from agristat_platform.segmentation.shepherd.spectral_clusters import valid_pixels

# A side of boundary costs half a nat, a region's mean half a logarithm of its pixels in each band; twice that here.
_COST_PER_SIDE = np.float32(1.0)
_LARGEST_TABLED_SIZE = 4096
# Measured; see `region_growing_bytes`.
_BYTES_A_PIXEL = 100
_BYTES_A_BAND = 9
# Share of 2 × 2 squares inside one field that start as one region.
_WHOLE_SQUARES = 0.95
_BOUNDARY_SWEEPS = 4
# Sides of the blocks that texture is measured on, pixels, one after the other: regions grow with each and hold larger ones.
# More rounds begin to take fields for texture.
_TEXTURE_BLOCKS = (3, 3, 4, 6)
# Times the texture's variance that the difference of two neighbouring parts of a field has; of distant ones it is twice.
_SHARE_BETWEEN_NEIGHBOURS = 1.0
# About 20 rounds settle an image of fields; ramps without noise would take as many as they have steps.
_ROUNDS_BEFORE_CHAINS = 60


@dataclass(frozen=True, kw_only=True)
class RegionGrowingResult(Segments):
    """Segments of one image.

    Attributes
    ----------
    labels:
        (rows, cols) uint32; 0 = nodata, segments 1..n without gaps, numbered in the raster order of their first pixel.
    noise:
        (bands,) float64, the noise that the image was measured to have, in its units.
    texture:
        (bands,) float64, standard deviation of the means of blocks within segments beside what noise explains, in the
        image's units; 0 where there is none to be seen.
    threshold:
        Factor on the difference that noise and texture explain; 1.0 for "auto".
    pixels:
        As in `Segments`.
    """

    labels: npt.NDArray[np.uint32]
    noise: npt.NDArray[np.float64]
    texture: npt.NDArray[np.float64]
    threshold: float


def region_growing_bytes(shape: tuple[int, int, int]) -> int:
    """Memory that `segment_by_region_growing` takes at most, beside the image itself.

    What single pixels need as regions of their own, at worst for most of the image: 9 bytes a band (values and means in
    units of the noise, and the next round's) and 100 for labels and edges. Images of fields take half to three quarters.

    Parameters
    ----------
    shape:
        (bands, rows, cols).
    """
    bands, rows, cols = shape
    return rows * cols * (_BYTES_A_PIXEL + _BYTES_A_BAND * bands)


def segment_by_region_growing(
    image: npt.NDArray[Any],
    *,
    min_pixels: int = 20,
    threshold: float | Literal["auto"] = "auto",
    nodata: float | None = None,
    connectivity: int = 4,
) -> RegionGrowingResult:
    """Cut an image into segments that differ by more than its noise (see the module for the criterion).

    The noise of each band is measured on the image. Squares of 2 × 2 pixels within the noise and single pixels grow on
    their adjacency graph, and on while neighbours differ by no more than noise and the texture within regions; regions
    below `min_pixels` then join their cheapest neighbour whatever the cost; pixels at boundaries may go over to a
    neighbouring region that they fit better, as long as their own stays in one piece. Nothing is random and nothing
    runs in parallel: the same image and options give the same labels. Time and memory are linear in the pixels.

    Parameters
    ----------
    image:
        (bands, rows, cols), integer or floating; bands need no common scale, each counts in units of its own noise, and
        what varies together in several bands counts once. A pixel with NaN, infinity or `nodata` in any band is nodata,
        and so is one that is masked in any band of a masked array.
    min_pixels:
        Size of the smallest segment; smaller ones remain only where they have no neighbour.
    threshold:
        Factor on the difference up to which neighbours are joined; larger gives fewer segments. "auto" is 1.
    nodata:
        Value that marks missing pixels, beside NaN.
    connectivity:
        4 (edges) or 8 (edges and corners).

    Raises
    ------
    ImageShapeError
        The image is not (bands, rows, cols), is empty or not numeric.
    EmptyImageError
        Every pixel is nodata.
    TooManySegmentsError
        More pixels than 32-bit segment numbers.
    SegmentationOptionError
        An option is outside its range.
    """
    masked = np.ma.getmask(image)
    image = checked_image(image)
    factor = _checked_options(min_pixels, threshold, connectivity)
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
    noise = pixel_noise(image, valid.reshape(rows, cols))
    directions = noise_directions(image, valid.reshape(rows, cols), noise)
    scaled = in_noise_units(flat, valid, directions)
    eight = connectivity == 8
    labels, regions = _grown(scaled, valid, (rows, cols), factor, min_pixels, eight)
    means, sizes = regions.taken()[:2]
    for _ in range(_BOUNDARY_SWEEPS):
        if refine_boundaries(scaled, labels, means, sizes, cols, min_pixels, _COST_PER_SIDE, eight) == 0:
            break
    texture = region_texture(scaled, labels, cols, _TEXTURE_BLOCKS[-1])
    # A place for nodata, label 0, in front.
    pixels = renumber(labels, np.concatenate([[0], sizes.astype(np.int64)]))
    return RegionGrowingResult(
        labels=labels.reshape(rows, cols),
        noise=noise,
        texture=_in_image_units(texture, directions),
        threshold=factor,
        pixels=pixels,
    )


def _in_image_units(texture: npt.NDArray[np.float64], directions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard deviation (bands,) of a covariance along the directions of the noise."""
    back = np.linalg.inv(directions)
    deviations: npt.NDArray[np.float64] = np.sqrt(np.maximum(np.einsum("ij,ik,kj->j", back, texture, back), 0.0))
    return deviations


def _grown(
    scaled: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    shape: tuple[int, int],
    threshold: float,
    min_pixels: int,
    eight: bool,
) -> tuple[npt.NDArray[np.uint32], _Regions]:
    """Labels 1..n (pixels,) and their regions: first by the noise, then by texture too, then until none is too small."""
    rows, cols = shape
    bands = scaled.shape[1]
    limit = np.float32(stats.chi2.ppf(_WHOLE_SQUARES, 3 * bands))
    labels, *nodes = first_regions(scaled, valid, rows, cols, limit)
    regions = _Regions(*nodes, *region_edges(labels, cols, len(nodes[1]), eight))
    del nodes
    texture = np.zeros((bands, bands))
    _join(regions, labels, texture, threshold, 0)
    for side in _TEXTURE_BLOCKS:
        texture = region_texture(scaled, labels, cols, side)
        _join(regions, labels, texture, threshold, 0)
    _join(regions, labels, texture, threshold, min_pixels)
    return labels, regions


class _Regions:
    """The graph: means (n, bands) in noise, sizes (n,), and edges first, second with the sides they share."""

    def __init__(self, *parts: npt.NDArray[Any]) -> None:
        self.parts = parts

    def taken(self) -> tuple[npt.NDArray[Any], ...]:
        """The parts, which are held here no longer: the first graph is as large as the image and its successors follow."""
        parts, self.parts = self.parts, ()
        return parts


def _join(
    regions: _Regions,
    labels: npt.NDArray[np.uint32],
    texture: npt.NDArray[np.float64],
    threshold: float,
    least_size: int,
) -> None:
    """Join regions, in place, until no two may be joined under this texture and none is smaller than `least_size`."""
    means, sizes, first, second, sides = regions.taken()
    bands = means.shape[1]
    parameter_cost = (bands * np.log1p(np.arange(_LARGEST_TABLED_SIZE))).astype(np.float32)
    variances, directions = np.linalg.eigh(texture)
    between = np.maximum(_SHARE_BETWEEN_NEIGHBOURS * variances, 0).astype(np.float32)
    if texture.any():
        means = np.einsum("ij,jk->ik", means, directions.astype(np.float32))
    else:
        between = between[:0]
    costs = np.zeros(len(first), dtype=np.float32)
    changed = np.ones(len(sizes), dtype=np.bool_)
    rounds = 0
    while True:
        best, cost = best_neighbours(
            first, second, sides, costs, means, sizes, changed, _COST_PER_SIDE, parameter_cost, between
        )
        chains = rounds >= _ROUNDS_BEFORE_CHAINS
        target, numbers, n = merge_targets(best, cost, sizes, np.float32(threshold), least_size, chains)
        if n == len(sizes):
            break
        (first, second, sides, costs), means, sizes, changed = contract(
            first, second, sides, costs, means, sizes, target, numbers, n
        )
        follow(labels, numbers)
        rounds += 1
    if texture.any():
        means = np.einsum("ik,jk->ij", means, directions.astype(np.float32))
    regions.parts = (means, sizes, first, second, sides)


def _checked_options(min_pixels: int, threshold: float | str, connectivity: int) -> float:
    """The threshold as a number."""
    check_whole("min_pixels", min_pixels)
    if min_pixels < 1:
        raise SegmentationOptionError(f"min_pixels is {min_pixels}", remedy="Give at least 1, which eliminates nothing")
    if connectivity not in (4, 8):
        raise SegmentationOptionError(f"connectivity is {connectivity}", remedy="Give 4 or 8")
    if threshold == "auto":
        return 1.0
    if isinstance(threshold, str) or not 0 <= threshold < np.inf:
        raise SegmentationOptionError(f"threshold is {threshold!r}", remedy='Give "auto" or a number ≥ 0')
    return float(threshold)
