"""The reviewers' table as a file for a spreadsheet (CSV), a GIS (GeoPackage) or a program (GeoParquet)."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from agristat_platform.classification.review.decision_files import EXPORTED_LAYER, KINDS
from agristat_platform.classification.review.errors import ReviewError
from agristat_platform.classification.review.reviewers_table import reviewers_csv
from agristat_platform.geometry import with_geometry


def write_reviewers_file(table: pa.Table, path: Path, *, crs: str, overwrite: bool = False) -> None:
    """Write `REVIEWERS_SCHEMA` to a file, complete or not at all; what it is follows from its name.

    Raises
    ------
    ReviewError
        Another kind of file, a folder that isn't there, or a file that is: it may hold decisions.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise ReviewError(
            f"parcels can't be written to a {kind or 'nameless'} file",
            where=str(path),
            remedy="Use .csv, .gpkg or .parquet",
        )
    if path.exists() and not overwrite:
        raise ReviewError(
            "the file is there already and may hold decisions",
            where=str(path),
            remedy="Name another one, or give --overwrite",
        )
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{kind}")
    try:
        if kind == ".csv":
            partial.write_bytes(reviewers_csv(table))
        elif kind == ".parquet":
            pq.write_table(with_geometry(table, crs), partial, compression="zstd")
        else:
            _write_geopackage(table, partial, crs)
        partial.replace(path)
    except OSError as reason:
        raise ReviewError(
            f"the file can't be written: {reason}", where=str(path), remedy="Name another folder"
        ) from reason
    finally:
        partial.unlink(missing_ok=True)


def _write_geopackage(table: pa.Table, path: Path, crs: str) -> None:
    # Imported here: every process of a run loads this module, and none of them writes one.
    import geopandas

    attributes = table.drop_columns(["geometry"]).to_pandas()
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    frame = geopandas.GeoDataFrame(attributes, geometry=shapes, crs=crs)
    frame.to_file(path, driver="GPKG", layer=EXPORTED_LAYER, engine="pyogrio")
