"""Statistics of a raster within polygons that a user brings, pixels on the edge counted by the share that lies inside.

Belongs here: polygons that need not follow pixels. Segments do, and `segment_statistics` describes them many times faster.
exactextract does the work; it is optional, and asked for only here.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import geopandas
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import rasterio
import shapely
from rasterio.errors import RasterioError

from agristat_platform.features.errors import MissingPackageError, PolygonError, StatisticError
from agristat_platform.features.statistics.segment_strips import MOMENT_STATISTICS, percentile_shares

_OPERATIONS = {"std": "stdev"}


def polygon_statistics(
    raster: Path,
    polygons: pa.Table,
    statistics: Sequence[str] = ("count", "mean", "std"),
    *,
    crs: str,
    band: int = 1,
    id_column: str = "polygon_id",
) -> pa.Table:
    """Statistics of one band of a raster within every polygon, each pixel weighted by the share of it that lies inside.

    Parameters
    ----------
    raster:
        File that GDAL reads; its nodata and NaN are missing. Read in windows.
    polygons:
        Table with the id column and geometry (WKB); polygons may overlap, and may reach beyond the raster.
    statistics:
        Names as in `segment_statistics`: "count" is the sum of the shares of the pixels with a value (float), "std" divides
        by it; percentiles are weighted by the shares. In physical units: the band's scale and offset are applied.
    crs:
        Reference system of the polygons; they are taken to the raster's.
    band:
        From 1.
    id_column:
        Its name.

    Returns
    -------
    Table with the id column as it came and one float64 column per statistic, one row per polygon in their order. Null where
    a polygon has no pixel with a value; "count" is 0 there.

    Raises
    ------
    MissingPackageError
        exactextract is not installed.
    PolygonError
        A column is lacking, an id is repeated, a geometry is missing, empty, invalid or no polygon, or PROJ does not
        know their reference system.
    StatisticError
        A statistic is unknown or none is given, or the raster cannot be read, lacks the band or names no CRS.
    """
    if not statistics:
        raise StatisticError("no statistic was asked for", remedy=f"Give some of {', '.join(MOMENT_STATISTICS)}, p50")
    shares = percentile_shares(statistics)
    exactextract = _exactextract()
    geometries = _geometries(polygons, id_column)
    known = _known_crs(crs)
    try:
        with rasterio.open(raster) as dataset:
            if not 1 <= band <= dataset.count:
                raise StatisticError(
                    f"the raster has {dataset.count} bands, no band {band}",
                    where=str(raster),
                    remedy="Give one of its bands",
                )
            if dataset.crs is None:
                raise StatisticError(
                    "the raster names no CRS", where=str(raster), remedy="Write it again with that of its grid"
                )
            frame = geopandas.GeoDataFrame({"row": np.arange(len(geometries))}, geometry=geometries, crs=known)
            frame = frame.to_crs(dataset.crs)
            operations = ["count=count"]
            for name in statistics:
                if name in shares:
                    operations.append(f"{name}=quantile(q={shares[name]!r})")
                elif name != "count":
                    operations.append(f"{name}={_OPERATIONS.get(name, name)}")
            source = exactextract.raster.RasterioRasterSource(dataset, band)
            found = exactextract.exact_extract(source, frame, operations, include_cols=["row"], output="pandas")
    except RasterioError as error:
        raise StatisticError(
            f"the raster cannot be read: {str(error)[:160]}", where=str(raster), remedy="Check the path and the file"
        ) from error
    found = found.sort_values("row")
    count = found["count"].to_numpy(np.float64)
    columns = {id_column: polygons[id_column]}
    for name in statistics:
        # of a percentile exactextract adds the share to the name
        column = next(c for c in found.columns if c == name or c.startswith(f"{name}_"))
        values = found[column].to_numpy(np.float64)
        columns[name] = pa.array(values) if name == "count" else pa.array(values, mask=(count == 0) | np.isnan(values))
    return pa.table(columns)


def _exactextract() -> ModuleType:
    try:
        module = importlib.import_module("exactextract")
        importlib.import_module("exactextract.raster")
    except ImportError as error:
        raise MissingPackageError(
            "statistics of polygons need the package exactextract, which is not installed",
            remedy="pip install 'agristat_platform[polygons]', or describe segments, which need no extra package",
        ) from error
    return module


def _known_crs(crs: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise PolygonError(
            f"PROJ does not know the CRS {crs!r} of the polygons", remedy='Use for example "EPSG:32630"'
        ) from error


def _geometries(polygons: pa.Table, id_column: str) -> npt.NDArray[np.object_]:
    absent = [name for name in (id_column, "geometry") if name not in polygons.column_names]
    if absent:
        raise PolygonError(
            f"the polygons have no column {', '.join(absent)}", remedy=f"Give {id_column} and geometry (WKB)"
        )
    ids = polygons[id_column].to_pylist()
    repeated = next((name for name, times in Counter(ids).items() if times > 1), None)
    if repeated is not None:
        raise PolygonError(f"the polygon {repeated} is there more than once", remedy="Give each an id of its own")
    geometries = shapely.from_wkb(polygons["geometry"].to_numpy(zero_copy_only=False))
    for name, geometry in zip(ids, geometries, strict=True):
        if geometry is None or geometry.is_empty:
            raise PolygonError(f"the polygon {name} has no geometry", remedy="Leave it out or draw it")
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            raise PolygonError(f"{name} is a {geometry.geom_type}, no polygon", remedy="Give polygons or multipolygons")
        if not geometry.is_valid:
            raise PolygonError(
                f"the polygon {name} is not valid: {shapely.is_valid_reason(geometry)}",
                remedy="Repair it, for example with shapely.make_valid",
            )
    return np.asarray(geometries)
