"""Area frames: square segments of a fixed grid, cut at the boundary of the area of interest.

Strata belong to `strata`, selection to `selection`. List and point frames are not built here.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from agristat_platform.sampling.errors import FrameError
from agristat_platform.sampling.schemas import FRAME_SCHEMA

UNSTRATIFIED = "all"
_M2_PER_HA = 10_000.0


def area_frame(
    aoi_projected: BaseGeometry, side_m: float, *, crs: str, origin: tuple[float, float] = (0.0, 0.0)
) -> pa.Table:
    """Squares of a grid fixed to the CRS origin, clipped to the area of interest.

    Slivers at the boundary are kept as units of their own, so that the areas add up to the area of interest and
    every piece of land has a known chance of selection.

    Parameters
    ----------
    aoi_projected:
        Polygon or multipolygon in `crs`, metres.
    side_m:
        Side of a segment in metres.
    crs:
        A projected CRS, anything pyproj takes; areas are areas in it.
    origin:
        Corner (x, y) in metres from which the grid is counted.

    Returns
    -------
    pyarrow.Table
        `FRAME_SCHEMA`, sorted by row (northwards) and column (eastwards), all in stratum "all"; metadata `crs`.

    Raises
    ------
    FrameError
        CRS in degrees, side not positive, empty or invalid geometry.
    """
    _check_frame_request(aoi_projected, side_m, crs)
    cols, rows = _grid_indices(aoi_projected, side_m, origin)
    left, bottom = origin[0] + cols * side_m, origin[1] + rows * side_m
    squares = shapely.box(left, bottom, left + side_m, bottom + side_m)
    geometries = _clip(squares, aoi_projected)
    area_ha = shapely.area(geometries) / _M2_PER_HA
    kept = area_ha > 0
    table = pa.table(
        [
            pa.array(_unit_ids(rows[kept], cols[kept]), pa.string()),
            pa.array([UNSTRATIFIED] * int(kept.sum()), pa.string()),
            pa.array(area_ha[kept]),
            pa.array(rows[kept].astype(np.int32)),
            pa.array(cols[kept].astype(np.int32)),
            pa.array(shapely.to_wkb(geometries[kept]), pa.binary()),
        ],
        schema=FRAME_SCHEMA,
    )
    return table.replace_schema_metadata({"crs": pyproj.CRS.from_user_input(crs).to_string(), "side_m": repr(side_m)})


def frame_crs(frame: pa.Table) -> str:
    """The CRS written into a frame's metadata; `FrameError` when there is none."""
    crs = (frame.schema.metadata or {}).get(b"crs")
    if crs is None:
        raise FrameError("the frame has no CRS in its metadata", remedy="Build it with area_frame(…, crs=…)")
    return crs.decode()


def frame_hash(frame: pa.Table) -> str:
    """sha256 of a frame's content in a form that does not depend on row order, chunking or file format."""
    columns = sorted(frame.column_names)
    order = np.argsort(np.asarray(frame["unit_id"].to_pylist(), dtype=np.str_), kind="stable")
    digest = hashlib.sha256()
    header = {"columns": [[name, str(frame.schema.field(name).type)] for name in columns], "rows": frame.num_rows}
    metadata = {k.decode(): v.decode() for k, v in (frame.schema.metadata or {}).items() if k in (b"crs", b"side_m")}
    digest.update(json.dumps({**header, **metadata}, sort_keys=True).encode())
    ordered = frame.take(pa.array(order))
    for name in columns:
        digest.update(_canonical_bytes(ordered[name]))
    return digest.hexdigest()


def _canonical_bytes(column: pa.ChunkedArray) -> bytes:
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return np.asarray([np.nan if v is None else v for v in values], dtype="<f8").tobytes()
    if pa.types.is_integer(column.type):
        return np.asarray([np.iinfo(np.int64).min if v is None else v for v in values], dtype="<i8").tobytes()
    encoded = [b"" if v is None else (v if isinstance(v, bytes) else str(v).encode()) for v in values]
    lengths = np.asarray([-1 if v is None else len(e) for v, e in zip(values, encoded, strict=True)], dtype="<i8")
    return lengths.tobytes() + b"".join(encoded)


def _check_frame_request(aoi: BaseGeometry, side_m: float, crs: str) -> None:
    if not pyproj.CRS.from_user_input(crs).is_projected:
        raise FrameError(f"an area frame needs a projected CRS in metres, {crs} is not one", remedy="Reproject the AOI")
    if not (np.isfinite(side_m) and side_m > 0):
        raise FrameError(f"segment side {side_m} m is not a positive length", where="side_m")
    if aoi.is_empty or aoi.geom_type not in ("Polygon", "MultiPolygon"):
        raise FrameError(f"the area of interest is an empty geometry or no polygon ({aoi.geom_type})", where="aoi")
    if not aoi.is_valid:
        raise FrameError(f"the area of interest is invalid: {shapely.is_valid_reason(aoi)}", remedy="Repair its rings")


def _grid_indices(
    aoi: BaseGeometry, side_m: float, origin: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, bottom, right, top = aoi.bounds
    first_col, first_row = np.floor((left - origin[0]) / side_m), np.floor((bottom - origin[1]) / side_m)
    last_col, last_row = np.ceil((right - origin[0]) / side_m), np.ceil((top - origin[1]) / side_m)
    rows, cols = np.meshgrid(
        np.arange(int(first_row), int(last_row)), np.arange(int(first_col), int(last_col)), indexing="ij"
    )
    return cols.ravel().astype(np.int64), rows.ravel().astype(np.int64)


def _clip(squares: NDArray[np.object_], aoi: BaseGeometry) -> NDArray[np.object_]:
    shapely.prepare(aoi)
    inside = shapely.contains_properly(aoi, squares)
    clipped = squares.copy()
    crossing = ~inside
    clipped[crossing] = shapely.intersection(squares[crossing], aoi)
    mixed = np.flatnonzero(shapely.get_type_id(clipped) == shapely.GeometryType.GEOMETRYCOLLECTION)
    for i in mixed:  # a square that also touches the boundary along a line or in a point: the polygons are the unit
        parts = [p for p in shapely.get_parts(clipped[i]) if p.geom_type in ("Polygon", "MultiPolygon")]
        clipped[i] = shapely.union_all(parts) if parts else shapely.Polygon()
    return clipped


def _unit_ids(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> list[str]:
    return [
        f"{'E' if c >= 0 else 'W'}{abs(c):04d}{'N' if r >= 0 else 'S'}{abs(r):04d}"
        for r, c in zip(rows.tolist(), cols.tolist(), strict=True)
    ]
