"""The shipped real regions through the same graph: western Bahia to a crop map, Iowa 1978 to published county figures."""

from __future__ import annotations

import dataclasses
import json

import dagster as dg
import numpy as np
import pyarrow.compute as pc
import pytest
import rasterio
from rich.console import Console

from agristat_platform import imagery
from agristat_platform.catalogue import Partition, load_catalogue, load_settings
from agristat_platform.definitions import build_definitions
from agristat_platform.operations.materialisation import materialise, select_assets
from agristat_platform.operations.preparation import prepare_all
from agristat_platform.operations.progress import Progress
from resources.wiring import open_store

pytestmark = pytest.mark.real_data
BAHIA = Partition(region="br-western-bahia", season="2018-10")
IOWA = Partition(region="us-iowa-1978", season="1978-04")


@pytest.fixture(scope="module")
def made(real_data, repository, tmp_path_factory):
    """Materialise a partition of the repository's own configuration; returns settings, store and Dagster's records."""
    home = tmp_path_factory.mktemp("real")
    settings = load_settings(repository / "config", env={"AGRISTAT_REAL_DATA": str(real_data)})
    settings = dataclasses.replace(settings, home=home, store_uri=str(home / "store"))
    catalogue, definitions = load_catalogue(settings), build_definitions(settings)
    progress = Progress(Console(stderr=True))

    def run(partition: Partition):
        prepare_all(catalogue, [partition.region], progress)
        assets = select_assets(definitions, catalogue, partition, None)
        with dg.DagsterInstance.ephemeral() as instance:
            materialise(definitions, partition, assets, instance=instance, progress=progress)
        return {
            asset.to_user_string(): open_store(settings).current(asset.to_user_string(), partition) for asset in assets
        }

    return run


@pytest.fixture(scope="module")
def bahia(made, real_data):
    if not (real_data / "western_bahia_cbers").is_dir():
        pytest.skip(f"no imagery of western Bahia in {real_data}")
    return made(BAHIA)


@pytest.fixture(scope="module")
def oracle(real_data):
    path = real_data.parent / "oracles" / "09_ebluP_BHF_cornsoybean.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def iowa(made, oracle):
    return made(IOWA)


def test_western_bahia_goes_from_23_real_dates_to_a_crop_map(bahia):
    scenes = bahia["scenes"].table("scenes")
    assert scenes.num_rows == 23
    assert sum(scenes["kept"].to_pylist()) == 23
    with rasterio.open(bahia["crop_maps"].path("crop_map.tif")) as raster:
        assert raster.shape == (640, 640)
        classes, counts = np.unique(raster.read(1), return_counts=True)
        assert "Albers" in raster.crs.to_wkt()
    assert counts[classes > 0].sum() > 0.95 * 640 * 640
    assert np.count_nonzero(classes) >= 3
    assert not any(version.simulated for version in bahia.values())


def test_western_bahia_has_series_of_the_composites_own_indices(bahia):
    stored = bahia["time_series"]
    seen, series = stored.table("observations"), stored.table("series")
    assert set(series["index"].to_pylist()) == {"ndvi", "evi"}
    assert set(stored.manifest.parameters["left_out"]) == {
        "ndwi",
        "gcvi",
        "lai",
        "tc_brightness",
        "tc_greenness",
        "tc_wetness",
    }
    assert len(set(seen["date"].to_pylist())) == 23
    with rasterio.open(bahia["segments"].path("segments.tif")) as raster:
        labels = raster.read(1)
    layer = next(row for row in bahia["composites"].table("layers").to_pylist() if row["layer"] == "ndvi")
    values = imagery.read_layer(bahia["composites"].path(layer["file"]), layer)
    first = seen.filter(pc.equal(seen["date"], pc.min(seen["date"]))).to_pylist()
    for row in (first[0], first[len(first) // 2], first[-1]):
        own = values[labels == row["segment_id"]]
        assert row["clear_pixels"] == np.isfinite(own).sum()
        assert row["ndvi"] == pytest.approx(np.nanmean(own), abs=1e-5)


def test_western_bahia_is_recognised_in_blocked_cross_validation(bahia):
    accuracy = {row["name"]: row for row in bahia["crop_models"].table("accuracy").to_pylist()}
    assert accuracy["blocked cross-validation"]["overall_accuracy"] > 0.9
    assert bahia["crop_models"].table("taught_ground").num_rows > 800
    folds = bahia["crop_models"].table("folds")
    assert folds.num_rows >= 5


def test_western_bahia_has_no_official_estimate_and_says_why(bahia):
    estimates = bahia["official_estimates"]
    assert estimates.table("estimates").num_rows == 0
    reason = estimates.manifest.parameters["reason"]
    assert "No probability sample" in reason
    assert "no probability sample of this area" in reason
    assert "map_accuracy" not in bahia


def test_iowa_1978_has_the_recorded_segments(iowa, oracle):
    observed = iowa["field_data"].table("observations").to_pylist()
    for crop, column in (("CORN", "CornHec"), ("SOYB", "SoyBeansHec")):
        assert [row["area_ha"] for row in observed if row["crop_code"] == crop] == oracle["data"]["rows"][column]
    assert iowa["survey_samples"].table("sample").num_rows == 36
    assert set(iowa) == {"survey_samples", "field_data", "official_estimates"}
    assert not any(version.simulated for version in iowa.values())
    (source,) = (record for record in iowa["survey_samples"].manifest.external if record.kind == "recorded survey")
    assert source.sha256


@pytest.mark.parametrize(("crop", "column"), [("CORN", "CornHec"), ("SOYB", "SoyBeansHec")])
def test_iowa_1978_county_totals_are_those_of_r(iowa, oracle, crop, column):
    rows = [
        row for row in iowa["official_estimates"].table("estimates").to_pylist() if row["variable"] == f"area:{crop}"
    ]
    answer = oracle["expected"][column]["fitting_of_constants"]
    assert len(rows) == 12
    assert [row["estimate"] for row in rows] == pytest.approx(list(answer["eblup_total_finite_pop"].values()), rel=1e-9)
    assert [row["standard_error"] ** 2 for row in rows] == pytest.approx(answer["mse_total_finite"], rel=1e-9)
    assert {row["flags"] for row in rows} == {"model-based"}
    assert "not design-based" in iowa["official_estimates"].manifest.parameters["reason"]
