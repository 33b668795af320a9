"""Schemas of what the archive holds besides imagery, and how a table gets on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.geometry import with_geometry


def _field(name: str, kind: pa.DataType, unit: str | None = None, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit} if unit else None)


PARCELS_SCHEMA = pa.schema(
    [
        _field("parcel_id", pa.string()),
        _field("crop_code", pa.string()),
        _field("class_id", pa.int32()),
        _field("cultivated", pa.bool_()),
        _field("farm_id", pa.string(), nullable=True),
        _field("field_block", pa.int32(), nullable=True),
        _field("area_ha", pa.float64(), "ha"),
        _field("aoi_area_ha", pa.float64(), "ha"),
        _field("yield_t_ha", pa.float64(), "t/ha", nullable=True),
        _field("vigour", pa.float64()),
        _field("sowing_delay_days", pa.float64(), "d"),
        _field("geometry", pa.binary()),
    ]
)
CROP_TOTALS_SCHEMA = pa.schema(
    [
        _field("crop_code", pa.string()),
        _field("area_ha", pa.float64(), "ha"),
        _field("production_t", pa.float64(), "t", nullable=True),
    ]
)
UNIT_TOTALS_SCHEMA = pa.schema(
    [
        _field("unit_id", pa.string()),
        _field("crop_code", pa.string()),
        _field("area_ha", pa.float64(), "ha"),
        _field("production_t", pa.float64(), "t", nullable=True),
    ]
)
FIELD_DATA_SCHEMA = pa.schema(
    [
        _field("unit_id", pa.string()),
        _field("parcel_id", pa.string()),
        _field("crop_code", pa.string()),
        _field("area_ha", pa.float64(), "ha"),
        _field("yield_t_ha", pa.float64(), "t/ha", nullable=True),
        _field("geometry", pa.binary()),
    ]
)
ENUMERATION_AREAS_SCHEMA = pa.schema(
    [
        _field("ea_id", pa.string()),
        _field("households", pa.int32()),
        _field("farms", pa.int32()),
        _field("area_ha", pa.float64(), "ha"),
        _field("geometry", pa.binary()),
    ]
)
HOUSEHOLDS_SCHEMA = pa.schema(
    [
        _field("household_id", pa.string()),
        _field("ea_id", pa.string()),
        _field("members", pa.int32()),
        _field("farm_id", pa.string(), nullable=True),
        _field("geometry", pa.binary()),
    ]
)
FARMS_SCHEMA = pa.schema(
    [
        _field("farm_id", pa.string()),
        _field("household_id", pa.string()),
        _field("ea_id", pa.string()),
        _field("parcels", pa.int32()),
        _field("area_ha", pa.float64(), "ha"),
        _field("geometry", pa.binary()),
    ]
)
POINTS_SCHEMA = pa.schema(
    [
        _field("point_id", pa.string()),
        _field("ea_id", pa.string()),
        _field("cultivated", pa.bool_()),
        _field("x", pa.float64(), "m"),
        _field("y", pa.float64(), "m"),
        _field("geometry", pa.binary()),
    ]
)
SEASON_POINTS_SCHEMA = pa.schema(
    [_field("point_id", pa.string()), _field("parcel_id", pa.string()), _field("crop_code", pa.string())]
)
SEASON_FARMS_SCHEMA = pa.schema(
    [
        _field("farm_id", pa.string()),
        _field("crop_code", pa.string()),
        _field("parcels", pa.int32()),
        _field("area_ha", pa.float64(), "ha"),
        _field("production_t", pa.float64(), "t", nullable=True),
    ]
)


def write_table(table: pa.Table, path: Path, crs: str | None = None) -> None:
    """Write Parquet (GeoParquet where `crs` is given) under a temporary name and rename it, marked as simulated."""
    if crs is not None:
        table = with_geometry(table, crs)
    metadata = dict(table.schema.metadata or {}) | {b"agristat:simulated": b"true"}
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table.replace_schema_metadata(metadata), building, compression="zstd")
    building.replace(path)
