"""Reading a register of parcels (LPIS, GSAA, any fiboa file): ids, polygons in a region's CRS, and what the register says of them.

Belongs here: the file. What becomes of the parcels is in `parcel_register`.

Source of the columns: fiboa core specification 0.2 (github.com/fiboa/specification): `id`, unique within `collection`;
`geometry`, in WGS 84 where no CRS is given and canonical where it disagrees with `area` (hectares);
`determination_datetime`; `determination_method`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import shapely

from agristat_platform.errors import AgristatError
from agristat_platform.geometry import geometry_crs, read_geometry
from agristat_platform.segmentation.errors import ParcelRegisterError

NAMED = 10  # ids a message names before it says how many more there are
_PARQUET = (".parquet", ".geoparquet")


@dataclass(frozen=True)
class RegisterParcels:
    """Parcels as the register has them.

    Attributes
    ----------
    ids: (n,) text; `collection/id` where the file holds several collections.
    geometries: (n,) shapely, in the CRS asked for; None where the register has none.
    stated_area_ha: (n,) NaN where it is not stated.
    determination_datetime, determination_method: (n,) as text, None where not stated.
    """

    ids: npt.NDArray[np.object_]
    geometries: npt.NDArray[np.object_]
    stated_area_ha: npt.NDArray[np.float64]
    determination_datetime: npt.NDArray[np.object_]
    determination_method: npt.NDArray[np.object_]


def read_register(path: Path, crs: str, *, id_column: str = "id", layer: str | None = None) -> RegisterParcels:
    """Read a register and bring its polygons to `crs`.

    Parameters
    ----------
    path:
        GeoParquet (`.parquet`, `.geoparquet`), or any vector format GDAL knows (GeoPackage, Shapefile, GeoJSON, …).
    crs:
        The region's CRS.
    id_column:
        Column with the register's identifier.
    layer:
        Layer of a file with several; None: its only or first one. GeoParquet has none.

    Raises
    ------
    ParcelRegisterError
        The file is not there, cannot be read, names no CRS, has no such column, or rows without an identifier.
    """
    if not path.exists():
        raise ParcelRegisterError("there is no such register of parcels", where=str(path), remedy="Put the file there")
    columns, geometries, source = _parquet(path) if path.suffix in _PARQUET else _vector(path, layer)
    if id_column not in columns:
        raise ParcelRegisterError(
            f"the register has no column {id_column!r}",
            where=str(path),
            remedy=f"Set segmentation.id_column to one of {', '.join(columns)}",
        )
    return RegisterParcels(
        ids=_identifiers(columns[id_column], columns.get("collection"), path),
        geometries=_brought_to(geometries, source, crs),
        stated_area_ha=_numbers(columns.get("area"), len(geometries)),
        determination_datetime=_texts(columns.get("determination_datetime"), len(geometries)),
        determination_method=_texts(columns.get("determination_method"), len(geometries)),
    )


def listed(names: Any) -> str:
    """The first names of many, and how many more there are."""
    names = list(map(str, names))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _parquet(path: Path) -> tuple[dict[str, list[Any]], npt.NDArray[np.object_], pyproj.CRS]:
    try:
        table = pq.read_table(path)
        geometries, source = read_geometry(table), geometry_crs(table)
    except (pa.ArrowInvalid, AgristatError) as error:
        raise ParcelRegisterError(
            f"the register cannot be read: {error}", where=str(path), remedy="Write it as GeoParquet with its CRS"
        ) from error
    wanted = [name for name in table.column_names if name != "geometry"]
    return {name: table[name].to_pylist() for name in wanted}, geometries, source


def _vector(path: Path, layer: str | None) -> tuple[dict[str, list[Any]], npt.NDArray[np.object_], pyproj.CRS]:
    try:
        frame = geopandas.read_file(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise ParcelRegisterError(f"the register cannot be read: {error}", where=str(path)) from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise ParcelRegisterError("the layer has no geometries", where=str(path), remedy="Set segmentation.file_layer")
    if frame.crs is None:
        raise ParcelRegisterError("the register names no CRS", where=str(path), remedy="Save it with its CRS")
    columns = {str(name): frame[name].tolist() for name in frame.columns if name != frame.geometry.name}
    return columns, np.asarray(frame.geometry.to_numpy(), dtype=object), frame.crs


def _identifiers(values: list[Any], collections: list[Any] | None, path: Path) -> npt.NDArray[np.object_]:
    ids = _texts(values, len(values))
    blank = [row for row, text in enumerate(ids, start=1) if text is None or not text.strip()]
    if blank:
        raise ParcelRegisterError(
            f"{len(blank)} parcel(s) have no identifier",
            where=f"{path}, row {listed(blank)}",
            remedy="Complete the column, or set segmentation.id_column to another",
        )
    if collections is not None and len(set(collections)) > 1:
        ids[:] = [f"{collection}/{text}" for collection, text in zip(collections, ids, strict=True)]
    return ids


def _texts(values: list[Any] | None, n: int) -> npt.NDArray[np.object_]:
    texts = np.full(n, None, dtype=object)
    if values is not None:
        texts[:] = [None if _missing(value) else _text(value) for value in values]
    return texts


def _text(value: Any) -> str:
    if (
        isinstance(value, float) and value.is_integer()
    ):  # whole numbers come as floats where a row of the column is empty
        return str(int(value))
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _missing(value: Any) -> bool:
    return value is None or bool(value != value)  # NaN and NaT alone are unlike themselves


def _numbers(values: list[Any] | None, n: int) -> npt.NDArray[np.float64]:
    if values is None or not all(value is None or isinstance(value, int | float) for value in values):
        return np.full(n, np.nan)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _brought_to(geometries: npt.NDArray[np.object_], source: pyproj.CRS, crs: str) -> npt.NDArray[np.object_]:
    """Corner by corner: over the sides of a parcel, a straight line in degrees bends by centimetres in metres."""
    transformer = pyproj.Transformer.from_crs(source, crs, always_xy=True)
    flat = shapely.force_2d(geometries)
    brought = shapely.transform(flat, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(brought, dtype=object)
