"""Each check passes on what is right and fails, naming the offender, on what is wrong."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid
from assets import checks

GRID = Grid(crs="EPSG:32630", transform=Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0), width=8, height=6)
SCHEMA = pa.schema([("unit_id", pa.string()), ("area_ha", pa.float64())])


def raster(path, *, crs="EPSG:32630", transform=GRID.transform, width=8):
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=6, count=1, dtype="uint8", crs=crs, transform=transform
    ) as sink:
        sink.write(np.ones((1, 6, width), np.uint8))
    return path


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"unit_id": ["a"], "area_ha": [1.0]}, None),
        ({"unit_id": ["a"]}, "area_ha: expected double, got no such column"),
        ({"unit_id": ["a"], "area_ha": [1]}, "area_ha: expected double, got int64"),
        ({"unit_id": ["a"], "area_ha": [1.0], "more": [1]}, "more: not in the contract"),
    ],
)
def test_schema(tmp_path, table, named):
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    result = checks.schema("schema", tmp_path / "t.parquet", SCHEMA)
    assert result.passed == (named is None)
    assert (result.description or "") == (named or "")


def test_raster_grid(tmp_path):
    good = raster(tmp_path / "good.tif")
    assert checks.raster_grid("grid", [good], GRID).passed
    assert not checks.raster_grid("grid", [], GRID).passed
    for name, how in {
        "crs": {"crs": "EPSG:32629"},
        "shifted": {"transform": GRID.transform @ Affine.translation(0.5, 0)},
        "narrow": {"width": 7},
    }.items():
        bad = raster(tmp_path / f"{name}.tif", **how)
        result = checks.raster_grid("grid", [good, bad], GRID)
        assert not result.passed
        assert bad.name in result.description
        assert good.name not in result.description


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        (shapely.box(500000, 4599940, 500080, 4600000), None),
        (
            shapely.Polygon([(500000, 4599950), (500050, 4600000), (500050, 4599950), (500000, 4600000)]),
            "row 1: Self-int",
        ),
        (shapely.Polygon(), "row 1: empty"),
        (shapely.box(500000, 4599900, 500080, 4600000), "row 1: outside the region's grid"),
    ],
)
def test_geometry(shape, named):
    shapes = [shapely.box(500000, 4599990, 500010, 4600000), shape]
    result = checks.geometry("geometry", pa.table({"geometry": [shapely.to_wkb(one) for one in shapes]}), GRID)
    assert result.passed == (named is None)
    assert (result.description or "").startswith(named or "")


def test_a_table_without_any_geometry_does_not_pass(tmp_path):
    empty = pa.table({"geometry": pa.array([], pa.binary())})
    assert not checks.geometry("geometry", empty, GRID).passed
    pq.write_table(empty, tmp_path / "empty.parquet")
    assert not checks.geometry_of_file("geometry", tmp_path / "empty.parquet", GRID).passed


def test_geometry_of_a_file_counts_rows_over_its_row_groups(tmp_path):
    inside = shapely.to_wkb(shapely.box(500000, 4599990, 500010, 4600000))
    for name, last in (("good", inside), ("bad", shapely.to_wkb(shapely.Polygon()))):
        table = pa.table({"segment_id": [1, 2, 3, 4, 5], "geometry": [inside] * 4 + [last]})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=2)
    assert checks.geometry_of_file("geometry", tmp_path / "good.parquet", GRID).passed
    bad = checks.geometry_of_file("geometry", tmp_path / "bad.parquet", GRID)
    assert (bad.passed, bad.description) == (False, "row 4: empty")
    assert bad.metadata["geometries"].value == 5


def test_class_support_names_the_classes_that_are_thin():
    assert checks.class_support("support", {"WHE": 5, "BAR": 9}, minimum=5).passed
    result = checks.class_support("support", {"WHE": 5, "BAR": 4, "RAP": 0}, minimum=5)
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.description == "BAR: 4, RAP: 0"
    assert not checks.class_support("support", {}, minimum=5).passed


@pytest.mark.parametrize(("value", "passed"), [(0.6, True), (0.61, True), (0.59, False), (float("nan"), False)])
def test_a_missing_figure_is_no_figure_above_the_minimum(value, passed):
    assert checks.at_least("accuracy", value, 0.6, what="overall accuracy").passed is passed


def test_offenders_are_named_up_to_ten_and_counted_beyond():
    shared = [f"P{number:02d}" for number in range(13)]
    result = checks.nothing_shared("leakage", shared, first="training", second="validation")
    assert not result.passed
    assert "P09 and 3 more" in result.description
    assert "P10" not in result.description
    assert checks.nothing_shared("leakage", [], first="training", second="validation").passed


def estimates(*cvs):
    return pa.table(
        {
            "variable": [f"area:{k}" for k in range(len(cvs))],
            "domain": ["all"] * len(cvs),
            "cv": pa.array(cvs, pa.float64()),
        }
    )


def test_a_cv_above_the_threshold_or_without_value_fails():
    assert checks.cv_threshold("cv", estimates(0.19, 0.0), threshold=0.2).passed
    result = checks.cv_threshold("cv", estimates(0.1, 0.21, None), threshold=0.2)
    assert not result.passed
    assert "area:0" not in result.description
    assert "area:1" in result.description
    assert "area:2" in result.description
    assert not checks.cv_threshold("cv", estimates(), threshold=0.2).passed


def test_weights_add_up_to_the_population_of_each_stratum():
    strata = pa.table({"stratum": ["a", "b"], "population_size": [6, 4]})
    good = pa.table({"stratum": ["a", "a", "b"], "weight": [3.0, 3.0, 4.0]})
    assert checks.weights_add_up("weights", good, strata).passed
    bad = pa.table({"stratum": ["a", "a"], "weight": [3.0, 3.0]})
    result = checks.weights_add_up("weights", bad, strata)
    assert not result.passed
    assert "b" in result.description
