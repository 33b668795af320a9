"""Statistics of a raster's bands within the polygons of a file: the way for a user with fields of their own.

Belongs here: reading polygons and writing the table. The statistics are made in `polygon_statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import rasterio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.errors import RasterioError

from agristat_platform.features.errors import PolygonError, StatisticError
from agristat_platform.features.statistics.polygon_statistics import polygon_statistics

_GEOPARQUET = (".parquet", ".geoparquet")


def polygon_file_statistics(
    raster: Path,
    polygons: Path,
    target: Path,
    statistics: Sequence[str] = ("count", "mean", "std"),
    *,
    bands: Sequence[int] | None = None,
    id_column: str | None = None,
    layer: str | None = None,
) -> pa.Table:
    """Describe bands of a raster within the polygons of a file and write one row per polygon.

    Parameters
    ----------
    raster:
        File that GDAL reads, such as a composite of a region.
    polygons:
        GeoParquet (.parquet, .geoparquet) or a vector file that GDAL reads, in any reference system that it names.
    target:
        Table to write: Parquet (.parquet) or CSV (.csv).
    statistics:
        As of `polygon_statistics`; columns are named `b<band>_<statistic>`.
    bands:
        From 1; None: all.
    id_column:
        Column with an identifier of each polygon; None: they are numbered from 1, as `polygon_id`.
    layer:
        Of a file with several.

    Returns
    -------
    The table as written.

    Raises
    ------
    PolygonError
        The file cannot be read, names no reference system, or lacks the column; else as `polygon_statistics`.
    StatisticError
        The raster cannot be read, the target is neither Parquet nor CSV, or as `polygon_statistics`.
    MissingPackageError
        exactextract is not installed.
    """
    if target.suffix not in (".parquet", ".csv"):
        raise StatisticError(
            f"a table is not written as {target.suffix or 'a file without an ending'}",
            where=str(target),
            remedy="Name it .parquet or .csv",
        )
    frame = _read(polygons, layer)
    name = id_column or "polygon_id"
    if id_column is None:
        ids = pa.array(range(1, len(frame) + 1))
    elif id_column in frame.columns:
        ids = pa.array(frame[id_column])
    else:
        raise PolygonError(
            f"the polygons have no column {id_column}",
            where=str(polygons),
            remedy=f"Give one of {', '.join(column for column in frame.columns if column != frame.geometry.name)}",
        )
    described = pa.table({name: ids, "geometry": pa.array(shapely.to_wkb(frame.geometry.array), pa.binary())})
    result = pa.table({name: ids})
    for band in _bands(raster) if bands is None else bands:
        found = polygon_statistics(raster, described, statistics, crs=frame.crs.to_wkt(), band=band, id_column=name)
        for statistic in statistics:
            result = result.append_column(f"b{band}_{statistic}", found[statistic])
    try:
        if target.suffix == ".csv":
            pcsv.write_csv(result, target)
        else:
            pq.write_table(result, target, compression="zstd")
    except OSError as error:
        raise StatisticError(
            f"the table cannot be written: {error.strerror or error}", where=str(target), remedy="Check the folder"
        ) from error
    return result


def _read(path: Path, layer: str | None) -> geopandas.GeoDataFrame:
    try:
        if path.suffix in _GEOPARQUET:
            frame = geopandas.read_parquet(path)
        else:
            frame = geopandas.read_file(path, layer=layer, engine="pyogrio")
    except (OSError, ValueError, pa.ArrowInvalid, DataSourceError, DataLayerError) as error:
        raise PolygonError(
            f"the polygons cannot be read: {str(error)[:160]}", where=str(path), remedy="Check the path and the file"
        ) from error
    if not isinstance(frame, geopandas.GeoDataFrame) or frame.crs is None:
        raise PolygonError(
            "the polygons name no reference system",
            where=str(path),
            remedy="Write it into the file, for example with ogr2ogr -a_srs",
        )
    return frame


def _bands(raster: Path) -> range:
    try:
        with rasterio.open(raster) as dataset:
            return range(1, dataset.count + 1)
    except RasterioError as error:
        raise StatisticError(
            f"the raster cannot be read: {str(error)[:160]}", where=str(raster), remedy="Check the path and the file"
        ) from error
