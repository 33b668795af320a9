"""Reading a register of parcels (LPIS, GSAA, any fiboa file): ids, polygons in a region's CRS, and what the register says of them.

Belongs here: the file. What becomes of the parcels is in `register`.

Source of the columns: fiboa core specification (github.com/fiboa/specification). 0.3: `id`, unique within `collection`;
`geometry`, in WGS 84 where no CRS is given and canonical where it disagrees with `metrics:area` (square metres);
`determination:datetime`; `determination:method`; what all rows share may stand once, as JSON in the file's metadata under
`collection`. 0.2: `area` (hectares), `determination_datetime`, `determination_method`, and the metadata's key is `fiboa`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
from agristat_platform.geometry import geometry_column, geometry_crs, read_geometry
from agristat_platform.segmentation.errors import ParcelRegisterError

NAMED = 10  # ids a message names before it says how many more there are
PARQUET_SUFFIXES = (".parquet", ".geoparquet")

# Names of 0.3 before those of 0.2, and what brings an area to hectares.
_AREA = {"metrics:area": 1e-4, "area": 1.0}
_DATETIME = ("determination:datetime", "determination_datetime")
_METHOD = ("determination:method", "determination_method")
_COLLECTION = "collection"
_SHARED_KEYS = (b"collection", b"fiboa")


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
    file = _read(path, layer, id_column)
    if id_column not in file.names:
        raise ParcelRegisterError(
            f"the register has no column {id_column!r}",
            where=str(path),
            remedy=f"Set segmentation.id_column to one of {', '.join(file.names)}",
        )
    return RegisterParcels(
        ids=_identifiers(file.columns[id_column], file.columns.get(_COLLECTION), path),
        geometries=_brought_to(file.geometries, file.crs, crs),
        stated_area_ha=_areas(file),
        determination_datetime=_texts(file.first_of(_DATETIME), len(file.geometries)),
        determination_method=_texts(file.first_of(_METHOD), len(file.geometries)),
    )


def read_polygons(path: Path, crs: str, *, layer: str | None = None) -> npt.NDArray[np.object_]:
    """The polygons of a file that `read_register` reads, identifiers or not: shapely without heights in `crs`, None where null.

    Raises
    ------
    ParcelRegisterError
        The file is not there, cannot be read, or names no CRS.
    """
    file = _read(path, layer, None)
    return _brought_to(file.geometries, file.crs, crs)


def listed(names: Any) -> str:
    """The first names of many, and how many more there are."""
    names = list(map(str, names))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class _File:
    """What is read of a register: the names of all columns, the values of some, and what its metadata say of all rows."""

    names: list[str]
    columns: Mapping[str, list[Any]]
    shared: Mapping[str, Any]
    geometries: npt.NDArray[np.object_]
    crs: pyproj.CRS

    def first_of(self, names: Iterable[str]) -> list[Any] | None:
        """Values of the first of these columns that there is, else what the metadata say; None where nothing is said."""
        for name in names:
            if name in self.columns:
                return self.columns[name]
        for name in names:
            if name in self.shared:
                return [self.shared[name]] * len(self.geometries)
        return None


def _read(path: Path, layer: str | None, id_column: str | None) -> _File:
    if not path.exists():
        raise ParcelRegisterError("there is no such register of parcels", where=str(path), remedy="Put the file there")
    wanted = {id_column, _COLLECTION, *_AREA, *_DATETIME, *_METHOD}
    return _parquet(path, wanted) if path.suffix in PARQUET_SUFFIXES else _vector(path, layer, wanted)


def _parquet(path: Path, wanted: set[str | None]) -> _File:
    try:
        dataset = pq.ParquetDataset(path)
        shape = geometry_column(dataset.schema)
        names = [name for name in dataset.schema.names if name != shape]
        known = [name for name in names if name in wanted]
        table = dataset.read(columns=[*known, *({shape} & set(dataset.schema.names))])
        geometries, source = read_geometry(table, shape), geometry_crs(table, shape)
    except (pa.ArrowException, OSError, AgristatError) as error:
        raise ParcelRegisterError(
            f"the register cannot be read: {error}", where=str(path), remedy="Write it as GeoParquet with its CRS"
        ) from error
    columns = {name: table[name].to_pylist() for name in known}
    return _File(names, columns, _shared(dataset.schema), geometries, source)


def _shared(schema: pa.Schema) -> Mapping[str, Any]:
    """What the metadata of a field-boundary file say of all of its rows; other metadata of these names say nothing."""
    said: dict[str, Any] = {}
    for key in _SHARED_KEYS:
        try:
            found = json.loads((schema.metadata or {}).get(key, b"{}"))
        except ValueError:
            continue
        said = {**(found if isinstance(found, dict) else {}), **said}
    return said


def _vector(path: Path, layer: str | None, wanted: set[str | None]) -> _File:
    try:
        frame = geopandas.read_file(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise ParcelRegisterError(f"the register cannot be read: {error}", where=str(path)) from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise ParcelRegisterError("the layer has no geometries", where=str(path), remedy="Set segmentation.file_layer")
    if frame.crs is None:
        raise ParcelRegisterError("the register names no CRS", where=str(path), remedy="Save it with its CRS")
    names = [str(name) for name in frame.columns if name != frame.geometry.name]
    columns = {name: frame[name].tolist() for name in names if name in wanted}
    return _File(names, columns, {}, np.asarray(frame.geometry.to_numpy(), dtype=object), frame.crs)


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


def _areas(file: _File) -> npt.NDArray[np.float64]:
    """Stated areas in hectares; NaN where there is none, or what is there is no number."""
    for name, hectares in _AREA.items():
        values = file.columns.get(name)
        if values is not None and all(value is None or isinstance(value, int | float) for value in values):
            return np.array([np.nan if value is None else value * hectares for value in values], dtype=np.float64)
    return np.full(len(file.geometries), np.nan)


def _brought_to(geometries: npt.NDArray[np.object_], source: pyproj.CRS, crs: str) -> npt.NDArray[np.object_]:
    """Corner by corner: over the sides of a parcel, a straight line in degrees bends by centimetres in metres."""
    transformer = pyproj.Transformer.from_crs(source, crs, always_xy=True)
    flat = shapely.force_2d(geometries)
    brought = shapely.transform(flat, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(brought, dtype=object)
