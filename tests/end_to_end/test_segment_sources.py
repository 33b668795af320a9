"""Segments out of the imagery with links to the season before, and parcels of a register in their place."""

from __future__ import annotations

import hashlib

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rasterio

from agristat_platform import segmentation
from agristat_platform.segmentation import ParcelRegisterError

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"
REGISTER = "{home}/archive/" + VALLEY + "/truth/{season}/parcels.parquet"


def test_links_account_for_both_seasons_and_the_first_has_none(demo):
    assert not demo.stored("segments", FIRST).has("links")
    links = demo.stored("segments", SECOND).table("links")
    assert links.schema.equals(segmentation.LINKS_SCHEMA)
    for season, column in ((FIRST, "previous_segment_id"), (SECOND, "segment_id")):
        polygons = demo.stored("segments", season).table("segments")
        linked = (
            links.filter(pc.is_valid(links[column])).group_by(column).aggregate([("pixels", "sum")]).sort_by(column)
        )
        assert linked[column].to_pylist() == polygons["segment_id"].to_pylist()
        assert linked["pixels_sum"].to_pylist() == polygons["pixels"].to_pylist()


def test_crops_of_the_season_before_follow_segments_that_are_the_same_and_no_others(demo):
    assert not demo.stored("crop_maps", FIRST).has("carried")
    carried = demo.stored("crop_maps", SECOND).table("carried").to_pylist()
    before, now = (
        {row["segment_id"]: row["crop_code"] for row in demo.stored("crop_maps", season).table("segments").to_pylist()}
        for season in (FIRST, SECOND)
    )
    assert {row["segment_id"]: row["crop_code"] for row in carried} == now
    same = [row for row in carried if row["identity"] == "same"]
    assert 0 < len(same) < len(carried)
    assert all(row["previous_crop_code"] == before[row["previous_segment_id"]] for row in same)
    assert all(row["previous_crop_code"] is None for row in carried if row["identity"] != "same")
    assert "unchanged segments" in demo.metadata("crop_maps", SECOND)["crops a year before"].value


def test_segments_are_compared_with_the_true_parcels_which_is_said_to_be_simulated(demo):
    for season in (FIRST, SECOND):
        stored = demo.stored("segments", season)
        agreement = stored.table("agreement")
        assert agreement.schema.equals(segmentation.PARCEL_SIZE_AGREEMENT_SCHEMA)
        everything = agreement.to_pylist()[0]
        assert everything["size_class"] == "all"
        assert 0.4 < everything["f"] < 0.95
        assert stored.manifest.parameters["reference"].startswith("SIMULATED")
        assert "simulated parcels" in {record.kind for record in stored.manifest.external}
        keys = stored.table("identities")
        assert keys["segment_id"].to_pylist() == stored.table("segments")["segment_id"].to_pylist()


def test_the_demo_grows_regions_and_shepherds_method_is_the_default(demo, fresh):
    grown = demo.stored("segments", SECOND).manifest
    assert grown.parameters["method"] == "region growing"
    assert len(grown.parameters["layers"]) == 3 * 7
    assert "k_means" not in grown.seeds

    def without_settings(region):
        region["segmentation"] = {"reference": "simulation"}

    installation = fresh(without_settings)
    installation.materialise(SECOND, "segments,time_series,features")
    stored = installation.stored("segments", SECOND)
    assert stored.manifest.parameters["method"] == "Shepherd et al. 2019"
    # 4 of 7 months that all have data everywhere
    assert stored.manifest.parameters["layers"] == [
        f"{layer}_t0{month}" for layer in ("ndvi", "b08", "b04") for month in (1, 3, 5, 7)
    ]
    assert stored.manifest.seeds["k_means"] == 1
    assert stored.table("agreement").to_pylist()[0]["f"] > 0.4
    described = installation.stored("features", SECOND).table("features")
    assert described["segment_id"].to_pylist() == stored.table("segments")["segment_id"].to_pylist()


def test_parcels_of_a_register_go_the_same_way_as_segments(fresh):
    def from_register(region):
        region["segmentation"] = {"source": "register", "file": REGISTER, "id_column": "parcel_id"}

    installation = fresh(from_register)
    installation.materialise(SECOND, "segments,time_series,features,crop_models,crop_maps")
    stored = installation.stored("segments", SECOND)
    polygons, parcels = stored.table("segments"), stored.table("parcels")
    path = installation.settings.archive_dir / VALLEY / "truth" / SECOND / "parcels.parquet"
    assert set(parcels["parcel_id"].to_pylist()) == set(pq.read_table(path, columns=["parcel_id"])[0].to_pylist())
    with_segment = parcels.filter(pc.is_valid(parcels["segment_id"]))
    assert with_segment["segment_id"].to_pylist() == polygons["segment_id"].to_pylist()
    assert with_segment["pixels"].to_pylist() == polygons["pixels"].to_pylist()
    with rasterio.open(stored.path("segments.tif")) as raster:
        assert (raster.read(1) > 0).sum() == pc.sum(polygons["pixels"]).as_py()
    (record,) = [one for one in stored.manifest.external if one.kind == "register of parcels"]
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert stored.manifest.parameters["method"] == "register of parcels"
    features = installation.stored("features", SECOND).table("features")
    assert features["segment_id"].to_pylist() == polygons["segment_id"].to_pylist()
    classified = installation.stored("crop_maps", SECOND).table("segments")
    assert classified["segment_id"].to_pylist() == polygons["segment_id"].to_pylist()
    assert stored.has("links")  # to the segments cut out of last season's imagery


def test_a_register_that_is_not_there_is_named(fresh):
    def from_nowhere(region):
        region["segmentation"] = {"source": "register", "file": "{home}/parcels_{season}.gpkg"}

    with pytest.raises(ParcelRegisterError, match=r"no such register.*parcels_2024-10\.gpkg"):
        fresh(from_nowhere).materialise(SECOND, "segments")
