"""Crops of the second season named from the first one's labelled curves, through Dagster: map, evidence, and what stops it."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from agristat_platform.classification import GATE_SCHEMA, TAUGHT_GROUND_SCHEMA, curves_of, form_of
from agristat_platform.features import read_tensor
from assets.errors import BlockingCheckFailedError, NoPastSeasonError
from assets.recognition import JUDGED_BY
from assets.season_transfer import LAST_MODEL, RECOGNITION

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"
SMALL = {"trees": 20, "rounds": 2, "bags": 1}


def recognising(**more):
    """Past seasons teach; members are few, which a test has no need to be better than."""

    def change(region):
        region["training"] |= {"model": "recognition", "recognition": {**SMALL, **more}}

    return change


def without_labels_of_the_second_season(region):
    recognising()(region)
    region["training"] |= {"source": "file", "file": "{config}/labels_{season}.parquet"}
    region["training"].pop("labels")


def record_of(instance, check):
    key = dg.AssetCheckKey(dg.AssetKey("crop_models"), check)
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return record.status, record.event.dagster_event.event_specific_data


def metadata_of(instance, asset):
    (record,) = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    return record.asset_materialization.metadata


def test_each_season_keeps_its_labelled_curves_for_the_next(demo):
    first, second = (demo.stored("crop_models", season).table("teaching_series") for season in (FIRST, SECOND))
    assert set(first["season"].to_pylist()) == {FIRST}
    assert second.slice(0, first.num_rows).equals(first)
    own = second.slice(first.num_rows)
    assert set(own["season"].to_pylist()) == {SECOND}
    form = form_of(second)
    assert form.shape == (23, 8)
    labels = demo.stored("training_labels", SECOND).table("labels")
    assert set(own["label_id"].to_pylist()) < set(labels["label_id"].to_pylist())
    tensor = read_tensor(demo.stored("time_series", SECOND).path("tensor.parquet"), form.channels)
    known = {curve.tobytes() for curve in tensor.values}
    assert all(curve.tobytes() in known for curve in curves_of(own))
    assert set(first["place"].to_pylist()) & set(own["place"].to_pylist())  # a place is the same in both seasons


def test_the_season_s_own_model_is_shown_beside_what_the_past_alone_would_do(demo):
    rows = {row["name"]: row for row in demo.stored("crop_models", SECOND).table("accuracy").to_pylist()}
    assert rows[RECOGNITION]["samples"] == rows[LAST_MODEL]["samples"] == rows["blocked cross-validation"]["samples"]
    # about 0.70 and 0.67 on 88 samples; the commonest class has 0.22
    assert rows[RECOGNITION]["overall_accuracy"] > 0.5
    shown = demo.metadata("crop_models", SECOND)
    assert "which teach nothing here" in shown["recognition"].value
    assert "The gate is passed" in shown["gate_report"].value
    assert {record.data["stage"] for record in shown["gate"].records} >= {"augmentation", "prior"}
    assert demo.stored("crop_models", SECOND).table("gate").schema.equals(GATE_SCHEMA)
    assert demo.metadata("crop_models", FIRST)["recognition"].value.startswith("not judged: there is no past season")


def test_past_curves_name_every_segment_and_the_gate_s_evidence_is_there_for_an_auditor(fresh):
    installation = fresh(recognising())
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(SECOND, "crop_models,crop_maps,map_accuracy", instance=instance)
        shown = metadata_of(instance, "crop_models")
        checked = [record_of(instance, check) for check in ("gate_passed", "no_leakage_between_folds")]
    stored, maps = (installation.stored(asset, SECOND) for asset in ("crop_models", "crop_maps"))
    assert not stored.has("model.json")
    table = stored.table("recognised")
    segments = installation.stored("segments", SECOND).table("segments", columns=["segment_id"])
    assert sorted(table["segment_id"].to_pylist()) == sorted(segments["segment_id"].to_pylist())
    values = np.stack([table[name].to_numpy() for name in table.column_names[1:]], axis=1)
    named = np.isfinite(values).all(axis=1)
    assert named.mean() > 0.95
    np.testing.assert_allclose(values[named].sum(axis=1), 1, atol=1e-3)
    codes = np.array(table.column_names[1:])[np.nan_to_num(values).argmax(axis=1)]
    assert maps.table("segments")["crop_code"].to_pylist() == [
        c if n else None for c, n in zip(codes, named, strict=True)
    ]
    assert maps.manifest.parameters["made_by"] == "recognition"

    assert stored.manifest.parameters["taught_by"] == [FIRST]
    (figures,) = stored.table("accuracy").to_pylist()
    assert figures["name"] == JUDGED_BY
    assert figures["overall_accuracy"] > 0.5  # about 0.7; the commonest class has 0.22
    card = stored.json("model_card")
    assert list(card["taught_on"]["counts"]) == [FIRST]
    assert card["gate"]["passed"] is True
    assert card["accuracy"]["basis"] == JUDGED_BY
    assert {row["stage"] for row in card["gate"]["rows"]} >= {"augmentation", "prior"}
    assert stored.table("gate").to_pylist() == card["gate"]["rows"]
    assert stored.table("teaching_series").num_rows > card["taught_on"]["samples"]  # this season's, for the next

    assert shown["named_by"].value == f"recognition, taught by seasons {FIRST}"
    assert "The gate is passed" in shown["gate_report"].value
    assert len(shown["gate"].records) == stored.table("gate").num_rows
    assert [status for status, _ in checked] == [AssetCheckExecutionRecordStatus.SUCCEEDED] * 2
    assert checked[0][1].description.startswith("passed: overall accuracy is")
    ground_of_past_labels_is_left_out(installation)


def ground_of_past_labels_is_left_out(installation):
    """What the past was taught on is not what the map is validated on."""
    ground = installation.stored("crop_models", SECOND).table("taught_ground")
    assert ground.column_names == TAUGHT_GROUND_SCHEMA.names
    before = installation.stored("crop_models", FIRST).table("taught_ground")
    assert set(ground["name"].to_pylist()) >= set(before["name"].to_pylist())
    seasons = installation.stored("crop_models", SECOND).table("teaching_ground")["season"].to_pylist()
    assert set(seasons) == {FIRST, SECOND}
    assert seasons.count(FIRST) == ground.num_rows
    assert installation.stored("map_accuracy", SECOND).table("accuracy").num_rows > 0


def test_a_season_without_any_label_is_recognised_and_says_that_nothing_judged_it(fresh, demo):
    installation = fresh(without_labels_of_the_second_season)
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(SECOND, "training_labels,crop_models,crop_maps", instance=instance)
        labels = metadata_of(instance, "training_labels")
        assert "No labels of this season were delivered" in labels["delivered"].value
        assert "labels_2024-10.parquet" in labels["delivered"].value
        key = dg.AssetCheckKey(dg.AssetKey("training_labels"), "labels_delivered")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.status is AssetCheckExecutionRecordStatus.FAILED
        assert record.event.dagster_event.event_specific_data.severity is dg.AssetCheckSeverity.WARN
        shown = metadata_of(instance, "crop_models")
    assert shown["accuracy"].value == "no labels of this season: nothing is judged"
    stored = installation.stored("crop_models", SECOND)
    assert stored.table("recognised").num_rows == demo.stored("segments", SECOND).table("segments").num_rows
    assert not stored.has("accuracy")
    assert set(stored.table("teaching_series")["season"].to_pylist()) == {FIRST}
    assert stored.json("model_card")["accuracy"] is None
    assert installation.stored("crop_maps", SECOND).manifest.parameters["made_by"] == "recognition"


def shuffled_curves(installation):
    """The first season's labelled curves with crops dealt out at random: whoever learns from them learns nothing."""
    stored = installation.stored("crop_models", FIRST)
    table = stored.table("teaching_series")
    codes = np.random.default_rng(5).permutation(table["crop_code"].to_pylist())
    position = table.schema.get_field_index("crop_code")
    with installation.store.draft("crop_models", stored.partition, stage=stored.stage) as draft:
        for name in stored.names:
            draft.write_bytes(name, stored.path(name).read_bytes())
        draft.write_table("teaching_series", table.set_column(position, table.schema.field(position), [codes.tolist()]))
        draft.describe(parameters=stored.manifest.parameters, seeds=stored.manifest.seeds, simulated=True)
    installation.store.publish(draft, draft.manifest(run_id="by hand"))


def test_a_gate_that_is_failed_stops_the_map_and_shows_why(fresh):
    installation = fresh(recognising())
    shuffled_curves(installation)
    before = installation.current_versions()
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(BlockingCheckFailedError) as caught:
            installation.materialise(SECOND, "crop_models,crop_maps", instance=instance)
        status, evaluation = record_of(instance, "gate_passed")
    assert "gate_passed: failed: overall accuracy is" in str(caught.value)
    assert status is AssetCheckExecutionRecordStatus.FAILED
    assert "not passed: no map may be made with it" in evaluation.metadata["gate"].value
    assert "| augmentation |" in evaluation.metadata["gate"].value
    assert installation.current_versions() == before


def test_a_first_season_has_no_past_to_be_recognised_by_and_says_what_to_do(fresh):
    installation = fresh(recognising())
    with pytest.raises(NoPastSeasonError) as caught:
        installation.materialise(FIRST, "crop_models")
    assert "crop_models of 2022-10 was never materialised" in str(caught.value)
    assert "training.recognition.first_season" in str(caught.value)


def test_seasons_before_the_first_recognised_one_are_taught_by_their_own_labels(fresh, demo):
    installation = fresh(recognising(first_season=SECOND))
    installation.materialise(FIRST, "crop_models")
    assert installation.stored("crop_models", FIRST).version == demo.stored("crop_models", FIRST).version


def test_crops_that_are_not_asked_for_are_not_recognised(fresh):
    installation = fresh(recognising(crops=["WHE", "MAI", "ALF"], target_shares={"WHE": 0.6, "MAI": 0.4}))
    installation.materialise(SECOND, "crop_models")
    stored = installation.stored("crop_models", SECOND)
    table = stored.table("recognised")
    assert table.column_names == ["segment_id", "ALF", "MAI", "WHE"]
    assert pc.max(table["ALF"]).as_py() == 0
    card = stored.json("model_card")
    assert any("ALF were taught but have no given share" in limit for limit in card["limits"])
    assert card["gate"]["chosen"]["prior"] == "given"
    assert card["taught_on"]["dropped"]["not_among_crops"] > 0
    assert pq.read_schema(stored.path("recognised.parquet")).field("segment_id").type == "uint32"


def test_what_reviewers_named_teaches_the_same_season_s_model_when_asked(fresh, demo):
    def taught_by_review(region):
        region["training"] |= {"use_review": True}
        region["training"]["recognition"] = {"compared": False}

    decided = demo.stored("review_decisions", SECOND).table("labels")["label_id"].to_pylist()
    assert decided
    installation = fresh(taught_by_review)
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(SECOND, "crop_models", instance=instance)
        shown = metadata_of(instance, "crop_models")
    assert shown["reviewed_parcels"].value == f"{len(decided)} parcels teach, but where labels cover their ground"
    stored = installation.stored("crop_models", SECOND)
    assert "review_decisions" in {record.asset for record in stored.manifest.inputs}
    ground = set(stored.table("taught_ground")["name"].to_pylist())
    teaching = set(stored.table("teaching_series")["label_id"].to_pylist())
    assert ground & set(decided) == teaching & set(decided) != set()
    before = demo.stored("crop_models", SECOND)
    assert not set(before.table("teaching_series")["label_id"].to_pylist()) & set(decided)
