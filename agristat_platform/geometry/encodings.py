"""What a geometry column is stored as, and its values as shapely geometries: WKB, and the native encodings of GeoParquet 1.1.

Belongs here: reading columns, whatever their encoding. We write WKB only, which every reader knows; metadata are in `geoparquet`.

Source: https://geoparquet.org/releases/v1.1.0/, "Native encodings (based on GeoArrow)": nested lists of structs x, y (z).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from agristat_platform.geometry.errors import GeometryColumnError

WKB = "WKB"

# The geometry type of each native encoding, and how deep its lists are nested.
_NATIVE = {
    "point": (shapely.GeometryType.POINT, 0),
    "linestring": (shapely.GeometryType.LINESTRING, 1),
    "polygon": (shapely.GeometryType.POLYGON, 2),
    "multipoint": (shapely.GeometryType.MULTIPOINT, 1),
    "multilinestring": (shapely.GeometryType.MULTILINESTRING, 2),
    "multipolygon": (shapely.GeometryType.MULTIPOLYGON, 3),
}


def decoded(values: pa.ChunkedArray, column: str, encoding: str = WKB) -> npt.NDArray[np.object_]:
    """A column as an array of shapely geometries; None where null.

    Parameters
    ----------
    values:
        The column.
    column:
        Its name, for messages.
    encoding:
        As the metadata name it: `WKB`, or one of point, linestring, polygon, multipoint, multilinestring, multipolygon.

    Raises
    ------
    GeometryColumnError
        The encoding is none of these, the column's type is not that of the encoding, or a value is no geometry.
    """
    if encoding == WKB:
        return _from_wkb(values, column)
    if encoding not in _NATIVE:
        raise GeometryColumnError(
            f"the geometry column {column!r} is encoded as {encoding!r}, which GeoParquet 1.1 does not know",
            remedy="Write it again with the encoding WKB",
        )
    return _from_native(values, column, encoding)


def _from_wkb(values: pa.ChunkedArray, column: str) -> npt.NDArray[np.object_]:
    storage = values.type.storage_type if isinstance(values.type, pa.BaseExtensionType) else values.type
    if not (pa.types.is_binary(storage) or pa.types.is_large_binary(storage)):
        raise GeometryColumnError(
            f"the geometry column {column!r} is of type {values.type}, not WKB", remedy="Write geometries as WKB binary"
        )
    raw = np.empty(len(values), dtype=object)
    raw[:] = values.to_pylist()
    try:
        return np.asarray(shapely.from_wkb(raw), dtype=object)
    except shapely.errors.GEOSException as error:
        raise GeometryColumnError(
            f"the geometry column {column!r} holds bytes that are no WKB: {error}",
            where=_first_bad_row(raw),
            remedy="Write the table again from its source",
        ) from error


def _first_bad_row(raw: npt.NDArray[np.object_]) -> str | None:
    for row, value in enumerate(raw):
        if value is not None and shapely.from_wkb(value, on_invalid="ignore") is None:
            return f"row {row}"
    return None


def _from_native(values: pa.ChunkedArray, column: str, encoding: str) -> npt.NDArray[np.object_]:
    kind, depth = _NATIVE[encoding]
    inner: Any = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    present = np.asarray(inner.is_valid())
    inner = inner.drop_null()
    offsets = []
    while pa.types.is_list(inner.type) or pa.types.is_large_list(inner.type):
        starts = np.asarray(inner.offsets, dtype=np.int64)
        offsets.append(starts - starts[0])
        inner = inner.flatten()
    if len(offsets) != depth or not pa.types.is_struct(inner.type) or not {"x", "y"} <= _names(inner.type):
        raise GeometryColumnError(
            f"the geometry column {column!r} is of type {values.type}, but is declared as {encoding!r}",
            remedy="Write it again with the encoding WKB",
        )
    axes = [name for name in ("x", "y", "z") if name in _names(inner.type)]
    corners = np.column_stack([np.asarray(inner.field(name), dtype=np.float64) for name in axes])
    geometries = np.full(len(values), None, dtype=object)
    try:
        geometries[present] = shapely.from_ragged_array(kind, corners, tuple(reversed(offsets)) or None)
    except (shapely.errors.GEOSException, ValueError) as error:
        raise GeometryColumnError(
            f"the geometry column {column!r} holds what is no {encoding}: {error}",
            remedy="Write the table again from its source",
        ) from error
    return geometries


def _names(kind: pa.StructType) -> set[str]:
    return {kind.field(k).name for k in range(kind.num_fields)}
