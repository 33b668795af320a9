"""GeoParquet 1.1.0 on Arrow tables: the `geo` metadata key, WKB columns, and back to shapely.

Belongs here: what makes a `pyarrow.Table` written by `pyarrow.parquet.write_table` a valid GeoParquet file, and reading
its geometry and CRS again. Geometry operations and file placement don't.

Source: https://geoparquet.org/releases/v1.1.0/ (OGC GeoParquet specification 1.1.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from agristat_platform.geometry.encodings import WKB, decoded
from agristat_platform.geometry.errors import GeometryColumnError, GeometryCrsError

GEOPARQUET_VERSION = "1.1.0"

_TYPE_NAMES = (
    "Point",
    "LineString",
    "LinearRing",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)


def geoparquet_metadata(
    crs: Any,
    geometry_types: Iterable[str] = (),
    bbox: Sequence[float] | None = None,
    *,
    column: str = "geometry",
    boxes: str | None = None,
    counterclockwise: bool = False,
) -> dict[bytes, bytes]:
    """Key and value that go into an Arrow schema's metadata: the `geo` object of a file with one WKB geometry column.

    Parameters
    ----------
    crs:
        Anything pyproj takes ("EPSG:32630", WKT, PROJJSON, a CRS object).
    geometry_types:
        GeoParquet names ("Polygon", "MultiPolygon", "Point Z"); empty means "not known", as in the specification.
    bbox:
        (xmin, ymin, xmax, ymax) of the whole column in its CRS, with heights (xmin, ymin, zmin, xmax, ymax, zmax); left
        out when None.
    column:
        Name of the geometry column.
    boxes:
        Name of a column of structs xmin, ymin, xmax, ymax with each row's bounds, by which readers skip rows.
    counterclockwise:
        Says that all shells run counter-clockwise and all holes clockwise.

    Raises
    ------
    GeometryCrsError
        PROJ does not know the CRS.
    """
    described: dict[str, Any] = {
        "encoding": WKB,
        "geometry_types": sorted(set(geometry_types)),
        "crs": _parse_crs(crs).to_json_dict(),
    }
    if bbox is not None:
        described["bbox"] = [float(value) for value in bbox]
    if boxes is not None:
        described["covering"] = {"bbox": {side: [boxes, side] for side in ("xmin", "ymin", "xmax", "ymax")}}
    if counterclockwise:
        described["orientation"] = "counterclockwise"
    geo = {"version": GEOPARQUET_VERSION, "primary_column": column, "columns": {column: described}}
    return {b"geo": json.dumps(geo, sort_keys=True).encode()}


def with_geometry(table: pa.Table, crs: Any, column: str = "geometry") -> pa.Table:
    """The table with GeoParquet metadata for its WKB column, other schema metadata kept.

    Geometry types and the bounding box are taken from the data. Empty and null geometries are allowed. Geometries with
    heights become ISO WKB, which the specification asks for and shapely does not write unless told to.

    Raises
    ------
    GeometryColumnError
        The column is absent, not binary, holds bytes that are no WKB, coordinates that are not finite, or measures (M),
        for which GeoParquet has no place.
    GeometryCrsError
        PROJ does not know the CRS.
    """
    geometries = decoded(_column(table, column), column)
    present = geometries[~shapely.is_missing(geometries)]
    if shapely.has_m(present).any():
        raise GeometryColumnError(
            f"the geometry column {column!r} has measures (M), which GeoParquet knows nothing of",
            remedy="Drop them with shapely.force_2d",
        )
    metadata = dict(table.schema.metadata or {})
    metadata.update(geoparquet_metadata(crs, _geometry_types(present), _bounds(present, column), column=column))
    if shapely.has_z(present).any():
        place = table.column_names.index(column)
        field = table.schema.field(column)
        encoded = pa.array(shapely.to_wkb(geometries, flavor="iso"), field.type)
        table = table.set_column(place, field, encoded)
    return table.replace_schema_metadata(metadata)


def read_geometry(table: pa.Table, column: str = "geometry") -> npt.NDArray[np.object_]:
    """The table's geometry column as an array of shapely geometries; None where null.

    WKB, unless the table's GeoParquet metadata declare one of the native encodings for the column.

    Raises
    ------
    GeometryColumnError
        The column is absent, of another type than its encoding, or holds what is no geometry.
    """
    described = _geo(table.schema).get("columns", {}).get(column, {})
    return decoded(_column(table, column), column, described.get("encoding", WKB))


def geometry_column(schema: pa.Schema) -> str:
    """Name of the geometry column that GeoParquet metadata call the primary one; `geometry` where there are none."""
    return str(_geo(schema).get("primary_column", "geometry"))


def geometry_crs(table: pa.Table, column: str = "geometry") -> pyproj.CRS:
    """The CRS declared by the table's GeoParquet metadata; OGC:CRS84 where the metadata leaves it out (specification).

    Raises
    ------
    GeometryCrsError
        The table has no GeoParquet metadata for the column, or declares the CRS as unknown (null).
    GeometryColumnError
        The metadata are no JSON object.
    """
    described = _geo(table.schema).get("columns", {}).get(column)
    if described is None:
        raise GeometryCrsError(
            f"the table carries no GeoParquet metadata for column {column!r}", remedy="Give the CRS with with_geometry"
        )
    declared = described.get("crs", "OGC:CRS84")
    if declared is None:
        raise GeometryCrsError(f"the CRS of column {column!r} is declared unknown", remedy="Find out and declare it")
    return _parse_crs(declared)


def _parse_crs(crs: Any) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise GeometryCrsError(f"PROJ does not know the CRS {crs!r}", remedy='Use for example "EPSG:32630"') from error


def _geometry_types(present: npt.NDArray[np.object_]) -> list[str]:
    codes = shapely.get_type_id(present)
    heights = shapely.has_z(present)
    names = set()
    for code, high in {(int(c), bool(z)) for c, z in zip(codes, heights, strict=True)}:
        # GeoParquet knows no LinearRing: its WKB is that of a line
        name = "LineString" if _TYPE_NAMES[code] == "LinearRing" else _TYPE_NAMES[code]
        names.add(f"{name} Z" if high else name)
    return sorted(names)


def _column(table: pa.Table, column: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        raise GeometryColumnError(
            f"the table has no geometry column {column!r}",
            remedy=f"Its columns are {', '.join(table.column_names)}",
        )
    return table.column(column)


def _geo(schema: pa.Schema) -> dict[str, Any]:
    try:
        geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    except ValueError as error:
        raise GeometryColumnError(
            f"the table's GeoParquet metadata are no JSON: {error}", remedy="Write the file again from its source"
        ) from error
    if not isinstance(geo, dict):
        raise GeometryColumnError(
            "the table's GeoParquet metadata are no JSON object", remedy="Write the file again from its source"
        )
    return geo


def _bounds(present: npt.NDArray[np.object_], column: str) -> list[float] | None:
    """Of geometries that are not null: 4 numbers, or 6 where any has heights; None where there is no coordinate."""
    present = present[~shapely.is_empty(present)]
    if not len(present):
        return None
    xmin, ymin, xmax, ymax = shapely.total_bounds(present)
    bounds = [xmin, ymin, xmax, ymax]
    if shapely.has_z(present).any():
        heights = shapely.get_coordinates(present, include_z=True)[:, 2]
        bounds = [xmin, ymin, np.nanmin(heights), xmax, ymax, np.nanmax(heights)]
    if not np.isfinite(bounds).all():
        raise GeometryColumnError(
            f"the geometry column {column!r} has coordinates that are not finite",
            remedy="Were they brought to a CRS that does not reach there?",
        )
    return [float(value) for value in bounds]
