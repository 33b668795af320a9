"""Truth adds up exactly; an enumerator sees it; the survey population fits on it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.classification import LABELS_SCHEMA
from agristat_platform.geometry import geometry_crs, read_geometry
from agristat_platform.simulation import (
    LandscapeNotPreparedError,
    UnitOutsideLandscapeError,
    observe_segments,
    simulate_totals_by_unit,
    true_parcels,
    true_totals,
)


def _squares(region, side, whole=False):
    left, bottom, right, top = region.aoi_projected().bounds
    x, y = np.meshgrid(np.arange(left, right, side), np.arange(bottom, top, side))
    boxes = shapely.box(x, y, x + side, y + side).ravel()
    units = boxes[shapely.contains(region.aoi_projected(), boxes)] if whole else None
    if units is None:
        units = shapely.intersection(boxes, region.aoi_projected())
        units = units[shapely.area(units) > 0]
    return pa.table({"unit_id": [f"u{i:04d}" for i in range(len(units))], "geometry": shapely.to_wkb(units)})


def _by_code(table, column):
    return dict(zip(table["crop_code"].to_pylist(), table[column].to_pylist(), strict=True))


@pytest.mark.parametrize("season", ["2023-10", "2024-10"])
def test_units_that_partition_the_area_add_up_to_the_true_totals(prepared, season):
    totals = true_totals(prepared.archive_dir, prepared.region, season)
    by_unit = simulate_totals_by_unit(prepared.archive_dir, prepared.region, season, _squares(prepared.region, 137.0))
    summed = by_unit.group_by("crop_code").aggregate([("area_ha", "sum"), ("production_t", "sum")])
    areas, tonnes = _by_code(summed, "area_ha_sum"), _by_code(summed, "production_t_sum")
    for row in totals.to_pylist():
        assert areas[row["crop_code"]] == pytest.approx(row["area_ha"], abs=1e-6)
        assert tonnes[row["crop_code"]] == pytest.approx(row["production_t"], abs=1e-5)
    whole = shapely.area(prepared.region.aoi_projected()) / 1e4
    assert sum(totals["area_ha"].to_pylist()) == pytest.approx(whole, abs=1e-6)


def test_the_written_totals_and_crop_map_agree_with_the_parcels(prepared):
    directory = prepared.directory / "truth" / "2023-10"
    totals = true_totals(prepared.archive_dir, prepared.region, "2023-10")
    assert pq.read_table(directory / "crop_totals.parquet").to_pylist() == totals.to_pylist()
    parcels = pq.read_table(directory / "parcels.parquet")
    with rasterio.open(directory / "crop_map.tif") as dataset:
        assert dataset.transform == prepared.region.grid().transform
        assert dataset.shape == prepared.region.grid().shape
        assert dataset.colormap(1)[1] == prepared.nomenclature.colour_table[1]
        values, transform = dataset.read(1), dataset.transform
    field = max(parcels.to_pylist(), key=lambda row: row["aoi_area_ha"] if row["cultivated"] else 0)
    point = shapely.from_wkb(field["geometry"]).representative_point()
    column, row = ~transform @ (point.x, point.y)
    assert values[int(row), int(column)] == field["class_id"]
    wheat = prepared.nomenclature.by_code("WHE").class_id
    inside = rasterio.features.geometry_mask([prepared.region.aoi_projected()], values.shape, transform, invert=True)
    assert np.sum((values == wheat) & inside) * 0.01 == pytest.approx(_by_code(totals, "area_ha")["WHE"], rel=0.05)


def test_the_land_use_map_is_nearly_right(prepared):
    with rasterio.open(prepared.directory / "land_use.tif") as land_use:
        mapped = land_use.read(1)
    with rasterio.open(prepared.directory / "truth" / "2024-10" / "crop_map.tif") as dataset:
        ids = {prepared.nomenclature.by_code(code).class_id for code in prepared.nomenclature.cultivated_codes}
        cultivated = np.isin(dataset.read(1), list(ids))
    assert set(np.unique(mapped)) == {1, 2}
    assert 0.90 < np.mean((mapped == 1) == cultivated) < 1.0


def test_field_data_cover_each_unit_wholly_with_exact_areas(prepared):
    units = _squares(prepared.region, 200.0, whole=True)
    seen = observe_segments(prepared.archive_dir, prepared.region, "2024-10", units)
    by_unit = seen.group_by("unit_id").aggregate([("area_ha", "sum")])
    assert by_unit.num_rows == units.num_rows
    assert by_unit["area_ha_sum"].to_pylist() == pytest.approx([4.0] * units.num_rows, abs=1e-9)
    assert shapely.area(read_geometry(seen)) / 1e4 == pytest.approx(seen["area_ha"].to_numpy(), abs=1e-12)
    assert set(shapely.get_type_id(read_geometry(seen))) <= {3, 6}
    uncultivated = set(prepared.nomenclature.codes) - set(prepared.nomenclature.cultivated_codes)
    assert uncultivated & set(seen["crop_code"].to_pylist())


def test_observed_yields_carry_the_wanted_noise_and_depend_on_unit_and_parcel_only(prepared):
    units = _squares(prepared.region, 200.0, whole=True)
    seen = observe_segments(prepared.archive_dir, prepared.region, "2024-10", units).to_pylist()
    parcels = true_parcels(prepared.archive_dir, prepared.region, "2024-10").to_pylist()
    true = {row["parcel_id"]: row["yield_t_ha"] for row in parcels}
    errors = [np.log(row["yield_t_ha"] / true[row["parcel_id"]]) for row in seen if row["yield_t_ha"] is not None]
    assert len(errors) > 150
    assert np.std(errors) == pytest.approx(0.06, rel=0.25)
    assert abs(np.mean(errors)) < 4 * 0.06 / np.sqrt(len(errors))
    some = observe_segments(prepared.archive_dir, prepared.region, "2024-10", units.slice(3, 2)).to_pylist()
    chosen = set(units.slice(3, 2)["unit_id"].to_pylist())
    assert some == [row for row in seen if row["unit_id"] in chosen]
    assert all(row["yield_t_ha"] is None for row in seen if row["crop_code"] in {"FAL", "GRA", "WOO", "WAT", "URB"})


def test_a_unit_beyond_the_landscape_is_named(prepared):
    far = pa.table({"unit_id": ["here?"], "geometry": shapely.to_wkb([shapely.box(0, 0, 100, 100)])})
    with pytest.raises(UnitOutsideLandscapeError, match=r"here\? reaches 1.0000 ha beyond.*Clip the units"):
        observe_segments(prepared.archive_dir, prepared.region, "2024-10", far)


def test_a_season_that_is_not_prepared_is_named(prepared, tmp_path):
    with pytest.raises(LandscapeNotPreparedError, match=r"no simulated truth for season 2023-10.*prepare_region"):
        true_totals(tmp_path, prepared.region, "2023-10")


def test_yields_and_areas_are_positive_and_only_crops_are_harvested(prepared):
    parcels = true_parcels(prepared.archive_dir, prepared.region, "2023-10")
    assert np.all(parcels["area_ha"].to_numpy() > 0)
    assert geometry_crs(parcels).to_epsg() == 32630
    for row in parcels.to_pylist():
        assert (row["farm_id"] is not None) == row["cultivated"]
        if row["yield_t_ha"] is not None:
            assert row["cultivated"]
            assert row["yield_t_ha"] > 0


def test_training_labels_are_no_sample_but_lie_on_true_parcels(prepared):
    labels = pq.read_table(prepared.directory / "training" / "2024-10.parquet")
    assert labels.schema.names == LABELS_SCHEMA.names
    assert set(labels["role"].to_pylist()) == {"train"}
    assert labels.num_rows == prepared.region.training.labels
    assert len(set(labels["label_id"].to_pylist())) == labels.num_rows
    parcels = {
        row["parcel_id"]: row for row in true_parcels(prepared.archive_dir, prepared.region, "2024-10").to_pylist()
    }
    aoi = prepared.region.aoi_projected().buffer(1e-6)
    for row in labels.to_pylist():
        parcel = parcels[row["parcel_id"]]
        assert row["crop_code"] == parcel["crop_code"]
        shape = shapely.from_wkb(row["geometry"])
        assert aoi.contains(shape)
        assert shape.difference(shapely.from_wkb(parcel["geometry"])).area < 1e-6
        season = prepared.region.season("2024-10")
        assert season.start <= row["observed_on"] < season.end
    assert set(labels["crop_code"].to_pylist()) == set(prepared.nomenclature.codes)
    assert len(set(labels["block"].to_pylist())) > 8


def test_enumeration_areas_partition_the_area_and_hold_the_people(prepared):
    directory = prepared.directory / "truth" / "population"
    areas, homes, farms = (
        pq.read_table(directory / f"{n}.parquet") for n in ("enumeration_areas", "households", "farms")
    )
    aoi = prepared.region.aoi_projected()
    shapes = read_geometry(areas)
    assert sum(areas["area_ha"].to_pylist()) == pytest.approx(aoi.area / 1e4, abs=1e-6)
    assert shapely.union_all(shapes).area == pytest.approx(aoi.area, abs=1e-2)
    assert sum(areas["households"].to_pylist()) == homes.num_rows == prepared.region.simulation.households
    assert sum(areas["farms"].to_pylist()) == farms.num_rows == prepared.region.simulation.farms
    place = dict(zip(areas["ea_id"].to_pylist(), shapes, strict=True))
    for ea, home in zip(homes["ea_id"].to_pylist(), read_geometry(homes), strict=True):
        assert place[ea].intersects(home)
    holders = [farm for farm in homes["farm_id"].to_pylist() if farm is not None]
    assert sorted(holders) == sorted(farms["farm_id"].to_pylist())


def test_farms_hold_all_fields_and_points_lie_in_their_parcels(prepared):
    truth = prepared.directory / "truth"
    farms = pq.read_table(truth / "population" / "farms.parquet")
    parcels = true_parcels(prepared.archive_dir, prepared.region, "2024-10")
    owned = parcels.filter(parcels["farm_id"].is_valid())
    assert sum(farms["area_ha"].to_pylist()) == pytest.approx(sum(owned["area_ha"].to_pylist()), abs=1e-6)
    grown = pq.read_table(truth / "2024-10" / "farms.parquet")
    assert sum(grown["area_ha"].to_pylist()) == pytest.approx(sum(owned["area_ha"].to_pylist()), abs=1e-6)
    points = pq.read_table(truth / "population" / "points.parquet")
    on_points = pq.read_table(truth / "2024-10" / "points.parquet")
    assert points["point_id"].equals(on_points["point_id"])
    assert points.num_rows == pytest.approx(prepared.region.aoi_projected().area / 1e4, rel=0.03)
    shape = dict(zip(parcels["parcel_id"].to_pylist(), read_geometry(parcels), strict=True))
    for parcel, point in zip(on_points["parcel_id"].to_pylist(), read_geometry(points), strict=True):
        assert shape[parcel].intersects(point)


def test_the_small_region_lies_on_both_zones(small_region):
    west, _, east, _ = small_region.aoi_geometry().bounds
    assert west < -6.0 < east
    assert small_region.grid().transform.a == 10.0
    assert isinstance(small_region.grid().transform, Affine)
