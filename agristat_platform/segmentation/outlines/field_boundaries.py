"""Segments or parcels as a file of field boundaries that others read: GeoParquet after the field-boundary schema.

Belongs here: writing. Files of that schema are read by `register_files`.

Source: fiboa core specification 0.3.0 (https://fiboa.org/specification/v0.3.0/schema.yaml) on Vecorel 0.1.0, encoded as
GeoParquet 1.1.0.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from agristat_platform.geometry import geometry_column, geometry_crs, geoparquet_metadata, read_geometry
from agristat_platform.segmentation.errors import FieldBoundariesError
from agristat_platform.segmentation.parcels.register_files import PARQUET_SUFFIXES, listed

Determination = Literal["manual", "surveyed", "driven", "auto-operation", "auto-imagery", "unknown"]

SCHEMAS = ("https://vecorel.org/specification/v0.1.0/schema.yaml", "https://fiboa.org/specification/v0.3.0/schema.yaml")
MOST_AREA_M2 = 1e9
MOST_PERIMETER_M = 125_000.0

_LONLAT = "OGC:CRS84"
_SIDES = ("xmin", "ymin", "xmax", "ymax")

FIELD_BOUNDARIES_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("bbox", pa.struct([pa.field(side, pa.float64(), nullable=False) for side in _SIDES]), nullable=False),
        pa.field("metrics:area", pa.float32(), metadata={"unit": "m2", "of": "the ellipsoid"}),
        pa.field("metrics:perimeter", pa.float32(), metadata={"unit": "m", "of": "the ellipsoid"}),
        pa.field("determination:method", pa.string()),
        pa.field("determination:datetime", pa.timestamp("ms", "UTC")),
        pa.field("determination:details", pa.string()),
    ]
)


def write_field_boundaries(
    path: Path,
    segments: pa.Table,
    *,
    collection: str,
    observed: datetime,
    method: Determination = "auto-imagery",
    details: str | None = None,
    id_column: str = "segment_id",
) -> pa.Table:
    """Write polygons as field boundaries in longitude and latitude, which is what the schema expects.

    Corners are brought over one by one. Areas and perimeters are those of the ellipsoid, where the schema sets limits
    (100,000 ha, 125 km) null beyond them; shells run counter-clockwise. Rows are in the order of the table.

    Parameters
    ----------
    path:
        File to write, `.parquet` or `.geoparquet`; it appears whole or not at all, and replaces what is there.
    segments:
        Table with `id_column` and a GeoParquet column of polygons, such as `segment_polygons` gives.
    collection:
        Name that tells these boundaries from all others; `id` is unique within it.
    observed:
        The last time the fields were observed, with its time zone: the end of the imagery, not the day of computing.
    method:
        How they were found, in the schema's words; "unknown" for what an authority defined.
    details:
        More about that, in free words.
    id_column:
        Its values become text.

    Returns
    -------
    What was written, of `FIELD_BOUNDARIES_SCHEMA`.

    Raises
    ------
    FieldBoundariesError
        Another kind of file; no row, no id column, no collection, a time without zone; ids that are missing or
        repeated, or rows that are no polygon, which the message names.
    GeometryColumnError, GeometryCrsError
        From `geometry`: the table has no geometry column or no CRS.
    """
    if path.suffix not in PARQUET_SUFFIXES:
        raise FieldBoundariesError(
            f"field boundaries are not written as {path.suffix or 'a file without an ending'}",
            where=str(path),
            remedy=f"Name it {' or '.join(PARQUET_SUFFIXES)}",
        )
    if not collection.strip():
        raise FieldBoundariesError("the collection has no name", remedy="Name it, for example by region and season")
    if observed.tzinfo is None:
        raise FieldBoundariesError(f"the time {observed} has no zone", remedy="Give it in UTC")
    column = geometry_column(segments.schema)
    ids = _ids(segments, id_column)
    shapes = _in_lonlat(_polygons(read_geometry(segments, column), ids), geometry_crs(segments, column))
    table = _table(ids, shapes, collection, observed, method, details)
    metadata = {
        **geoparquet_metadata(
            _LONLAT,
            {shape.geom_type for shape in shapes},
            [float(value) for value in shapely.total_bounds(shapes)],
            boxes="bbox",
            counterclockwise=True,
        ),
        b"collection": json.dumps({"schemas": {collection: list(SCHEMAS)}, "collection": collection}).encode(),
    }
    table = table.replace_schema_metadata(metadata)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, beside, compression="zstd")
        beside.replace(path)
    except OSError as error:
        raise FieldBoundariesError(
            f"the file cannot be written: {error.strerror or error}", where=str(path), remedy="Is there such a folder?"
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return table


def _ids(segments: pa.Table, id_column: str) -> list[str]:
    if not segments.num_rows:
        raise FieldBoundariesError("there is no polygon to write", remedy="Were the segments made?")
    if id_column not in segments.column_names:
        raise FieldBoundariesError(
            f"the table has no column {id_column!r}", remedy=f"Name one of {', '.join(segments.column_names)}"
        )
    values = segments[id_column].to_pylist()
    if None in values:
        raise FieldBoundariesError(
            f"{values.count(None)} row(s) have no {id_column}", remedy="Leave them out, or name another column"
        )
    ids = [str(value) for value in values]
    repeated = [name for name, times in Counter(ids).items() if times > 1]
    if repeated:
        raise FieldBoundariesError(f"ids are there more than once: {listed(repeated)}", remedy="Give each its own")
    return ids


def _polygons(shapes: npt.NDArray[np.object_], ids: list[str]) -> npt.NDArray[np.object_]:
    areal = np.isin(shapely.get_type_id(shapes), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    wrong = ~areal | shapely.is_empty(shapes) | ~shapely.is_valid(shapes)
    if wrong.any():
        raise FieldBoundariesError(
            f"{wrong.sum()} row(s) are no valid polygon: {listed(ids[row] for row in np.flatnonzero(wrong))}",
            remedy="Leave them out, or repair them with shapely.make_valid",
        )
    return shapes


def _in_lonlat(shapes: npt.NDArray[np.object_], crs: pyproj.CRS) -> npt.NDArray[np.object_]:
    transformer = pyproj.Transformer.from_crs(crs, _LONLAT, always_xy=True)
    brought = shapely.transform(
        shapely.force_2d(shapes), lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )
    return np.asarray(shapely.orient_polygons(brought), dtype=object)


def _table(
    ids: list[str],
    shapes: npt.NDArray[np.object_],
    collection: str,
    observed: datetime,
    method: str,
    details: str | None,
) -> pa.Table:
    n = len(ids)
    ellipsoid = pyproj.Geod(ellps="WGS84")
    measured = np.array([ellipsoid.geometry_area_perimeter(shape) for shape in shapes])
    area, perimeter = np.abs(measured[:, 0]), measured[:, 1]
    sides: list[Any] = [pa.array(side) for side in shapely.bounds(shapes).T]
    return pa.Table.from_arrays(
        [
            pa.array(ids, pa.string()),
            pa.array([collection] * n, pa.string()),
            pa.array(shapely.to_wkb(shapes), pa.binary()),
            pa.StructArray.from_arrays(sides, fields=list(FIELD_BOUNDARIES_SCHEMA.field("bbox").type)),
            pa.array(area.astype(np.float32), mask=~((area > 0) & (area <= MOST_AREA_M2))),
            pa.array(perimeter.astype(np.float32), mask=perimeter > MOST_PERIMETER_M),
            pa.array([method] * n, pa.string()),
            pa.array([observed.astimezone(UTC)] * n, pa.timestamp("ms", "UTC")),
            pa.array([details] * n, pa.string()),
        ],
        schema=FIELD_BOUNDARIES_SCHEMA,
    )
