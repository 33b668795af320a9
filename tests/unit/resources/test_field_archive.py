"""Delivered field data: read as they are, or refused with file, row and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.catalogue import RecognitionSettings, TrainingSettings, load_catalogue, load_settings
from agristat_platform.geometry import geometry_crs, read_geometry, with_geometry
from agristat_platform.sampling import FIELD_DATA_SCHEMA
from agristat_platform.simulation import LandscapeNotPreparedError
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


@pytest.fixture
def reference(tmp_path):
    """Reference parcels of the demo region, `segmentation.reference` being what is given."""
    settings = replace(load_settings(CONFIG, {}), home=tmp_path)
    region = load_catalogue(settings).region("demo-valley")

    def read(named: str | None):
        segmentation = region.segmentation.model_copy(update={"reference": named})
        return FieldArchive(settings).reference_parcels(
            region.model_copy(update={"segmentation": segmentation}), "2023-10"
        )

    return read


def test_reference_parcels_come_in_the_regions_crs(reference, tmp_path):
    assert reference(None) is None
    square = shapely.box(-6.0, 41.58, -5.99, 41.59)
    table = pa.table({"geometry": [shapely.to_wkb(square), None]})
    pq.write_table(with_geometry(table, "OGC:CRS84"), tmp_path / "parcels_2023-10.parquet")
    found = reference("{home}/parcels_{season}.parquet")
    assert geometry_crs(found.parcels).to_epsg() == 32630
    first, second = read_geometry(found.parcels)
    assert shapely.area(first) / 1e4 == pytest.approx(92.5, abs=1.0)  # 0.01° by 0.01° at 41.6° north
    assert second is None
    assert found.source == "parcels of parcels_2023-10.parquet"
    assert [(record.kind, record.id) for record in found.external] == [("reference parcels", "parcels_2023-10.parquet")]


def test_reference_parcels_that_are_not_there_are_named(reference):
    with pytest.raises(FieldArchiveError, match=r"no\.gpkg.*segmentation\.reference"):
        reference("{home}/no.gpkg")
    with pytest.raises(LandscapeNotPreparedError, match="2023-10"):
        reference("simulation")


def test_true_parcels_of_a_simulation_say_so(reference, tmp_path):
    path = tmp_path / "archive" / "demo-valley" / "truth" / "2023-10" / "parcels.parquet"
    path.parent.mkdir(parents=True)
    table = pa.table({"geometry": [shapely.to_wkb(shapely.box(250_000, 4_600_000, 250_100, 4_600_100))]})
    pq.write_table(with_geometry(table, "EPSG:32630"), path)
    found = reference("simulation")
    assert found.parcels.num_rows == 1
    assert found.source.startswith("SIMULATED")


def test_labels_may_be_missing_only_where_past_seasons_teach(tmp_path):
    settings = replace(load_settings(CONFIG, {}), home=tmp_path)
    region = load_catalogue(settings).region("es-castilla-leon")

    def delivered(season, **more):
        training = TrainingSettings(source="file", file="{home}/labels_{season}.parquet", **more)
        archive = FieldArchive(settings)
        nomenclature = load_catalogue(settings).nomenclature("demo-valley")
        return archive.training_labels(region.model_copy(update={"training": training}), season, nomenclature)

    with pytest.raises(FieldArchiveError, match="labels_2024-10"):
        delivered("2024-10")
    later = RecognitionSettings(first_season="2024-10")
    with pytest.raises(FieldArchiveError, match="labels_2023-10"):
        delivered("2023-10", model="recognition", recognition=later)
    none = delivered("2024-10", model="recognition", recognition=later)
    assert none.labels.num_rows == 0
    assert none.awaited_at == tmp_path / "labels_2024-10.parquet"
    assert none.external == ()
