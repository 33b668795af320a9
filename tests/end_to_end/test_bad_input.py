"""What a person can get wrong or a machine can break: one clear error, and the version before stays current."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from agristat_platform.catalogue import UnknownRegionError, UnknownSeasonError
from agristat_platform.classification import TooFewClassesError, UnknownCropCodeError
from agristat_platform.errors import AgristatError
from agristat_platform.estimation import FieldDataError
from agristat_platform.features import UnknownIndexError
from agristat_platform.imagery import AoiOutsideImageryError, NoScenesLeftError, UnreadableSceneError
from agristat_platform.provenance import HashMismatchError
from agristat_platform.sampling import DesignError, SampleOutsideStratumError
from resources.errors import StoreFullError, StoreReadOnlyError

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"


def refused(installation, error, season=FIRST, selection=None, **more):
    """The one error a run ends with; whatever was current still is, byte for byte."""
    before = installation.current_versions()
    with pytest.raises(AgristatError) as caught:
        installation.materialise(season, selection, **more)
    assert type(caught.value) is error, caught.value
    after = installation.current_versions()
    assert {key: after[key] for key in before} == before
    assert set(after) == set(before)
    text = str(caught.value)
    assert caught.value.remedy
    assert caught.value.remedy.rstrip(".") in text
    return text


def test_unknown_region_and_season_are_named_with_those_there_are(fresh):
    installation = fresh()
    text = refused(installation, UnknownRegionError, region="demo-vally")
    assert 'Did you mean "demo-valley"' in text
    for selection in ("scenes", "training_labels", "survey_samples"):
        text = refused(installation, UnknownSeasonError, "2019-10", selection)
        assert "2019-10" in text
        assert "2023-10, 2024-10" in text


def test_area_outside_the_imagery_is_named(fresh):
    def move(region):
        (ring,) = region["aoi"]["coordinates"]
        region["aoi"]["coordinates"] = [[[lon + 1.0, lat] for lon, lat in ring]]

    text = refused(fresh(move), AoiOutsideImageryError, selection="scenes")
    assert f"{VALLEY}|{FIRST}" in text
    assert "Check the AOI" in text


def test_a_mistyped_index_is_told_before_anything_is_composed(fresh):
    for field in ("features", "time_series"):
        installation = fresh(lambda region, field=field: region[field].update(indices=["ndvi", "ndvy"]))
        text = refused(installation, UnknownIndexError, selection="scenes")
        assert "ndvy" in text
        assert f"{VALLEY}, {field}.indices" in text
        shutil.rmtree(installation.settings.home)
        shutil.rmtree(installation.settings.config_dir)


def test_no_scene_left_after_the_cloud_filter_is_named(fresh):
    def clearer_than_any(region):
        region["imagery"]["max_cloud_share"] = 0.0
        region["imagery"]["min_aoi_cover"] = 1.0

    text = refused(fresh(clearer_than_any), NoScenesLeftError, selection="scenes")
    assert "sentinel-2-l2a" in text or "landsat-c2-l2" in text
    assert "max_cloud_share" in text


def test_a_sample_larger_than_the_frame_is_named_with_its_fields(fresh):
    def huge_segments(region):
        region["survey"]["segment_side_m"] = 5000

    text = refused(fresh(huge_segments), DesignError, selection="survey_samples")
    assert "of 5000 m" in text
    assert "segment_side_m or sample_size" in text


def kept_scene_file(installation, asset):
    """The file of a band, by its name in STAC items, of a scene that the composites read."""
    for row in installation.stored("scenes", FIRST).table("scenes").to_pylist():
        if row["kept"] and asset in json.loads(row["item"])["assets"]:
            (item,) = (installation.settings.archive_dir / VALLEY / "items").rglob(f"{row['scene_id']}.json")
            href = json.loads(item.read_text())["assets"][asset]["href"]
            return row["scene_id"], Path(href.removeprefix("file://"))
    raise AssertionError(f"no scene with {asset}")


@pytest.mark.parametrize(("asset", "selection"), [("nir", "scenes+"), ("scl", "scenes"), ("vv", "scenes,composites")])
def test_corrupt_scene_file_is_named(fresh, asset, selection):
    installation = fresh(archive_of_its_own=True)
    scene, path = kept_scene_file(installation, asset)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    before = installation.stored("composites", FIRST)
    with pytest.raises(UnreadableSceneError) as caught:
        installation.materialise(FIRST, selection)
    assert scene in str(caught.value)
    assert path.name in str(caught.value)
    assert caught.value.remedy
    assert installation.stored("composites", FIRST).version == before.version
    assert installation.store.verify().intact


def labels_file(installation, labels: pa.Table) -> Path:
    path = installation.settings.config_dir / "labels.parquet"
    pq.write_table(labels, path)
    return path


def labels_from_file(region):
    region["training"] |= {"source": "file", "file": "{config}/labels.parquet"}
    region["training"].pop("labels")


def delivered_labels(demo):
    return pq.read_table(demo.settings.archive_dir / VALLEY / "training" / f"{FIRST}.parquet")


def check_status(instance, asset, check):
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return record.status, record.event.dagster_event.event_specific_data


def test_a_class_without_labels_is_counted_and_warned_about(fresh, demo):
    installation = fresh(labels_from_file)
    labels = delivered_labels(demo)
    labels_file(installation, labels.filter(pc.not_equal(labels["crop_code"], "RAP")))
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(FIRST, "training_labels, crop_models", instance=instance)
        for asset in ("training_labels", "crop_models"):
            status, evaluation = check_status(instance, asset, "class_support")
            assert status is AssetCheckExecutionRecordStatus.FAILED
            assert evaluation.severity is dg.AssetCheckSeverity.WARN
            assert "RAP: 0" in evaluation.description
    support = installation.stored("crop_models", FIRST).table("support").to_pylist()
    (rapeseed,) = (row for row in support if row["crop_code"] == "RAP")
    assert rapeseed["samples"] == 0


def test_labels_of_one_class_alone_teach_nothing(fresh, demo):
    installation = fresh(labels_from_file)
    labels = delivered_labels(demo)
    labels_file(installation, labels.filter(pc.equal(labels["crop_code"], "WHE")))
    installation.materialise(FIRST, "training_labels")
    text = refused(installation, TooFewClassesError, selection="crop_models")
    assert "WHE" in text


def test_label_of_an_unknown_crop_is_named(fresh, demo):
    installation = fresh(labels_from_file)
    labels = delivered_labels(demo)
    codes = labels["crop_code"].to_pylist()
    codes[7] = "WHEAT"
    labels_file(
        installation, labels.set_column(labels.schema.get_field_index("crop_code"), "crop_code", pa.array(codes))
    )
    text = refused(installation, UnknownCropCodeError, selection="training_labels")
    assert "WHEAT" in text


def republished(installation, asset, table, change):
    """A version whose table was changed by somebody who knows how to publish: hashes are right, content is not."""
    stored = installation.stored(asset, FIRST)
    with installation.store.draft(asset, stored.partition, stage=stored.stage) as draft:
        for name in stored.names:
            draft.write_bytes(name, stored.path(name).read_bytes())
        draft.write_table(table, change(stored.table(table)))
        draft.describe(
            parameters=stored.manifest.parameters, seeds=stored.manifest.seeds, simulated=stored.manifest.simulated
        )
    return installation.store.publish(draft, draft.manifest(run_id="by hand"))


def with_value(table, column, row, value):
    values = table[column].to_pylist()
    values[row] = value
    position = table.schema.get_field_index(column)
    return table.set_column(position, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def test_sample_row_outside_its_stratum_is_named(fresh):
    installation = fresh()
    sample = installation.stored("survey_samples", FIRST).table("sample")
    first, unit = sample["stratum"][0].as_py(), sample["unit_id"][0].as_py()
    other = next(name for name in sample["stratum"].to_pylist() if name != first)
    republished(installation, "survey_samples", "sample", lambda table: with_value(table, "stratum", 0, other))
    text = refused(installation, SampleOutsideStratumError, selection="official_estimates")
    assert unit in text
    assert first in text
    assert other in text


def test_field_data_of_a_unit_that_was_not_sampled_is_named(fresh, demo):
    def observed_in_a_file(region):
        region["survey"] |= {"field_data": "file", "field_data_file": "{config}/observed.parquet"}

    installation = fresh(observed_in_a_file)
    observed = demo.stored("field_data", FIRST).table("observations")
    sampled = set(demo.stored("survey_samples", FIRST).table("sample")["unit_id"].to_pylist())
    frame = demo.stored("survey_samples", FIRST).table("frame")["unit_id"].to_pylist()
    stray = next(unit for unit in frame if unit not in sampled)
    pq.write_table(with_value(observed, "unit_id", 0, stray), installation.settings.config_dir / "observed.parquet")
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(FIRST, "field_data", instance=instance)
        status, evaluation = check_status(instance, "field_data", "every_unit_observed")
    assert status is AssetCheckExecutionRecordStatus.FAILED
    assert "1 not sampled" in evaluation.description
    text = refused(installation, FieldDataError, selection="official_estimates")
    assert stray in text


def test_stored_sample_that_was_tampered_with_is_refused(fresh):
    installation = fresh()
    path = installation.stored("survey_samples", FIRST).path("sample.parquet")
    table = pq.read_table(path)
    pq.write_table(with_value(table, "weight", 0, 1000.0), path)
    text = refused(installation, HashMismatchError, selection="official_estimates")
    assert "sample.parquet" in text
    assert "mirror" in text


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 24 MB; skips where mounting is not permitted."""
    directory = tmp_path / "nas"
    directory.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_read_only_nas_is_named_and_the_run_can_be_repeated(fresh, nas):
    installation = fresh(lambda region: region["segmentation"].update(min_pixels=60), store=nas / "store")
    subprocess.run(["mount", "-o", "remount,ro", str(nas)], check=True)
    text = refused(installation, StoreReadOnlyError, selection="segments")
    assert str(nas) in text
    assert "Mount it read-write" in text
    assert installation.store.verify().intact
    subprocess.run(["mount", "-o", "remount,rw", str(nas)], check=True)
    before = installation.stored("segments", FIRST).version
    installation.materialise(FIRST, "segments")
    assert installation.stored("segments", FIRST).version != before


def test_full_nas_is_named_and_leaves_nothing_half_written(fresh, nas):
    installation = fresh(lambda region: region["segmentation"].update(min_pixels=60), store=nas / "store")
    filler = nas / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(nas).free))
    text = refused(installation, StoreFullError, selection="segments")
    assert str(nas) in text
    assert "Free space" in text
    filler.unlink()
    report = installation.store.verify()
    assert report.intact
    assert report.notices == []
