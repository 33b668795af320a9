"""Segments as polygons: one GeoParquet-ready table row per segment, in the CRS of the raster.

Belongs here: geometry and the measures that follow from it. Statistics of bands are in `features`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely
from affine import Affine

from agristat_platform.geometry import geoparquet_metadata
from agristat_platform.segmentation.errors import ImageShapeError, SegmentCrsError
from agristat_platform.segmentation.label_rasters import label_raster
from agristat_platform.segmentation.outlines.boundaries import region_extents, trace_rings
from agristat_platform.segmentation.shepherd.clumps import clump

SMALL_PARCEL_HA = 0.5
SEGMENTS_PER_PORTION = 65_536

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


def segment_polygons(labels: npt.NDArray[Any], transform: Affine, crs: Any) -> pa.Table:
    """One row per segment with its polygon and measures, ordered by segment_id, GeoParquet metadata included.

    Polygons follow pixel edges exactly: together they cover the valid pixels without gaps or overlaps, and share all
    corners of their common edges, so that they still do in another CRS. A segment whose parts meet only over corners
    (8-connectivity) becomes a multipolygon. Shells run counter-clockwise on a north-up grid.

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
        The labels are no label raster, or the transform is no transform of a grid.
    SegmentCrsError
        The CRS is not projected, so that hectares would be meaningless.
    """
    portions = segment_polygon_portions(labels, transform, crs)
    return pa.concat_tables([portions.schema.empty_table(), *portions]).combine_chunks()


@dataclass(frozen=True)
class PolygonPortions:
    """The table of `segment_polygons` in portions, each made when it is asked for; see there for its columns.

    Attributes
    ----------
    schema: SEGMENTS_SCHEMA with GeoParquet metadata of the whole table: its bounding box and types of geometry.
    ids: (n,) segment numbers, rising.
    """

    schema: pa.Schema
    ids: npt.NDArray[np.uint32]
    _regions: _Regions
    _transform: Affine
    _metres: float
    _per_portion: int

    def __len__(self) -> int:
        return -(-len(self.ids) // self._per_portion)

    def __iter__(self) -> Iterator[pa.Table]:
        walked = np.zeros(self._regions.raster.shape, dtype=bool)
        for first in range(0, len(self.ids), self._per_portion):
            yield self._portion(slice(first, min(first + self._per_portion, len(self.ids))), walked)

    def _portion(self, segments: slice, walked: npt.NDArray[np.bool_]) -> pa.Table:
        geometries, pixels = _segment_geometries(self._regions, segments, walked, self._transform)
        area_m2 = pixels * abs(self._transform.determinant) * self._metres**2
        perimeter_m = shapely.length(geometries) * self._metres
        return pa.Table.from_arrays(
            [
                pa.array(self.ids[segments], pa.uint32()),
                pa.array(pixels, pa.int64()),
                pa.array(area_m2 / 1e4, pa.float64()),
                pa.array(perimeter_m, pa.float64()),
                pa.array(4.0 * np.pi * area_m2 / np.square(perimeter_m), pa.float64()),
                pa.array(area_m2 / 1e4 < SMALL_PARCEL_HA, pa.bool_()),
                pa.array(shapely.to_wkb(geometries), pa.binary()),
            ],
            schema=self.schema,
        )


def segment_polygon_portions(
    labels: npt.NDArray[Any], transform: Affine, crs: Any, *, segments_per_portion: int = SEGMENTS_PER_PORTION
) -> PolygonPortions:
    """`segment_polygons` for rasters whose table would not fit in memory beside the labels.

    Held are a second raster of 4 bytes and one of 1 byte a pixel, and one portion. Where numbers follow the raster, as
    those of segmentation do, each portion looks at its own rows alone; other numbers make each look at all rows.

    Parameters
    ----------
    labels, transform, crs:
        As in `segment_polygons`.
    segments_per_portion:
        Rows of each table but the last. The default is what the store writes as one row group.

    Raises
    ------
    ImageShapeError, TooManySegmentsError, SegmentCrsError
        As `segment_polygons`.
    """
    of_pixels = label_raster(labels)
    metres = _metres_per_unit(crs)
    if not np.isfinite(transform[:6]).all() or transform.determinant == 0:
        raise ImageShapeError(
            f"{tuple(transform[:6])} is no transform of a grid",
            remedy="Give the grid's own, of finite pixels with an area",
        )
    regions = _regions(of_pixels)
    types = {name for name, found in (("Polygon", 1), ("MultiPolygon", 2)) if (regions.kinds == found).any()}
    metadata = geoparquet_metadata(crs, types, _bounds(regions, transform))
    schema = SEGMENTS_SCHEMA.with_metadata({**(SEGMENTS_SCHEMA.metadata or {}), **metadata})
    return PolygonPortions(schema, regions.ids, regions, transform, metres, segments_per_portion)


@dataclass(frozen=True)
class _Regions:
    """4-connected regions of a label raster: `raster` with its border, and of each segment which they are.

    The regions of segment `ids[i]` are `order[starts[i]:starts[i + 1]]`; `pixels`, `first_row` and `last_row` are by
    region (entry 0 unused), `columns` (rows, 2) the first and last labelled column of each row.
    """

    raster: npt.NDArray[np.uint32]
    ids: npt.NDArray[np.uint32]
    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    first_row: npt.NDArray[np.int32]
    last_row: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]

    @property
    def kinds(self) -> npt.NDArray[np.int64]:
        """Of each segment 1 for a single part, 2 for several."""
        return np.minimum(np.diff(self.starts), 2)


def _regions(labels: npt.NDArray[np.uint32]) -> _Regions:
    rows, cols = labels.shape
    bordered, n_regions = clump(labels, False)
    raster = bordered.reshape(rows + 2, cols + 2)
    label, first_row, last_row, pixels, first_column, last_column = region_extents(raster, labels, n_regions)
    ids, parts = np.unique(label[1:], return_counts=True)
    order = np.argsort(label[1:], kind="stable") + 1
    starts = np.concatenate([[0], np.cumsum(parts)]).astype(np.int64)
    columns = np.column_stack([first_column, last_column])
    return _Regions(raster, ids, order, starts, pixels, first_row, last_row, columns)


def _bounds(regions: _Regions, transform: Affine) -> list[float] | None:
    """(xmin, ymin, xmax, ymax) of all corners of labelled pixels; None where there is none."""
    rows = np.flatnonzero(regions.columns[:, 1] >= 0)
    if not len(rows):
        return None
    first, last = regions.columns[rows].T
    row = np.tile(np.concatenate([rows, rows + 1]), 2)
    column = np.concatenate([first, first, last + 1, last + 1])
    x, y = _map_coordinates(row, column, transform)
    return [float(value) for value in (x.min(), y.min(), x.max(), y.max())]


def _map_coordinates(
    row: npt.NDArray[Any], column: npt.NDArray[Any], transform: Affine
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    row, column = row.astype(np.float64), column.astype(np.float64)
    return (
        transform.a * column + transform.b * row + transform.c,
        transform.d * column + transform.e * row + transform.f,
    )


def _segment_geometries(
    regions: _Regions, segments: slice, walked: npt.NDArray[np.bool_], transform: Affine
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Geometry and pixels of some segments, in the order of their numbers."""
    starts = regions.starts[segments.start : segments.stop + 1]
    wanted = regions.order[starts[0] : starts[-1]]
    part_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    position = np.full(len(regions.pixels), -1, dtype=np.int32)
    position[wanted] = np.arange(len(wanted), dtype=np.int32)
    top, bottom = int(regions.first_row[wanted].min()), int(regions.last_row[wanted].max()) + 1
    corners, offsets, owners = trace_rings(regions.raster, walked, position, top, bottom)
    polygons = _polygons(corners, offsets, owners, len(wanted), transform)
    pixels = np.add.reduceat(regions.pixels[wanted], starts[:-1] - starts[0])
    return _joined_parts(polygons, part_of, len(starts) - 1), pixels


def _polygons(
    corners: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int32],
    n_regions: int,
    transform: Affine,
) -> npt.NDArray[np.object_]:
    """The polygon of each region 0..n - 1, in that order."""
    order = np.argsort(owners, kind="stable")  # a region's shell stays before its holes
    lengths = np.diff(offsets)[order]
    ring_offsets = np.concatenate([[0], np.cumsum(lengths)])
    source = np.repeat(offsets[:-1][order] - ring_offsets[:-1], lengths) + np.arange(ring_offsets[-1])
    coordinates = np.column_stack(_map_coordinates(corners[source, 0], corners[source, 1], transform))
    polygon_offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=n_regions))])
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
