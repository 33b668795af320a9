"""Parcels of a register as segments: the same label raster and table as a segmentation gives, and what became of each parcel.

Belongs here: checking parcels and turning them into labels. Reading the file is in `register_files`.

A pixel belongs to the parcel that its centre lies in. Where parcels overlap it goes to the smaller one, since registers
draw plots inside the blocks they are plots of, and a block would bury them; of equal areas to the first by identifier. The
result does not depend on the order of rows in the file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rasterio.features
import shapely

from agristat_platform.catalogue import Grid
from agristat_platform.geometry import with_geometry
from agristat_platform.segmentation.errors import ParcelRegisterError
from agristat_platform.segmentation.outlines.polygons import segment_polygons
from agristat_platform.segmentation.parcels.register_files import RegisterParcels, listed

SEGMENT, NO_POLYGON, DUPLICATE, SLIVER = "segment", "no_polygon", "duplicate", "sliver"
OUTSIDE, TOO_SMALL, COVERED = "outside", "too_small", "covered"

SLIVER_WIDTH_M = 2.0  # of the order of what registers are digitised to: a narrower parcel is a gap between two others
OVERLAP_TOLERANCE_M2 = 1.0  # neighbours digitised one by one share centimetres along their boundary

PARCELS_SCHEMA = pa.schema(
    [
        pa.field("parcel_id", pa.string(), nullable=False),
        pa.field("segment_id", pa.uint32(), metadata={"null": "the parcel has no segment; see outcome"}),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("repaired", pa.bool_(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("register_area_ha", pa.float64(), metadata={"unit": "ha", "of": "the register's polygon"}),
        pa.field("stated_area_ha", pa.float64(), metadata={"unit": "ha", "of": "the register's column area"}),
        pa.field("determination_datetime", pa.string()),
        pa.field("determination_method", pa.string()),
        pa.field("geometry", pa.binary()),
    ]
)

OVERLAPS_SCHEMA = pa.schema(
    [
        pa.field("parcel_id", pa.string(), nullable=False, metadata={"means": "keeps the ground"}),
        pa.field("other_parcel_id", pa.string(), nullable=False, metadata={"means": "yields it"}),
        pa.field("overlap_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
    ]
)


@dataclass(frozen=True)
class RegisterSegments:
    """Parcels as segments.

    Attributes
    ----------
    labels: (rows, cols) uint32, 0 where there is no parcel; numbered 1… in the order of the parcels' identifiers.
    segments: `SEGMENTS_SCHEMA`, polygons along pixel edges, as of any segmentation.
    parcels: `PARCELS_SCHEMA`, every row of the register by identifier, with its own polygon and its segment.
    overlaps: `OVERLAPS_SCHEMA`, pairs of parcels that share more than a square metre.
    """

    labels: npt.NDArray[np.uint32]
    segments: pa.Table
    parcels: pa.Table
    overlaps: pa.Table

    @property
    def outcomes(self) -> dict[str, int]:
        """How many parcels became a segment, and how many did not for which reason."""
        return dict(sorted(Counter(self.parcels["outcome"].to_pylist()).items()))


def register_segments(
    register: RegisterParcels,
    grid: Grid,
    area: Any,
    *,
    invalid: Literal["repair", "refuse"] = "repair",
    sliver_width_m: float = SLIVER_WIDTH_M,
) -> RegisterSegments:
    """Labels and tables of a register's parcels on a region's grid.

    What a parcel without a segment is marked as, in the order of the checks: `duplicate` (a row like an earlier one),
    `no_polygon` (null, empty, points or lines, or without area), `sliver`, `outside` (shares no ground with the area),
    `too_small` (no pixel centre lies in it), `covered` (smaller parcels have all its pixels).

    Parameters
    ----------
    register:
        Parcels in the grid's CRS, as `read_register` gives them.
    grid:
        The region's grid.
    area:
        The region's area of interest in the grid's CRS. Parcels that reach into it stay whole, as far as the grid goes:
        cut off they would be other parcels.
    invalid:
        What is done with polygons that cross themselves: `repair` them (rings made valid, shells united, holes taken out
        of them), which is marked; or `refuse` the register. Of collections of shapes the polygons are taken and united
        in either case, which is marked too.
    sliver_width_m:
        Parcels with a mean width (2 area / perimeter: of a long strip its width, of a square half its side) below this are
        slivers; 0 keeps all.

    Raises
    ------
    ParcelRegisterError
        The register has no row; one identifier stands for different polygons; coordinates cannot be brought to the CRS;
        polygons are invalid and to be refused; no parcel becomes a segment. The message names the identifiers.
    """
    if not len(register.ids):
        raise ParcelRegisterError(
            "the register has no parcel", remedy="Is it the right file, and the right layer of it?"
        )
    order = np.argsort(register.ids, kind="stable")
    ids, shapes = register.ids[order], register.geometries[order].copy()
    _require_finite(ids, shapes)
    outcome = np.full(len(ids), SEGMENT, dtype=object)
    outcome[_duplicates(ids, shapes)] = DUPLICATE
    repaired = _repair(ids, shapes, invalid)
    size, length = shapely.area(shapes), shapely.length(shapes)
    for reason, found in (
        (NO_POLYGON, ~(size > 0)),
        (SLIVER, 2 * size < sliver_width_m * length),
        (OUTSIDE, ~_shares_ground(shapes, shapely.intersection(area, grid.outline()))),
    ):
        outcome[(outcome == SEGMENT) & found] = reason
    kept = np.flatnonzero(outcome == SEGMENT)
    labels, pixels = _rasterised(shapes[kept], ids[kept], grid)
    outcome[kept[pixels == 0]] = [_why_lost(shape, grid) for shape in shapes[kept[pixels == 0]]]
    if not pixels.any():
        raise ParcelRegisterError(
            f"none of {len(ids)} parcels becomes a segment: {_counted(outcome)}",
            remedy="Is it the register of this region, and is its CRS right?",
        )
    numbers, counts = np.zeros(len(ids), dtype=np.uint32), np.zeros(len(ids), dtype=np.int64)
    counts[kept] = pixels
    numbers[outcome == SEGMENT] = np.arange(1, int((outcome == SEGMENT).sum()) + 1)
    parcels = pa.Table.from_arrays(
        [
            pa.array(ids, pa.string()),
            pa.array(numbers, pa.uint32(), mask=numbers == 0),
            pa.array(outcome, pa.string()),
            pa.array(repaired),
            pa.array(counts),
            pa.array(size / 1e4, pa.float64(), mask=~(size > 0)),
            pa.array(register.stated_area_ha[order], pa.float64(), from_pandas=True),
            pa.array(register.determination_datetime[order], pa.string()),
            pa.array(register.determination_method[order], pa.string()),
            pa.array(shapely.to_wkb(shapes), pa.binary()),
        ],
        schema=PARCELS_SCHEMA,
    )
    return RegisterSegments(
        labels=labels,
        segments=segment_polygons(labels, grid.transform, grid.crs),
        parcels=with_geometry(parcels, grid.crs),
        overlaps=_overlaps(ids[kept], shapes[kept]),
    )


def _duplicates(ids: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Rows like the row before, in the order of identifiers.

    Raises
    ------
    ParcelRegisterError
        Rows of one identifier have different polygons: which one is the parcel cannot be told.
    """
    again = np.zeros(len(ids), dtype=bool)
    again[1:] = ids[1:] == ids[:-1]
    at = np.flatnonzero(again)
    normal = shapely.normalize(shapes)
    alike = shapely.equals_exact(normal[at], normal[at - 1]) | (
        shapely.is_missing(shapes[at]) & shapely.is_missing(shapes[at - 1])
    )
    if not alike.all():
        raise ParcelRegisterError(
            f"one identifier stands for different polygons: {listed(dict.fromkeys(ids[at[~alike]]))}",
            remedy="Give one row per parcel (several parts as one multipolygon), or set segmentation.id_column",
        )
    return again


def _require_finite(ids: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_]) -> None:
    corners, owners = shapely.get_coordinates(shapes, return_index=True)
    bad = np.unique(owners[~np.isfinite(corners).all(axis=1)])
    if len(bad):
        raise ParcelRegisterError(
            f"coordinates of {listed(ids[bad])} cannot be brought to the region's CRS",
            remedy="Is the register's CRS right, and the order of its axes (x = east)?",
        )


def _repair(ids: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_], invalid: str) -> npt.NDArray[np.bool_]:
    """Make invalid polygons valid and collections of shapes their polygons, in place; which they are."""
    wrong: npt.NDArray[np.bool_] = ~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)
    if invalid == "refuse" and wrong.any():
        reasons = [f"{ids[i]} ({shapely.is_valid_reason(shapes[i])})" for i in np.flatnonzero(wrong)]
        raise ParcelRegisterError(
            f"{len(reasons)} polygon(s) are invalid: {listed(reasons)}",
            remedy="Mend them, or set segmentation.invalid to repair",
        )
    wrong |= shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    for i in np.flatnonzero(wrong):
        # by structure: lines alone would fill a hole that touches the shell along a side
        pieces = shapely.get_parts(shapely.make_valid(shapes[i], method="structure", keep_collapsed=False))
        while (shapely.get_type_id(pieces) == shapely.GeometryType.GEOMETRYCOLLECTION).any():
            pieces = shapely.get_parts(pieces)
        shapes[i] = shapely.union_all(pieces[shapely.get_dimensions(pieces) == 2])
    return wrong


def _shares_ground(shapes: npt.NDArray[np.object_], area: Any) -> npt.NDArray[np.bool_]:
    shapely.prepare(area)
    inside: npt.NDArray[np.bool_] = shapely.contains_properly(area, shapes)
    edge = ~inside & shapely.intersects(area, shapes)
    inside[edge] = shapely.area(shapely.intersection(area, shapes[edge])) > 0
    return inside


def _rasterised(
    shapes: npt.NDArray[np.object_], ids: npt.NDArray[np.object_], grid: Grid
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Labels 1… of the parcels that have pixels, in their order, and the pixels of each parcel."""
    if not len(shapes):
        return np.zeros(grid.shape, dtype=np.uint32), np.zeros(0, dtype=np.int64)
    largest_first = _precedence(shapes, ids)[::-1]  # the last to be drawn keeps the pixel
    drawn = rasterio.features.rasterize(
        ((shapes[i], int(i) + 1) for i in largest_first),
        out_shape=grid.shape,
        transform=grid.transform,
        fill=0,
        dtype="uint32",
    )
    pixels = np.bincount(drawn.reshape(-1), minlength=len(shapes) + 1)[1:].astype(np.int64)
    number = np.concatenate([[0], np.where(pixels > 0, np.cumsum(pixels > 0), 0)]).astype(np.uint32)
    return number[drawn], pixels


def _precedence(shapes: npt.NDArray[np.object_], ids: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    """Parcels in the order in which they have the ground: smaller ones first, of equal ones the first by identifier."""
    square_millimetres = np.round(shapely.area(shapes) * 1e6)  # rounding of coordinates must not decide
    return np.lexsort((np.unique(ids, return_inverse=True)[1], square_millimetres))


def _why_lost(shape: Any, grid: Grid) -> str:
    """Of a parcel without a pixel: whether a pixel centre lies in it at all."""
    rows, cols = grid.window(*shape.bounds)
    if rows.stop <= rows.start or cols.stop <= cols.start:
        return TOO_SMALL
    part = grid.crop(rows, cols)
    own = rasterio.features.rasterize([(shape, 1)], out_shape=part.shape, transform=part.transform, dtype="uint8")
    return COVERED if own.any() else TOO_SMALL


def _overlaps(ids: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_]) -> pa.Table:
    """Pairs of parcels that share ground; the one that keeps it first."""
    rank = np.empty(len(shapes), dtype=np.intp)
    rank[_precedence(shapes, ids)] = np.arange(len(shapes))
    keeps, yields = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    once = rank[keeps] < rank[yields]
    keeps, yields = keeps[once], yields[once]
    shared = shapely.area(shapely.intersection(shapes[keeps], shapes[yields]))
    found = np.flatnonzero(shared > OVERLAP_TOLERANCE_M2)
    found = found[np.lexsort((yields[found], keeps[found]))]
    return pa.Table.from_arrays(
        [
            pa.array(ids[keeps[found]], pa.string()),
            pa.array(ids[yields[found]], pa.string()),
            pa.array(shared[found] / 1e4, pa.float64()),
        ],
        schema=OVERLAPS_SCHEMA,
    )


def _counted(outcome: npt.NDArray[np.object_]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(Counter(outcome.tolist()).items()))
