"""Crop maps of past seasons as features read them: reported when published, exact in the manifest, stale when they change."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import Partition, load_catalogue, load_settings
from agristat_platform.features import YEARS_BACK
from agristat_platform.segmentation import link_segments
from assets import past_crop_maps
from assets.partitions import region_seasons
from resources.io_managers import VersionedIOManager
from resources.step_inputs import input_data_version
from resources.storage import StorageResource

REGION = "demo-valley"


@pytest.fixture(scope="module")
def catalogue(repository, tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    return load_catalogue(load_settings(repository / "config", env={"AGRISTAT_HOME": home}))


@pytest.fixture
def run(catalogue, tmp_path):
    """Materialises features and crop maps of seasons; the crop maps say what they are told to."""
    seasons = region_seasons(catalogue)
    said = {"map": 0}

    def draft_of(context, storage, asset, value):
        with storage.store.draft(asset, Partition.from_key(str(context.partition_key)), stage="mapping") as draft:
            draft.write_json(asset, value)
        return dg.MaterializeResult(value=draft.seal(), data_version=dg.DataVersion(draft.content_hash))

    @dg.asset(partitions_def=seasons, group_name="mapping", ins=past_crop_maps.inputs(catalogue))
    def features(context, storage: StorageResource, past_crop_maps, older_crop_maps):
        read = [str(stored.partition) for stored in (past_crop_maps, older_crop_maps) if stored]
        return draft_of(context, storage, "features", [str(context.partition_key), *read])

    @dg.asset(partitions_def=seasons, group_name="mapping")
    def crop_maps(context, storage: StorageResource, features):
        yield draft_of(context, storage, "crop_maps", [str(context.partition_key), said["map"]])
        past_crop_maps.report(context, storage.store.current("crop_maps", Partition.from_key(context.partition_key)))

    storage = StorageResource(store_uri=str(tmp_path / "nas"), scratch_dir=str(tmp_path / "scratch"))
    everything = dg.Definitions(
        assets=[*past_crop_maps.build(seasons), features, crop_maps],
        resources={"storage": storage, "io_manager": VersionedIOManager(storage=storage)},
        jobs=[dg.define_asset_job("season", dg.AssetSelection.all())],
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def materialise(season, only=None, say=0):
            said["map"] = say
            key = dg.MultiPartitionKey({"region": REGION, "season": season})
            selection = None if only is None else [dg.AssetKey(only)]
            job = everything.resolve_job_def("season")
            assert job.execute_in_process(instance=instance, partition_key=key, asset_selection=selection).success
            return storage.store, instance

        yield materialise


def event(instance, asset, season):
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[f"{REGION}|{season}"])
    return instance.fetch_materializations(wanted, limit=1).records[0]


def test_years_before_are_those_that_features_know():
    assert set(past_crop_maps.YEARS_BEFORE.values()) == set(YEARS_BACK)


def test_features_read_the_homologous_maps_and_manifest_and_dagster_agree_on_which(run):
    for season in ("2021-10", "2022-04", "2022-10", "2023-10"):
        store, instance = run(season)
    first = store.current("features", Partition(REGION, "2021-10"))
    assert first.manifest.inputs == ()
    third = store.current("features", Partition(REGION, "2023-10"))
    assert third.json("features") == [f"{REGION}|2023-10", f"{REGION}|2022-10", f"{REGION}|2021-10"]
    read = {record.partition: record for record in third.manifest.inputs}
    assert set(read) == {f"{REGION}|2022-10", f"{REGION}|2021-10"}
    tags = event(instance, "features", "2023-10").asset_materialization.tags
    for name, season in (("past_crop_maps", "2022-10"), ("older_crop_maps", "2021-10")):
        record = read[f"{REGION}|{season}"]
        assert (record.asset, record.version) == (
            "crop_maps",
            store.current("crop_maps", Partition(REGION, season)).version,
        )
        assert tags[f"dagster/input_data_version/{name}"] == input_data_version([record])


def test_publishing_a_map_is_reported_with_its_version_by_the_run_that_made_it(run):
    store, instance = run("2022-10")
    stored = store.current("crop_maps", Partition(REGION, "2022-10"))
    for name in past_crop_maps.YEARS_BEFORE:
        reported = event(instance, name, "2022-10")
        assert reported.run_id == stored.run_id
        assert reported.asset_materialization.tags["dagster/data_version"] == stored.version
        assert reported.asset_materialization.metadata["manifest_sha256"].value == stored.manifest_sha256


def test_another_map_makes_another_input_version_of_the_season_after(run):
    run("2022-10")
    run("2023-10", only="features")
    run("2022-10", only="crop_maps", say=1)
    store, instance = run("2023-10", only="features")
    changed = store.current("crop_maps", Partition(REGION, "2022-10"))
    (record,) = store.current("features", Partition(REGION, "2023-10")).manifest.inputs
    assert record.version == changed.version
    assert len(store.history("features", Partition(REGION, "2023-10"))) == 2
    tags = event(instance, "features", "2023-10").asset_materialization.tags
    assert tags["dagster/input_data_version/past_crop_maps"] == input_data_version([record])


def raster(path, values, left=0):
    with rasterio.open(
        path, "w", driver="GTiff", height=2, width=4, count=1, dtype=values.dtype, nodata=0, crs="EPSG:32630",
        transform=Affine(10, 0, left, 0, -10, 0),
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return path


def test_history_is_joined_and_a_map_on_another_grid_is_left_out(catalogue, tmp_path, caplog):
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 2]], np.uint32)
    path = raster(tmp_path / "segments.tif", labels)
    here = raster(tmp_path / "here.tif", np.ones((2, 4), np.uint8))
    moved = raster(tmp_path / "moved.tif", np.ones((2, 4), np.uint8), left=3)

    def stored(path, version):
        return SimpleNamespace(path=lambda _: path, version=version, partition=Partition(REGION, "2023-10"))

    segments = SimpleNamespace(
        path=lambda _: path, has=lambda name: name == "links", table=lambda _: link_segments(labels, labels),
        partition=Partition(REGION, "2024-10"),
    )  # fmt: skip
    added = {}
    columns = SimpleNamespace(
        segment_ids=np.array([2, 1], np.uint32), add=lambda feature: added.update({feature.name: feature.values})
    )
    past = {"past_crop_maps": stored(here, "a" * 64), "older_crop_maps": stored(moved, "b" * 64)}
    with caplog.at_level(logging.WARNING):
        used = past_crop_maps.join_history(columns, segments, past, catalogue, logging.getLogger())
    assert used == {"past_crop_maps": "a" * 64}
    assert "2023-10 lies on another grid" in caplog.text
    code = next(crop.code for crop in catalogue.nomenclature(REGION).crops if crop.class_id == 1).lower()
    assert added[f"history_y1_share_{code}"].tolist() == [1.0, 1.0]
    assert added[f"history_y1_neighbours_share_{code}"].tolist() == [1.0, 1.0]
    assert added["history_y1_known"].tolist() == [1.0, 1.0]
    assert added["history_y2_known"].tolist() == [0.0, 0.0]
    assert added["history_identity_same"].tolist() == [1.0, 1.0]
