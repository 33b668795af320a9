"""Recognition with hand-made versions: labels that bring their own series, seasons that can't teach, figures beside a model."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform import classification
from agristat_platform.catalogue import Partition, RecognitionSettings, TrainingSettings, load_catalogue, load_settings
from assets.errors import NoPastSeasonError
from assets.model_season import ModelSeason
from assets.recognition import JUDGED_BY, write_recognition
from assets.reviewed_parcels import ReviewedParcels, parcels_that_teach
from assets.season_transfer import RECOGNITION, transfer
from assets.teaching import teaching_of
from resources.storage import Store

CROPS = ("WHE", "MAI", "ALF")
INTERVALS, LAYERS = 6, ("ndvi", "evi")
COLUMNS = [f"{layer}_t{i + 1:02d}_mean" for i in range(INTERVALS) for layer in LAYERS]
FIRST, SECOND, THIRD = "2023-10", "2024-10", "2025-10"
LOG = logging.getLogger(__name__)


def curves(crops, seed):
    """A peak at its own time for each crop, in both layers, with noise: float32 (n, intervals × layers)."""
    peak = np.array([1.0, 4.0, 2.5])[[CROPS.index(crop) for crop in crops]]
    noise = np.random.default_rng(seed).normal(0, 0.02, (len(crops), INTERVALS, len(LAYERS)))
    values = np.exp(-((np.arange(INTERVALS)[None, :, None] - peak[:, None, None]) ** 2)) + noise
    return values.reshape(len(crops), -1).astype(np.float32)


def wide(identifier, names, values):
    columns = {name: pa.array(values[:, j]) for j, name in enumerate(COLUMNS)}
    return pa.table({identifier: names, **columns})


def labels_of(season, n=45):
    crops = [CROPS[i % 3] for i in range(n)]
    rows = [
        {"label_id": f"{season} {i}", "crop_code": crop, "geometry": shapely.Point(1000.0 * (i % 9), 0).wkb}
        for i, crop in enumerate(crops)
    ]
    return classification.label_table(rows), wide(
        "label_id", [row["label_id"] for row in rows], curves(crops, int(season[:4]))
    )


def written(draft, name):
    return pq.read_table(draft.path(f"{name}.parquet"))


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"), scratch_dir=str(tmp_path / "scratch"))


@pytest.fixture
def season_of(store, repository):
    catalogue = load_catalogue(load_settings(repository / "config", env={}))
    region = catalogue.region("demo-valley")
    truth = [CROPS[i % 3] for i in range(30)]

    def published(asset, season, write):
        with store.draft(asset, Partition("demo-valley", season), stage="test") as draft:
            write(draft)
        return store.publish(draft, draft.manifest(run_id="run"))

    def make(season, previous=None, *, labelled=True, **recognition):
        table, series = labels_of(season)

        def write_labels(draft):
            draft.write_table("labels", table if labelled else table.slice(0, 0))
            if labelled:
                draft.write_table("series", series)

        def write_time_series(draft):
            draft.write_bytes("series.txt", b"of no channel")

        segments = pa.table(
            {
                "segment_id": pa.array(range(1, 31), pa.uint32()),
                "area_ha": [1.0] * 30,
                "geometry": [shapely.box(i, 0, i + 1, 1).wkb for i in range(30)],
            }
        )
        features = wide("segment_id", segments["segment_id"], curves(truth, 7))
        settings = {"trees": 10, "rounds": 1, "bags": 1, **recognition}
        training = TrainingSettings(
            source="file",
            file="x",
            model="recognition",
            block_size_m=1000.0,
            recognition=RecognitionSettings(**settings),
        )
        return ModelSeason(
            Partition("demo-valley", season),
            region.model_copy(update={"training": training}),
            catalogue.nomenclature("demo-valley"),
            published("training_labels", season, write_labels),
            published("segments", season, lambda draft: draft.write_table("segments", segments)),
            published("features", season, lambda draft: draft.write_table("features", features)),
            published("time_series", season, write_time_series),
            previous,
        )

    def taught(season, previous=None, **more):
        """The crop model's version of a season, with nothing but its labelled curves."""
        made = make(season, previous, **more)
        return published("crop_models", season, lambda draft: teaching_of(made).write(draft, region.crs))

    make.taught, make.truth = taught, truth
    return make


def test_labels_that_bring_their_own_series_teach_segments_of_the_next_season(season_of, store):
    before = season_of.taught(FIRST)
    assert classification.form_of(before.table("teaching_series")).kind == "interval_means"
    season = season_of(SECOND, before)
    draft = store.draft("crop_models", season.partition, stage="classification")
    result = write_recognition(season, teaching_of(season), draft, LOG)
    table = written(draft, "recognised")
    assert table["segment_id"].to_pylist() == list(range(1, 31))
    assert sorted(table.column_names[1:]) == sorted(CROPS)
    values = np.stack([table[code].to_numpy() for code in CROPS], axis=1)
    assert [CROPS[i] for i in values.argmax(axis=1)] == season_of.truth
    (row,) = written(draft, "accuracy").to_pylist()
    assert (row["name"], row["samples"], row["overall_accuracy"]) == (JUDGED_BY, 45, 1.0)
    assert {check.check_name: check.passed for check in result.checks}["gate_passed"]


def test_without_labels_the_form_of_curves_is_that_of_the_past(season_of):
    before = season_of.taught(FIRST)
    for labelled in (True, False):
        second = season_of.taught(SECOND, before, labelled=labelled)
        third = teaching_of(season_of(THIRD, second, labelled=False))
        assert third.form == classification.form_of(before.table("teaching_series"))
        assert third.carried.num_rows == 45 * (1 + labelled)
        assert set(third.ground["season"].to_pylist()) == ({FIRST, SECOND} if labelled else {FIRST})


def test_a_copy_of_a_past_curve_among_the_judging_labels_is_a_leak(season_of, store):
    season = season_of(SECOND, season_of.taught(FIRST))
    teaching = teaching_of(season)
    copied = teaching.curves.copy()
    copied[3] = classification.curves_of(teaching.carried)[5]
    draft = store.draft("crop_models", season.partition, stage="classification")
    result = write_recognition(season, dataclasses.replace(teaching, curves=copied), draft, LOG)
    (check,) = (one for one in result.checks if one.check_name == "no_leakage_between_folds")
    assert not check.passed
    assert "values" in check.description


def test_a_season_that_nothing_can_teach_says_why(season_of, store):
    def refused(season, teaching, said):
        draft = store.draft("crop_models", season.partition, stage="classification")
        with pytest.raises(NoPastSeasonError, match=said) as caught:
            write_recognition(season, teaching, draft, LOG)
        assert "training.recognition.first_season" in str(caught.value)

    alone = season_of(SECOND)
    refused(alone, teaching_of(alone), "crop_models of 2023-10 was never materialised")
    before = season_of.taught(FIRST)
    few = season_of(SECOND, before, least_samples=16)
    refused(few, teaching_of(few), "of 45 curves none may teach: {'too_few_samples': 45}")
    blind = season_of(SECOND, season_of.taught(FIRST, labelled=False), labelled=False)
    refused(blind, teaching_of(blind), "time_series has no channel")


def test_past_curves_of_another_form_do_not_teach_and_are_counted(season_of, store):
    season = season_of(SECOND, season_of.taught(FIRST))
    form = classification.CurveForm("smoothed", LAYERS, INTERVALS)
    before = season.previous.table("teaching_series")
    carried, dropped = classification.carried_rows(before, form, SECOND, CROPS)
    teaching = dataclasses.replace(teaching_of(season), form=form, carried=carried, dropped=tuple(dropped))
    draft = store.draft("crop_models", season.partition, stage="classification")
    with pytest.raises(NoPastSeasonError, match=r"has no curves that fit \(45 were left out\)"):
        write_recognition(season, teaching, draft, LOG)


def test_what_hinders_the_figure_beside_a_model_is_told_and_stops_nothing(season_of, caplog):
    before = season_of.taught(FIRST)
    season = season_of(SECOND, before, crops=["WHE", "MAI"], target_shares={"WHE": 1.0})
    found = transfer(season, teaching_of(season), season.samples, LOG)
    assert [name for name, _ in found.figures] == [RECOGNITION]
    alone = season_of(SECOND, before, crops=["WHE", "RAP"])
    found = transfer(alone, teaching_of(alone), alone.samples, LOG)
    assert found.figures == ()
    assert found.gate is None
    assert "the only class is WHE" in found.said
    assert "the only class is WHE" in caplog.text
    for more, said in (({"compared": False}, "compared is false"), ({}, "no past season with labelled curves")):
        other = season_of(SECOND, before if more else None, **more)
        assert said in transfer(other, teaching_of(other), other.samples, LOG).said


def test_parcels_that_reviewers_named_teach_recognition_and_are_not_judged(season_of, store):
    season = season_of(SECOND, season_of.taught(FIRST), labelled=False)
    shapes = season.segments.table("segments")["geometry"].to_pylist()
    rows = [
        {"label_id": f"review/1/{segment}", "crop_code": "RAP", "geometry": shapes[segment - 1]}
        for segment in (3, 8, 21, 30)
    ]
    reviewed = ReviewedParcels(classification.label_table(rows), "4 parcels teach")
    assert reviewed.segment_ids.tolist() == [3, 8, 21, 30]
    season = dataclasses.replace(season, reviewed=reviewed)
    assert season.samples is None
    teaching = teaching_of(season)
    own = teaching.own
    assert own["label_id"].to_pylist() == [row["label_id"] for row in rows]
    features = season.features.table("features").take([2, 7, 20, 29])
    expected, _ = classification.curves_of_columns(classification.column_matrix(features, COLUMNS), COLUMNS)
    np.testing.assert_array_equal(classification.curves_of(own), expected)
    draft = store.draft("crop_models", season.partition, stage="classification")
    write_recognition(season, teaching, draft, LOG)
    table = written(draft, "recognised")
    assert "RAP" in table.column_names
    assert [table["RAP"][segment - 1].as_py() for segment in (3, 8, 21, 30)] == [1.0] * 4
    ground = written(draft, "taught_ground")
    assert {row["name"] for row in ground.to_pylist()} >= {"review/1/3", "3", "30"}
    assert "4 parcels of this season that reviewers named taught as well" in draft.path("model_card.md").read_text()


def test_reviews_of_other_segments_do_not_teach(season_of, store, caplog):
    season = season_of(SECOND)
    labels = classification.label_table([{"label_id": "review/1/3", "crop_code": "RAP", "geometry": None}])

    def decisions(segments):
        with store.draft("review_decisions", season.partition, stage="review") as draft:
            draft.write_table("labels", labels)
            draft.add_input(segments)
        return store.publish(draft, draft.manifest(run_id="run"))

    def asked(version, wanted=True):
        return parcels_that_teach(version, season.segments, wanted=wanted, log=LOG)

    known = decisions(season.segments)
    assert asked(known).segment_ids.tolist() == [3]
    assert asked(known, wanted=False).labels.num_rows == 0
    assert "nothing of this season was reviewed" in asked(None).said
    other = asked(decisions(season.features))
    assert other.labels.num_rows == 0
    assert "about other segments" in other.said
    assert "about other segments" in caplog.text


def test_reviewed_parcels_are_samples_of_a_season_whose_own_labels_teach(season_of):
    season = season_of(SECOND)
    rows = [
        {"label_id": f"review/1/{i + 1}", "crop_code": CROPS[i % 3], "geometry": shape}
        for i, shape in enumerate(season.segments.table("segments")["geometry"].to_pylist())
    ]
    table = classification.label_table(rows)
    ensemble = season.region.training.model_copy(update={"model": "ensemble"})
    region = season.region.model_copy(update={"training": ensemble})
    without_series = season_of(THIRD, labelled=False).labels
    taught = dataclasses.replace(
        season, region=region, labels=without_series, reviewed=ReviewedParcels(table.slice(0, 12), "12 parcels teach")
    )
    assert taught.samples.label_ids.tolist() == [row["label_id"] for row in rows[:12]]
    assert taught.reviewed_samples is None
    judged = dataclasses.replace(taught, region=season.region)
    assert judged.samples is None
    assert judged.reviewed_samples.label_ids.tolist() == [row["label_id"] for row in rows[:12]]


def test_delivered_labels_and_reviewed_parcels_teach_together(season_of, store):
    season = season_of(SECOND)
    shapes = season.segments.table("segments")["geometry"].to_pylist()
    rows = [
        {"label_id": f"{kind}/1/{i + 1}", "crop_code": CROPS[i % 3], "geometry": shapes[i]}
        for kind, numbers in (("field", range(10)), ("review", range(9, 15)))
        for i in numbers
    ]
    table = classification.label_table(rows)
    # as training_labels publishes them: columns that may be null by their type
    loose = pa.schema([pa.field(field.name, field.type) for field in table.schema])
    with store.draft("training_labels", season.partition, stage="test") as draft:
        draft.write_table("labels", table.slice(0, 10).cast(loose), crs="EPSG:32630")
    delivered = store.publish(draft, draft.manifest(run_id="run"))
    ensemble = season.region.training.model_copy(update={"model": "ensemble"})
    taught = dataclasses.replace(
        season,
        region=season.region.model_copy(update={"training": ensemble}),
        labels=delivered,
        reviewed=ReviewedParcels(table.slice(10), "6 parcels teach"),
    )
    samples = taught.samples
    assert samples.segment_ids.tolist() == list(range(1, 16))  # segment 10 once, though both name it
    assert "review/1/10" not in samples.label_ids
    halves = np.isin(samples.label_ids, [row["label_id"] for row in rows[10:]]).astype(int)
    ground = [leak for leak in classification.fold_leakage(samples, halves) if leak.kind == "overlap"]
    assert not ground
