"""model_evaluation on the small valley: which parts a season has, what they are made from, and that nothing rests on them."""

from __future__ import annotations

import dagster as dg
import pytest

from agristat_platform.classification import evaluation

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"
PARTS = ["learning_curve", "in_season", "rolling_origin", "by_group"]


def states(stored) -> dict[str, str]:
    return {row["part"]: row["state"] for row in stored.table("parts").to_pylist()}


def test_nothing_downstream_rests_on_it(demo):
    graph = demo.definitions().resolve_asset_graph()
    assert not graph.get(dg.AssetKey("model_evaluation")).child_keys


def test_the_first_season_has_no_past_to_be_named_by(demo):
    stored = demo.stored("model_evaluation", FIRST)
    assert states(stored) == {name: "absent" if name == "rolling_origin" else "made" for name in PARTS}
    said = demo.metadata("model_evaluation", FIRST)["rolling_origin"].value
    assert said == "absent: labelled curves of 1 season: two are needed, one to teach and one to name"
    assert not stored.has("rolling_origin")


def test_the_second_season_is_named_by_the_first(demo):
    stored = demo.stored("model_evaluation", SECOND)
    assert set(states(stored).values()) == {"made"}
    (row,) = stored.table("rolling_origin").to_pylist()
    assert (row["season"], row["taught_by"]) == (SECOND, FIRST)
    curves = demo.stored("crop_models", SECOND).table("teaching_series")["season"].to_pylist()
    assert row["samples"] == curves.count(SECOND)
    assert row["overall_accuracy_low"] <= row["overall_accuracy"] <= row["overall_accuracy_high"]


@pytest.mark.parametrize("season", [FIRST, SECOND])
def test_curves_end_with_all_labels_and_the_whole_season(demo, season):
    stored = demo.stored("model_evaluation", season)
    learned, dated = stored.table("learning_curve"), stored.table("in_season")
    assert learned.schema.names == evaluation.LEARNING_CURVE_SCHEMA.names
    assert learned["labels"].to_pylist() == sorted(learned["labels"].to_pylist())
    assert learned["seeds"].to_pylist() == [2] * learned.num_rows
    until = dated["until"].to_pylist()
    assert until == sorted(until)
    assert len(until) == 3
    assert until[-1] == f"{int(season[:4]) + 1}-05-31"  # the season ends on the first of June
    # what the classes differ by comes in spring: maize is sown in April
    assert dated["overall_accuracy"][2].as_py() > dated["overall_accuracy"][0].as_py()


@pytest.mark.parametrize("season", [FIRST, SECOND])
def test_groups_are_of_the_predictions_that_the_model_published(demo, season):
    figures = demo.stored("model_evaluation", season).table("by_group").to_pylist()
    judged = demo.stored("crop_models", season).table("held_out").to_pylist()
    right = sum(row["crop_code"] == row["predicted"] for row in judged) / len(judged)
    overall = [row for row in figures if row["figure"] == "overall_accuracy"]
    assert overall[0]["value"] == pytest.approx(right)
    counted = {}
    for row in overall:
        counted[row["grouping"]] = counted.get(row["grouping"], 0) + row["samples"]
    assert counted == dict.fromkeys(
        ("all", "class_support", "parcel_size", "distance_to_taught", "series"), len(judged)
    )


def test_parts_that_the_region_leaves_out_are_not_made_and_said_to_be_off(fresh):
    here = fresh(lambda region: region["training"]["evaluation"].update(parts=["by_group"]))
    here.materialise(SECOND, "model_evaluation")
    stored = here.stored("model_evaluation", SECOND)
    assert states(stored) == {name: "made" if name == "by_group" else "off" for name in PARTS}
    assert [name for name in stored.names if name.endswith(".parquet")] == ["by_group.parquet", "parts.parquet"]


def test_a_part_that_the_labels_can_t_give_fails_alone(fresh):
    here = fresh(lambda region: region["training"]["evaluation"].update(sizes=[10, 5000], parts=PARTS[:1] + PARTS[3:]))
    here.materialise(SECOND, "model_evaluation")
    rows = {row["part"]: row for row in here.stored("model_evaluation", SECOND).table("parts").to_pylist()}
    assert rows["learning_curve"]["state"] == "failed"
    assert "5000 labels asked for" in rows["learning_curve"]["said"]
    assert rows["by_group"]["state"] == "made"
