"""Parts of a season's evaluation: absent, off, failed or made, from labels with series of their own and hand-made versions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform import classification
from agristat_platform.catalogue import EvaluationSettings, Partition, TrainingSettings, load_catalogue, load_settings
from agristat_platform.classification import evaluation
from assets.evaluation_parts import PARTS_SCHEMA, parts_of, parts_table
from assets.model_evaluation import _every_part_made, _labels_raise_accuracy
from assets.season_evaluation import Part, SeasonEvaluation

CROPS, INTERVALS, N = ("WHE", "MAI", "ALF"), 4, 60
SECOND = "2024-10"


def a_season(repository, samples, **settings):
    catalogue = load_catalogue(load_settings(repository / "config", env={}))
    training = TrainingSettings(
        source="file", file="x", folds=3, evaluation=EvaluationSettings(repeats=2, trees=10, **settings)
    )
    region = catalogue.region("demo-valley")
    return SimpleNamespace(
        partition=Partition("demo-valley", SECOND),
        region=region,
        nomenclature=catalogue.nomenclature("demo-valley"),
        training=training,
        samples=samples,
        sizes=lambda judged: {},
    )


def a_model(**tables):
    return SimpleNamespace(has=lambda name: name in tables, table=lambda name: tables[name])


@pytest.fixture(scope="module")
def samples():
    """Sixty labels 500 m apart whose crops part in the last interval, each with a series of its own."""
    crops = [CROPS[i % 3] for i in range(N)]
    values = np.random.default_rng(5).normal(0, 0.3, (N, INTERVALS))
    values[:, -1] += [CROPS.index(crop) * 2.0 for crop in crops]
    labels = [
        {"label_id": f"l{i}", "crop_code": crop, "geometry": shapely.Point(500.0 * i, 0).wkb}
        for i, crop in enumerate(crops)
    ]
    columns = {f"ndvi_t{j + 1:02d}_mean": pa.array(values[:, j], pa.float32()) for j in range(INTERVALS)}
    series = pa.table({"label_id": [row["label_id"] for row in labels], **columns})
    return classification.training_set_from_series(classification.label_table(labels), series, block_size_m=1000.0)


@pytest.fixture(scope="module")
def held_out(samples):
    fold = np.arange(N) % 5
    return evaluation.held_out_table(samples.label_ids, samples.y, samples.y, np.full(N, 0.9), fold)


def teaching_series(seasons):
    form = classification.CurveForm("smoothed", ("ndvi",), 12)
    schema = classification.teaching_schema(form)
    rows = []
    for season in seasons:
        for i in range(24):
            peak = 3.0 if i % 2 else 8.0
            curve = np.exp(-((np.arange(12) - peak) ** 2) / 8) + np.random.default_rng([int(season[:4]), i]).normal(
                0, 0.02
            )
            rows.append(
                {
                    "label_id": f"l{i}", "season": season, "place": f"p{i % 8}", "crop_code": CROPS[i % 2],
                    "series": [[float(value)] for value in curve], "previous_crop_code": None,
                }
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def states(parts):
    return {name: part.state for name, part in parts.items()}


def test_all_parts_of_a_season_whose_labels_bring_their_series(repository, samples, held_out):
    teaching = teaching_series(["2023-10", SECOND])
    of = SeasonEvaluation(a_season(repository, samples), a_model(held_out=held_out, teaching_series=teaching))
    parts = parts_of(of)
    assert set(states(parts).values()) == {"made"}
    until = parts["in_season"].tables["in_season"]
    assert until["until"].to_pylist() == ["2024-11-30", "2024-12-31", "2025-01-31", "2025-02-28"]
    assert until["overall_accuracy"][3].as_py() > 0.9 > 0.7 > until["overall_accuracy"][2].as_py()
    origin = parts["rolling_origin"].tables["rolling_origin"].to_pylist()[0]
    assert (origin["season"], origin["taught_by"], origin["samples"]) == (SECOND, "2023-10", 24)
    figures = parts["by_group"].tables["by_group"]
    assert sorted(set(figures["grouping"].to_pylist())) == ["all", "class_support", "distance_to_taught"]
    table = parts_table(parts)
    assert table.schema.equals(PARTS_SCHEMA)
    assert all(row["rows"] for row in table.to_pylist())
    assert not any(part.shared for part in parts.values())


def test_without_labels_and_past_everything_is_absent_and_said(repository):
    parts = parts_of(SeasonEvaluation(a_season(repository, None), a_model()))
    assert set(states(parts).values()) == {"absent"}
    assert parts["by_group"].said == "no labels of this season were delivered"
    assert parts["rolling_origin"].metadata("rolling_origin") == {
        "rolling_origin": "absent: crop_models has no labelled curves"
    }
    assert _every_part_made(parts).passed
    assert _labels_raise_accuracy(parts["learning_curve"]).passed


def test_one_season_of_curves_and_no_predictions_kept(repository, samples):
    wanted = ("rolling_origin", "by_group")
    model = a_model(teaching_series=teaching_series([SECOND]))
    parts = parts_of(SeasonEvaluation(a_season(repository, samples, parts=wanted), model))
    assert states(parts) == {
        "learning_curve": "off",
        "in_season": "off",
        "rolling_origin": "absent",
        "by_group": "absent",
    }
    assert "two are needed" in parts["rolling_origin"].said


def test_predictions_of_labels_that_are_gone(repository, samples, held_out):
    other = held_out.set_column(0, "label_id", pa.array([f"review/1/{i}" for i in range(N)]))
    season = a_season(repository, samples, parts=("by_group",))
    part = parts_of(SeasonEvaluation(season, a_model(held_out=other)))["by_group"]
    assert (part.state, "judged none of the season's labels" in part.said) == ("failed", True)
    both = pa.concat_tables([held_out, other.cast(held_out.schema)])
    part = parts_of(SeasonEvaluation(season, a_model(held_out=both)))["by_group"]
    assert part.said.endswith("60 other labels, of reviews or no longer delivered, are left out")
    assert part.shown[0]["samples"] == N


def test_labels_that_can_t_be_dealt_fail_the_curves_and_a_check_warns(repository, samples):
    season = a_season(repository, samples.subset(np.arange(4)))  # two blocks for three folds
    parts = parts_of(SeasonEvaluation(season, a_model()))
    assert states(parts)["learning_curve"] == states(parts)["in_season"] == "failed"
    result = _every_part_made(parts)
    assert not result.passed
    assert "learning_curve: " in result.description


def test_many_labels_are_drawn_from(repository, samples):
    of = SeasonEvaluation(a_season(repository, samples, most_samples=50), a_model())
    assert len(of.samples.y) == 50
    assert of.samples.label_ids.tolist() == SeasonEvaluation(of.season, a_model()).samples.label_ids.tolist()


def a_curve(first, last, p):
    rows = [
        {"labels": 25, "overall_accuracy": first, "gain": None, "gain_p": None},
        {"labels": 200, "overall_accuracy": last, "gain": last - first, "gain_p": p},
    ]
    return Part("made", "", tables={"learning_curve": pa.Table.from_pylist(rows)})


def test_labels_that_teach_nothing_are_warned_of():
    assert _labels_raise_accuracy(a_curve(0.5, 0.8, 0.0005)).passed
    result = _labels_raise_accuracy(a_curve(0.5, 0.51, 0.4))
    assert not result.passed
    assert result.severity.value == "WARN"
    assert result.description == "overall accuracy 0.500 with 25 labels, 0.510 with 200; such a gain by chance: 0.4000"
