"""Columns, types and units of the tables that pass through the survey side.

Only schemas live here; how the tables are made stands in `frame`, `strata`, `selection` and `recorded`.
"""

from __future__ import annotations

import pyarrow as pa


def _field(name: str, kind: pa.DataType, *, unit: str | None = None, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit} if unit else None)


FRAME_SCHEMA = pa.schema(
    [
        _field("unit_id", pa.string()),
        _field("stratum", pa.string()),
        _field("area_ha", pa.float64(), unit="ha"),
        _field("row", pa.int32()),
        _field("col", pa.int32()),
        _field("geometry", pa.binary()),
    ]
)
"""One row per unit. `row` counts northwards, `col` eastwards from the grid's origin; the table's metadata has `crs`."""

SAMPLE_SCHEMA = pa.schema(
    [
        _field("unit_id", pa.string()),
        _field("draw_id", pa.int32()),
        _field("stratum", pa.string()),
        _field("probability", pa.float64(), nullable=True),
        _field("weight", pa.float64(), nullable=True),
        _field("role", pa.string()),
        _field("order", pa.int32()),
        _field("area_ha", pa.float64(), unit="ha", nullable=True),
    ]
)
"""One row per selection. `draw_id` names the act of drawing: units that came in by one random start share it.

`probability` and `weight` are null only in a recorded survey whose selection was not handed down.
"""

STRATA_SCHEMA = pa.schema(
    [
        _field("stratum", pa.string()),
        _field("population_size", pa.int64(), unit="units"),
        _field("sample_size", pa.int64(), unit="units"),
        _field("area_ha", pa.float64(), unit="ha", nullable=True),
    ]
)

FIELD_DATA_SCHEMA = pa.schema(
    [
        _field("unit_id", pa.string()),
        _field("parcel_id", pa.string(), nullable=True),
        _field("crop_code", pa.string()),
        _field("area_ha", pa.float64(), unit="ha"),
        _field("yield_t_ha", pa.float64(), unit="t/ha", nullable=True),
        _field("geometry", pa.binary(), nullable=True),
    ]
)
"""What the enumerators found: one row per parcel part inside a sampled unit."""
