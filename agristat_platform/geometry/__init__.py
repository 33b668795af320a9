"""Geometry columns of tables: GeoParquet metadata in, shapely arrays out. Next to `catalogue` on the ground floor."""

from agristat_platform.geometry.errors import GeometryColumnError, GeometryCrsError, GeometryError
from agristat_platform.geometry.geoparquet import (
    GEOPARQUET_VERSION,
    geometry_column,
    geometry_crs,
    geoparquet_metadata,
    read_geometry,
    with_geometry,
)

__all__ = [
    "GEOPARQUET_VERSION",
    "GeometryColumnError",
    "GeometryCrsError",
    "GeometryError",
    "geometry_column",
    "geometry_crs",
    "geoparquet_metadata",
    "read_geometry",
    "with_geometry",
]
