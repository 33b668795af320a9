"""Mapped area of each class inside polygons, with exact shares of the pixels that a boundary cuts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.mapping.crop_rasters import check_classes, codes_by_value, open_raster
from agristat_platform.mapping.errors import UnitGeometryError

UNIT_AREAS_SCHEMA = pa.schema(
    [
        pa.field("unit_id", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("area_ha", pa.float64(), metadata={"unit": "ha"}),
        pa.field("unmapped_ha", pa.float64(), nullable=False, metadata={"unit": "ha", "of": "the whole unit"}),
    ]
)

_TILE = 1024
_SLIVER = 1e-6  # of a pixel: parts smaller than this are rounding left by an earlier overlay


def areas_by_unit(crop_map_path: Path | str, units: pa.Table, nomenclature: CropNomenclature) -> pa.Table:
    """Area of every class of the map inside every unit, in hectares.

    A pixel counts by the share of it that lies inside the polygon, so the areas of units that partition a region add
    up to the region's mapped area. These are map areas, with the map's errors: auxiliary variables, not estimates.

    Parameters
    ----------
    crop_map_path:
        uint8 class raster, 0 = nodata, north-up.
    units:
        `unit_id` and `geometry` (WKB polygons in the raster's CRS).
    nomenclature:
        Gives the classes; each has a row for each unit.

    Returns
    -------
    pa.Table
        `UNIT_AREAS_SCHEMA`: units in their order, classes in the nomenclature's. `unmapped_ha`, repeated in each row
        of a unit, is its area without a class (nodata, or beyond the raster); where nothing of a unit is mapped, its
        areas are null.

    Raises
    ------
    UnitGeometryError
        A unit has no valid polygon; it is named.
    UnmappableClassError
        The raster holds values the nomenclature doesn't have.
    RasterUnreadableError
        The raster can't be read.
    """
    names = [str(name) for name in units.column("unit_id").to_pylist()]
    areas, unmapped = class_areas(crop_map_path, names, units.column("geometry").to_pylist(), nomenclature)
    codes = nomenclature.codes
    unseen = np.repeat(areas.sum(axis=1) == 0, len(codes))
    return pa.table(
        {
            "unit_id": np.repeat(np.array(names, dtype=object), len(codes)),
            "crop_code": codes * len(names),
            "area_ha": pa.array(areas.ravel(), mask=unseen),
            "unmapped_ha": np.repeat(unmapped, len(codes)),
        },
        schema=UNIT_AREAS_SCHEMA,
    )


def fill_unmapped_units(areas: pa.Table) -> tuple[pa.Table, int]:
    """Give units of which nothing is mapped the map's own shares, so that one sliver does not stop a region's estimate.

    An auxiliary variable may be any figure that does not depend on the sample; the regression estimator stays
    design-consistent. A missing unit takes the share of each class over all mapped units times its area, never zero.

    Parameters
    ----------
    areas:
        `UNIT_AREAS_SCHEMA`, every unit with a row of every class.

    Returns
    -------
    pa.Table
        The same rows without nulls.
    int
        Number of units filled.

    Raises
    ------
    UnitGeometryError
        Nothing of any unit is mapped.
    """
    codes = np.asarray(areas["crop_code"].to_pylist(), dtype=object)
    values = areas["area_ha"].to_numpy(zero_copy_only=False).astype(np.float64)
    missing = np.isnan(values)
    if not missing.any():
        return areas, 0
    if missing.all():
        raise UnitGeometryError("no unit lies on the map", where=f"{len(set(areas['unit_id'].to_pylist()))} units")
    mapped = values[~missing].sum()
    share = {code: values[~missing & (codes == code)].sum() / mapped for code in set(codes)}
    whole = areas["unmapped_ha"].to_numpy()
    filled = np.where(missing, np.asarray([share[code] for code in codes]) * whole, values)
    position = areas.schema.get_field_index("area_ha")
    units = len(set(np.asarray(areas["unit_id"].to_pylist(), dtype=object)[missing]))
    return areas.set_column(position, areas.schema.field(position), pa.array(filled)), units


def class_areas(
    crop_map_path: Path | str, names: list[str], encoded: list[bytes | None], nomenclature: CropNomenclature
) -> tuple[np.ndarray, np.ndarray]:
    """Mapped hectares (polygons, classes in the nomenclature's order) and unmapped hectares (polygons,)."""
    polygons = _polygons(names, encoded)
    by_value = np.zeros((len(polygons), 256))
    with open_raster(crop_map_path) as source:
        pixel_ha = abs(source.transform.a * source.transform.e) / 10_000
        for row, polygon in enumerate(polygons):
            by_value[row] = _weighted_counts(source, polygon) * pixel_ha
    check_classes(np.flatnonzero(by_value.any(axis=0)), codes_by_value(nomenclature), crop_map_path)
    areas = by_value[:, [crop.class_id for crop in nomenclature.crops]]
    unmapped = shapely.area(polygons) / 10_000 - areas.sum(axis=1)
    # What is left of a fully mapped unit is rounding.
    return areas, np.where(np.abs(unmapped) < 1e-9 * shapely.area(polygons), 0.0, unmapped)


def cover_shares(polygon: shapely.Geometry, transform: Affine, height: int, width: int) -> np.ndarray:
    """Share of each pixel that lies inside a polygon, float64 (height, width), exact up to rounding.

    Squares of pixels are halved until they lie wholly inside or outside; only pixels on the boundary are clipped, so
    the work follows the boundary's length, not the area.

    Parameters
    ----------
    transform:
        North-up affine of pixel (0, 0), in the polygon's CRS.
    """
    shares = np.zeros((height, width))
    pixel = abs(transform.a * transform.e)
    polygon = _without_slivers(polygon, _SLIVER * pixel)
    shapely.prepare(polygon)
    size = 1 << max(height - 1, width - 1, 0).bit_length()
    rows, cols = np.array([0]), np.array([0])
    while len(rows):
        boxes = _pixel_boxes(transform, rows, cols, size)
        hit = shapely.intersects(polygon, boxes)
        rows, cols, boxes = rows[hit], cols[hit], boxes[hit]
        inside = shapely.covers(polygon, boxes)
        for row, col in zip(rows[inside].tolist(), cols[inside].tolist(), strict=True):
            shares[row : row + size, col : col + size] = 1.0
        rows, cols, boxes = rows[~inside], cols[~inside], boxes[~inside]
        if size == 1:
            clipped = np.minimum(shapely.area(shapely.intersection(polygon, boxes)), polygon.area)
            shares[rows, cols] = clipped / pixel
            break
        size //= 2
        rows = np.concatenate([rows, rows, rows + size, rows + size])
        cols = np.concatenate([cols, cols + size, cols, cols + size])
        within = (rows < height) & (cols < width)
        rows, cols = rows[within], cols[within]
    return shares


def _without_slivers(polygon: shapely.Geometry, least_area: float) -> shapely.Geometry:
    """The parts that have an area; all of them where none has.

    A part of no width (two digitised borders that nearly agree) makes GEOS return whole pixels as its intersections.
    """
    parts = shapely.get_parts(polygon)
    real = parts[shapely.area(parts) > least_area]
    return polygon if len(real) in (0, len(parts)) else shapely.multipolygons(real)


def _weighted_counts(source: rasterio.DatasetReader, polygon: shapely.Geometry) -> np.ndarray:
    counts = np.zeros(256)
    for window in _windows(source, polygon):
        left, top = source.xy(window.row_off, window.col_off, offset="ul")
        origin = Affine(source.transform.a, 0, left, 0, source.transform.e, top)
        shares = cover_shares(polygon, origin, window.height, window.width)
        values = source.read(1, window=window)
        counts += np.bincount(values.ravel(), weights=shares.ravel(), minlength=256)
    return counts


def _windows(source: rasterio.DatasetReader, polygon: shapely.Geometry) -> Iterator[Window]:
    left, bottom, right, top = polygon.bounds
    transform = source.transform
    first_col = max(int(np.floor((left - transform.c) / transform.a)), 0)
    last_col = min(int(np.ceil((right - transform.c) / transform.a)), source.width)
    first_row = max(int(np.floor((top - transform.f) / transform.e)), 0)
    last_row = min(int(np.ceil((bottom - transform.f) / transform.e)), source.height)
    for row in range(first_row, last_row, _TILE):
        for col in range(first_col, last_col, _TILE):
            yield Window(col, row, min(_TILE, last_col - col), min(_TILE, last_row - row))


def _pixel_boxes(transform: Affine, rows: np.ndarray, cols: np.ndarray, size: int) -> np.ndarray:
    left = transform.c + cols * transform.a
    top = transform.f + rows * transform.e
    boxes = shapely.box(left, top + size * transform.e, left + size * transform.a, top)
    return np.asarray(boxes, dtype=object)


def _polygons(names: list[str], encoded: list[bytes | None]) -> np.ndarray:
    polygons = np.asarray(shapely.from_wkb(np.array(encoded, dtype=object), on_invalid="ignore"), dtype=object)
    for name, polygon in zip(names, polygons.tolist(), strict=True):
        if polygon is None or polygon.is_empty or shapely.get_dimensions(polygon) != 2:
            raise UnitGeometryError("unit has no polygon", where=name, remedy="Give polygons as WKB in the map's CRS")
        if not polygon.is_valid:
            raise UnitGeometryError(
                f"polygon is not valid: {shapely.is_valid_reason(polygon)}", where=name, remedy="Repair the polygon"
            )
    return polygons
