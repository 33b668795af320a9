"""How well segments agree with a table of reference parcels, over all and by size of parcel.

Belongs here: from polygons and labels (an array or a file) to the pixels that each parcel shares with each segment, and
the measures by size. The measures themselves are in `agreement`.

A class's purity is the share of its parcels' pixels that lie in a segment most of which is their own parcel (of equal ones
the first in the table); its completeness the share in the segment that covers most of their parcel. Weighted by the
pixels, both add up to those over all. Over- and under-segmentation and distance are means over the class's parcels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely
from rasterio.enums import MergeAlg
from rasterio.features import rasterize
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.errors import AgristatError
from agristat_platform.geometry import geometry_crs, read_geometry
from agristat_platform.segmentation.errors import (
    EmptyImageError,
    LabelGridError,
    ParcelRegisterError,
    SegmentationOptionError,
)
from agristat_platform.segmentation.label_rasters import label_raster
from agristat_platform.segmentation.outlines.polygons import SMALL_PARCEL_HA
from agristat_platform.segmentation.parcels.agreement import ParcelAgreement, agreement_of_pairs
from agristat_platform.segmentation.raster_files import open_raster, read_rows

SIZE_CLASSES: tuple[tuple[str, float, float | None], ...] = (
    ("< 0.5 ha", 0.0, SMALL_PARCEL_HA),
    ("0.5–2 ha", SMALL_PARCEL_HA, 2.0),
    ("2–10 ha", 2.0, 10.0),
    ("≥ 10 ha", 10.0, None),
)
"""Name, least area and the area below which a parcel belongs to it, hectares."""

ALL_SIZES = "all"

_MEASURES = ("purity", "completeness", "f", "over_segmentation", "under_segmentation", "distance")

PARCEL_SIZE_AGREEMENT_SCHEMA = pa.schema(
    [
        pa.field("size_class", pa.string(), nullable=False),
        pa.field("least_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("below_ha", pa.float64(), metadata={"unit": "ha"}),
        pa.field("n_parcels", pa.int64(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False, metadata={"unit": "pixels"}),
        *(pa.field(name, pa.float64(), metadata={"unit": "1"}) for name in _MEASURES),
    ]
)

_SHIFTS_OF_GRID = 1e-3  # of a pixel: rounding in a file's transform is no other grid


@dataclass(frozen=True)
class TableAgreement:
    """Agreement of segments with a table of parcels.

    Attributes
    ----------
    overall:
        Over all parcels; `parcels` in it numbers them by their row in the table, from 1.
    by_size:
        `PARCEL_SIZE_AGREEMENT_SCHEMA`: "all", then each of `SIZE_CLASSES`; null where a class has no parcel.
    left_out:
        What takes no part in the measures, counted: parcels_without_geometry (null, empty or without area),
        parcels_off_grid, parcels_without_pixel (on the grid, no pixel's centre is theirs alone), parcels_without_segment
        (with pixels, all of them nodata), pixels_in_several_parcels, pixels_without_segment, pixels_without_parcel.
    """

    overall: ParcelAgreement
    by_size: pa.Table
    left_out: dict[str, int]


def agreement_with_parcels(
    labels: npt.NDArray[Any] | str | Path, parcels: pa.Table, grid: Grid, *, strip_rows: int = 1024
) -> TableAgreement:
    """Compare segments with the polygons of a table.

    A pixel is a parcel's where its centre lies in the polygon; one in several polygons is left out. A parcel's size class
    follows the whole polygon's area, also where it reaches over the grid's edge. Memory is a strip of labels and parcels
    and the pairs that occur, beside the labels where they are an array; the strips make no difference to the result.

    Parameters
    ----------
    labels:
        (rows, cols) segments, 0 = none, or the path of a raster of them.
    parcels:
        GeoParquet table with WKB polygons in `geometry` and their CRS in its metadata; other columns are not read.
    grid:
        Grid of the labels; polygons in another CRS are brought to its own, corner by corner.
    strip_rows:
        Rows read at once.

    Raises
    ------
    LabelGridError
        The labels do not lie on the grid.
    ParcelRegisterError
        The table has no geometry or CRS, or no polygon with an area.
    EmptyImageError
        No pixel has both a segment and a parcel.
    ImageShapeError, TooManySegmentsError
        The labels are no segment numbers.
    SegmentationOptionError
        `strip_rows` is below 1.
    """
    if strip_rows < 1:
        raise SegmentationOptionError(f"strip_rows is {strip_rows}", remedy="Give at least 1")
    shapes = _shapes(parcels, grid)
    area_ha = np.where(shapely.is_missing(shapes), 0.0, shapely.area(shapes)) / 10_000
    area_ha = np.nan_to_num(area_ha)
    has_area = area_ha > 0
    if not has_area.any():
        raise ParcelRegisterError(
            f"none of {len(shapes)} reference parcels has an area", remedy="Give polygons, not points or lines"
        )
    on_grid = has_area & shapely.intersects(shapes, grid.outline())
    reference, segment, shared, several = _pairs(labels, shapes, np.flatnonzero(on_grid), grid, strip_rows)
    both = (reference > 0) & (segment > 0)
    if not both.any():
        raise EmptyImageError(
            f"no pixel has both a segment and one of {int(on_grid.sum())} parcels on the grid",
            remedy="Check that the parcels cover the labels' area",
        )
    overall = agreement_of_pairs(
        reference[both],
        segment[both],
        shared[both],
        pixels_without_segment=int(shared[(reference > 0) & (segment == 0)].sum()),
        pixels_without_parcel=int(shared[(reference == 0) & (segment > 0)].sum()),
    )
    with_pixels = np.unique(reference[reference > 0])
    left_out = {
        "parcels_without_geometry": int((~has_area).sum()),
        "parcels_off_grid": int((has_area & ~on_grid).sum()),
        "parcels_without_pixel": int(on_grid.sum()) - len(with_pixels),
        "parcels_without_segment": len(with_pixels) - overall.n_parcels,
        "pixels_in_several_parcels": several,
        "pixels_without_segment": overall.pixels_without_segment,
        "pixels_without_parcel": overall.pixels_without_parcel,
    }
    return TableAgreement(overall, _by_size(overall, reference[both], segment[both], shared[both], area_ha), left_out)


def _shapes(parcels: pa.Table, grid: Grid) -> npt.NDArray[np.object_]:
    """The polygons in the grid's CRS."""
    try:
        shapes, source = read_geometry(parcels), geometry_crs(parcels)
    except AgristatError as error:
        raise ParcelRegisterError(
            f"the reference parcels cannot be read: {error}", remedy="Write them as GeoParquet with their CRS"
        ) from error
    shapes = shapely.force_2d(shapes)
    target = pyproj.CRS.from_user_input(grid.crs)
    if source == target:
        return np.asarray(shapes, dtype=object)
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    brought = shapely.transform(shapes, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(brought, dtype=object)


def _pairs(
    labels: npt.NDArray[Any] | str | Path,
    shapes: npt.NDArray[np.object_],
    drawn: npt.NDArray[np.intp],
    grid: Grid,
    strip_rows: int,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64], int]:
    """Parcel (row + 1, 0 = none), segment (0 = none) and pixels of every pair that occurs; pixels in several parcels."""
    tree = shapely.STRtree(shapes[drawn])
    keys, counts = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    several = 0
    for rows, strip in _strips(labels, grid, strip_rows):
        part = grid.crop(rows, slice(0, grid.width))
        numbers = drawn[np.sort(tree.query(part.outline()))]
        parcels = np.zeros(part.shape, dtype=np.uint32)
        times = np.zeros(part.shape, dtype=np.uint32)
        if len(numbers):
            rasterize(((shapes[i], int(i) + 1) for i in numbers), out=parcels, transform=part.transform)
            rasterize(((shapes[i], 1) for i in numbers), out=times, transform=part.transform, merge_alg=MergeAlg.add)
        several += int((times > 1).sum())
        alone = times <= 1
        found = (parcels[alone].astype(np.uint64) << np.uint64(32)) | strip[alone]
        keys, at = np.unique(np.concatenate([keys, found]), return_inverse=True)
        weights = np.concatenate([counts, np.ones(len(found), dtype=np.int64)])
        counts = np.bincount(at, weights=weights, minlength=len(keys)).astype(np.int64)
    return keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF), counts, several


def _strips(
    labels: npt.NDArray[Any] | str | Path, grid: Grid, strip_rows: int
) -> Iterator[tuple[slice, npt.NDArray[np.uint32]]]:
    """Rows and their labels, once it is known that they lie on the grid."""
    spans = [slice(top, min(top + strip_rows, grid.height)) for top in range(0, grid.height, strip_rows)]
    if not isinstance(labels, str | Path):
        raster = label_raster(labels)
        if raster.shape != grid.shape:
            raise LabelGridError(
                f"segments {raster.shape} do not lie on the grid {grid.shape}", remedy="Give the segments' own grid"
            )
        yield from ((rows, raster[rows]) for rows in spans)
        return
    with open_raster(labels) as dataset:
        slack = _SHIFTS_OF_GRID * grid.transform.a
        shifted = any(abs(a - b) > slack for a, b in zip(dataset.transform[:6], grid.transform[:6], strict=True))
        if dataset.shape != grid.shape or shifted or not dataset.crs or pyproj.CRS(dataset.crs) != pyproj.CRS(grid.crs):
            raise LabelGridError(
                f"segments of {dataset.shape} pixels from {dataset.transform[2], dataset.transform[5]} in {dataset.crs} "
                f"do not lie on the grid of {grid.shape} from {grid.transform.c, grid.transform.f} in {grid.crs}",
                where=str(labels),
                remedy="Give the segments' own grid",
            )
        if dataset.nodata not in (None, 0):
            raise LabelGridError(
                f"nodata is {dataset.nodata:g} in a label raster", where=str(labels), remedy="Labels mark nodata by 0"
            )
        for rows in spans:
            window = Window(0, rows.start, grid.width, rows.stop - rows.start)
            yield rows, label_raster(read_rows(dataset, window))


def _by_size(
    overall: ParcelAgreement,
    reference: npt.NDArray[np.uint64],
    segment: npt.NDArray[np.uint64],
    shared: npt.NDArray[np.int64],
    area_ha: npt.NDArray[np.float64],
) -> pa.Table:
    """One row over all and one a size class."""
    # By segment, the parcel with most of it first.
    order = np.lexsort((reference, -shared, segment))
    main = order[np.unique(segment[order], return_index=True)[1]]
    own = np.bincount(reference[main].astype(np.int64), weights=shared[main], minlength=len(area_ha) + 1)
    rows = overall.parcels
    number = rows["parcel"].to_numpy().astype(np.int64)
    pixels, covered = rows["pixels"].to_numpy(), rows["shared_pixels"].to_numpy()
    over, under = rows["over_segmentation"].to_numpy(), rows["under_segmentation"].to_numpy()
    area = area_ha[number - 1]
    classes = ((ALL_SIZES, 0.0, None), *SIZE_CLASSES)
    table: list[dict[str, Any]] = []
    for name, least, below in classes:
        within = (area >= least) & (area < (np.inf if below is None else below))
        row: dict[str, Any] = {"size_class": name, "least_ha": least, "below_ha": below}
        row |= {"n_parcels": int(within.sum()), "pixels": int(pixels[within].sum())}
        if within.any():
            purity = float(own[number[within]].sum() / row["pixels"])
            completeness = float(covered[within].sum() / row["pixels"])
            row |= {
                "purity": purity,
                "completeness": completeness,
                "f": 2 * purity * completeness / (purity + completeness),
                "over_segmentation": float(over[within].mean()),
                "under_segmentation": float(under[within].mean()),
                "distance": float(np.sqrt((over[within] ** 2 + under[within] ** 2) / 2).mean()),
            }
        table.append(row)
    return pa.Table.from_pylist(table, schema=PARCEL_SIZE_AGREEMENT_SCHEMA)
