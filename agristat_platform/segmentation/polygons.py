"""Segments as polygons: one GeoParquet-ready table row per segment, in the CRS of the raster.

Belongs here: geometry and the measures that follow from it. Statistics of bands are in `features`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely
from affine import Affine

from agristat_platform.geometry import with_geometry
from agristat_platform.segmentation.boundaries import trace_rings
from agristat_platform.segmentation.clumps import clump, segment_sizes
from agristat_platform.segmentation.errors import ImageShapeError, SegmentCrsError, TooManySegmentsError

SMALL_PARCEL_HA = 0.5

SEGMENTS_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("area_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("perimeter_m", pa.float64(), nullable=False, metadata={"unit": "m"}),
        pa.field(
            "compactness", pa.float64(), nullable=False, metadata={"unit": "1", "formula": "4π area / perimeter²"}
        ),
        pa.field("small_parcel", pa.bool_(), nullable=False, metadata={"formula": f"area_ha < {SMALL_PARCEL_HA}"}),
        pa.field("geometry", pa.binary(), nullable=False),
    ]
)


def label_raster(labels: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """The labels as a contiguous (rows, cols) uint32 array, 0 = nodata; no copy where they are one already.

    Raises
    ------
    ImageShapeError
        Not two-dimensional, without pixels, not integer, or with negative labels.
    TooManySegmentsError
        A label above 2**32 - 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or 0 in labels.shape:
        raise ImageShapeError(f"a label raster of shape {labels.shape} is no label raster", remedy="Give (rows, cols)")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ImageShapeError(f"labels of type {labels.dtype} are no segment numbers", remedy="Give unsigned integers")
    if labels.dtype != np.uint32:
        low, high = int(labels.min()), int(labels.max())
        if low < 0:
            raise ImageShapeError(f"the label raster holds the negative label {low}", remedy="Use 0 for nodata")
        if high > 2**32 - 1:
            raise TooManySegmentsError(
                f"label {high} is above 2**32 - 1", remedy="Renumber the segments or split the raster"
            )
    return np.ascontiguousarray(labels, dtype=np.uint32)


def segment_polygons(labels: npt.NDArray[Any], transform: Affine, crs: Any) -> pa.Table:
    """One row per segment with its polygon and measures, ordered by segment_id, GeoParquet metadata included.

    Polygons follow pixel edges exactly: together they cover the valid pixels without gaps or overlaps. A segment whose
    parts meet only over corners (8-connectivity) becomes a multipolygon. Shells run counter-clockwise on a north-up
    grid.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata; numbers need not be contiguous.
    transform:
        Pixel (column, row) to map coordinates.
    crs:
        Projected CRS of the map coordinates; anything pyproj takes. Linear units other than metres are converted.

    Returns
    -------
    Table of SEGMENTS_SCHEMA: segment_id, pixels, area_ha, perimeter_m (along pixel edges, holes included),
    compactness (4π area / perimeter², at most π/4 on a square grid), small_parcel (< 0.5 ha), geometry (WKB).

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        The labels are no label raster.
    SegmentCrsError
        The CRS is not projected, so that hectares would be meaningless.
    """
    regions_of = label_raster(labels)
    metres = _metres_per_unit(crs)
    rows, cols = regions_of.shape
    bordered, n_regions = clump(regions_of, False)
    sizes = segment_sizes(bordered, n_regions)[1:]
    flat = bordered.reshape(rows + 2, cols + 2)[1:-1, 1:-1].reshape(rows * cols)
    region_labels = np.zeros(n_regions + 1, dtype=np.uint32)
    region_labels[flat] = regions_of.reshape(rows * cols)
    polygons = _region_polygons(flat.reshape(rows, cols), n_regions, transform)
    ids, part_of = np.unique(region_labels[1:], return_inverse=True)
    geometries = _joined_parts(polygons, part_of, len(ids))
    pixels = np.zeros(len(ids), dtype=np.int64)
    np.add.at(pixels, part_of, sizes)
    area_m2 = pixels * abs(transform.determinant) * metres**2
    perimeter_m = shapely.length(geometries) * metres
    table = pa.Table.from_arrays(
        [
            pa.array(ids, pa.uint32()),
            pa.array(pixels, pa.int64()),
            pa.array(area_m2 / 1e4, pa.float64()),
            pa.array(perimeter_m, pa.float64()),
            pa.array(4.0 * np.pi * area_m2 / np.square(perimeter_m), pa.float64()),
            pa.array(area_m2 / 1e4 < SMALL_PARCEL_HA, pa.bool_()),
            pa.array(shapely.to_wkb(geometries), pa.binary()),
        ],
        schema=SEGMENTS_SCHEMA,
    )
    return with_geometry(table, crs)


def _region_polygons(regions: npt.NDArray[np.uint32], n_regions: int, transform: Affine) -> npt.NDArray[np.object_]:
    """The polygon of each region 1..n, in that order."""
    if n_regions == 0:
        return np.empty(0, dtype=object)
    corners, offsets, owners = trace_rings(regions)
    order = np.argsort(owners, kind="stable")  # a region's shell stays before its holes
    lengths = np.diff(offsets)[order]
    ring_offsets = np.concatenate([[0], np.cumsum(lengths)])
    source = np.repeat(offsets[:-1][order] - ring_offsets[:-1], lengths) + np.arange(ring_offsets[-1])
    row, column = corners[source, 0].astype(np.float64), corners[source, 1].astype(np.float64)
    coordinates = np.column_stack(
        [
            transform.a * column + transform.b * row + transform.c,
            transform.d * column + transform.e * row + transform.f,
        ]
    )
    polygon_offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=n_regions + 1)[1:])])
    polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, coordinates, (ring_offsets, polygon_offsets))
    return np.asarray(polygons, dtype=object)


def _joined_parts(
    polygons: npt.NDArray[np.object_], part_of: npt.NDArray[np.intp], n_segments: int
) -> npt.NDArray[np.object_]:
    """One geometry per segment: the polygon, or the multipolygon of several parts."""
    parts = np.bincount(part_of, minlength=n_segments)
    geometries = np.empty(n_segments, dtype=object)
    single = parts[part_of] == 1
    geometries[part_of[single]] = polygons[single]
    if not single.all():
        order = np.argsort(part_of[~single], kind="stable")
        owners, compact = np.unique(part_of[~single][order], return_inverse=True)
        geometries[owners] = shapely.multipolygons(polygons[~single][order], indices=compact)
    return geometries


def _metres_per_unit(crs: Any) -> float:
    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise SegmentCrsError(f"PROJ does not know the CRS {crs!r}", remedy='Use for example "EPSG:32630"') from error
    if not parsed.is_projected:
        raise SegmentCrsError(
            f"areas cannot be measured in {parsed.name}, which is not projected",
            remedy="Use the region's projected CRS",
        )
    return float(parsed.axis_info[0].unit_conversion_factor)
