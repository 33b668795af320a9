"""Delivered field data: read as they are, or refused with file, row and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.geometry import with_geometry
from agristat_platform.sampling import FIELD_DATA_SCHEMA
from resources.errors import FieldArchiveError
from resources.field_archive import FieldArchive

CONFIG = Path(__file__).resolve().parents[3] / "config"
NO_UNITS = pa.table({"unit_id": pa.array([], pa.string()), "geometry": pa.array([], pa.binary())})


@pytest.fixture
def observe(tmp_path):
    """Observations of the demo region (EPSG:32630) from a delivered file."""
    settings = replace(load_settings(CONFIG, {}), home=tmp_path)
    region = load_catalogue(settings).region("demo-valley")
    survey = region.survey.model_copy(update={"field_data": "file", "field_data_file": "{home}/field.parquet"})
    region = region.model_copy(update={"survey": survey})

    def read(table: pa.Table) -> pa.Table:
        pq.write_table(table, tmp_path / "field.parquet")
        return FieldArchive(settings).observations(region, "2023-10", NO_UNITS).field_data

    return read


def delivered(**columns: list[object]) -> pa.Table:
    rows = {
        "unit_id": ["a", "b"],
        "parcel_id": ["1", "2"],
        "crop_code": ["WHE", "BAR"],
        "area_ha": [1.5, 2.0],
        "yield_t_ha": [4.0, None],
        "geometry": [shapely.to_wkb(shapely.box(250_000, 4_600_000, 250_100, 4_600_150))] * 2,
    }
    return pa.table(rows | columns)


def test_a_file_is_read_with_the_contracts_types(observe):
    assert observe(delivered(area_ha=[1, 2])).schema.equals(FIELD_DATA_SCHEMA)
    assert observe(with_geometry(delivered(), "EPSG:32630")).num_rows == 2


def test_another_crs_than_the_regions_is_refused(observe):
    with pytest.raises(FieldArchiveError, match=r"WGS 84.*EPSG:32630.*field\.parquet.*Reproject"):
        observe(with_geometry(delivered(), "EPSG:4326"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (delivered(crop_code=["WHE", None]), r"crop_code is missing in 1 row.*field\.parquet, row 1"),
        (delivered(area_ha=["1.5", "two"]), r"another type.*two"),
        (delivered().drop_columns(["yield_t_ha"]), r"columns yield_t_ha are missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(observe, table, message):
    with pytest.raises(FieldArchiveError, match=message):
        observe(table)
