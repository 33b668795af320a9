"""Accuracy reports: figures and intervals by hand, groups, what is left out, and input that is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.classification import (
    InvalidSampleWeightError,
    InvalidSettingsError,
    LengthMismatchError,
    TooFewClassesError,
    UnknownCropCodeError,
    accuracy,
)
from agristat_platform.classification.evaluation import (
    InvalidPredictionsError,
    accuracy_report,
    size_class,
    wilson_interval,
)
from agristat_platform.classification.evaluation.intervals import centred_percentiles, effective_size

# Of 6 WHE 4 are found, 2 taken for BAR; of 3 BAR 2 are found, 1 taken for WHE; the one MAI is taken for BAR.
REFERENCE = ["WHE"] * 6 + ["BAR"] * 3 + ["MAI"]
PREDICTED = ["WHE"] * 4 + ["BAR"] * 2 + ["BAR"] * 2 + ["WHE"] + ["BAR"]


def test_figures_by_hand():
    report = accuracy_report(REFERENCE, PREDICTED, replicates=50)
    expected = {
        ("overall_accuracy", None): (0.6, 10),
        ("users_accuracy", "WHE"): (4 / 5, 5),
        ("producers_accuracy", "WHE"): (4 / 6, 6),
        ("f1", "WHE"): (8 / 11, 7),
        ("users_accuracy", "BAR"): (2 / 5, 5),
        ("producers_accuracy", "BAR"): (2 / 3, 3),
        ("f1", "BAR"): (4 / 8, 6),
        ("users_accuracy", "MAI"): (None, 0),
        ("producers_accuracy", "MAI"): (0.0, 1),
        ("f1", "MAI"): (0.0, 1),
        ("macro_f1", None): ((8 / 11 + 0.5 + 0) / 3, 10),
        ("weighted_f1", None): ((6 * 8 / 11 + 3 * 0.5) / 10, 10),
        ("balanced_accuracy", None): ((4 / 6 + 2 / 3 + 0) / 3, 10),
        ("least_recall", None): (0.0, 10),
    }
    assert {(row["figure"], row["crop_code"]) for row in report.figures.to_pylist()} == set(expected)
    for (figure, code), (value, samples) in expected.items():
        row = report.value(figure, code)
        assert row["value"] == (None if value is None else pytest.approx(value)), (figure, code)
        assert row["samples"] == samples
        assert row["small"]
    overall = report.value("overall_accuracy")
    # Wilson's interval of 6 out of 10, as tables of it have
    assert (overall["ci_low"], overall["ci_high"]) == pytest.approx((0.3127, 0.8318), abs=1e-4)
    assert (overall["interval"], report.value("macro_f1")["interval"]) == ("Wilson", "place bootstrap")
    assert b"not the accuracy of a map" in report.figures.schema.metadata[b"note"]


def test_confusion_has_reference_in_rows_and_pairs_point_from_reference_to_predicted():
    report = accuracy_report(REFERENCE, PREDICTED, replicates=20)
    assert report.confusion.to_pylist() == [
        {"reference": "BAR", "BAR": 2, "MAI": 0, "WHE": 1},
        {"reference": "MAI", "BAR": 1, "MAI": 0, "WHE": 0},
        {"reference": "WHE", "BAR": 2, "MAI": 0, "WHE": 4},
    ]
    assert report.confusion.schema.metadata[b"direction"] == b"rows: reference; columns: predicted"
    first = report.confused_pairs.to_pylist()[0]
    assert (first["reference"], first["predicted"], first["samples"]) == ("WHE", "BAR", 2)
    assert (first["of_reference"], first["of_errors"]) == pytest.approx((2 / 6, 0.5))
    assert report.confused_pairs["samples"].to_pylist() == [2, 1, 1]


def test_weights_and_order_of_the_nomenclature(nomenclature):
    weights = np.array([3.0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    report = accuracy_report(REFERENCE, PREDICTED, nomenclature=nomenclature, weights=weights, replicates=20)
    assert report.confusion.column_names == ["reference", "WHE", "BAR", "MAI"]
    assert report.value("overall_accuracy")["value"] == pytest.approx(8 / 12)
    assert report.value("producers_accuracy", "WHE")["value"] == pytest.approx(6 / 8)
    assert report.settings["weighted"]


def test_calibration_error_is_that_of_the_scores():
    random = np.random.default_rng(4)
    confidence = random.random(200)
    truth = random.choice(["A", "B"], 200)
    said = np.where(random.random(200) < confidence, truth, np.where(truth == "A", "B", "A"))
    row = accuracy_report(truth, said, confidence=confidence).value("expected_calibration_error")
    assert row["value"] == pytest.approx(accuracy(truth, said, confidence=confidence).expected_calibration_error)
    assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_groups_are_kept_however_small_and_a_sample_can_have_several_flags():
    sizes = size_class([0.3] * 4 + [0.5, 1.9, 2.0, 12.0, np.nan, 10.0])
    assert sizes[4:] == ["0.5–2 ha", "0.5–2 ha", "2–10 ha", "≥ 10 ha", None, "≥ 10 ha"]
    flags = [["edge", "mixed"], ["edge"], [], None, *[["mixed"]] * 6]
    groups = {"parcel_size": sizes, "flags": flags}
    report = accuracy_report(REFERENCE, PREDICTED, groupings=groups, replicates=20)
    rows = [row for row in report.figures.to_pylist() if row["figure"] == "overall_accuracy"]
    assert [(r["grouping"], r["group"], r["samples"]) for r in rows] == [
        ("all", "all", 10),
        ("parcel_size", "< 0.5 ha", 4),
        ("parcel_size", "0.5–2 ha", 2),
        ("parcel_size", "2–10 ha", 1),
        ("parcel_size", "≥ 10 ha", 2),
        ("parcel_size", "(none)", 1),
        ("flags", "edge", 2),
        ("flags", "mixed", 7),
        ("flags", "(none)", 2),
    ]
    one = report.value("overall_accuracy", grouping="parcel_size", group="2–10 ha")
    assert (one["value"], one["small"]) == (1.0, True)
    assert one["ci_low"] < 0.3  # one sample says little
    # a single place can't be resampled: the figure stands without an interval
    alone = report.value("macro_f1", grouping="parcel_size", group="2–10 ha")
    assert (alone["value"], alone["ci_low"], alone["interval"]) == (1.0, None, None)


def test_samples_of_one_place_are_not_independent():
    random = np.random.default_rng(0)
    places = np.repeat(np.arange(20), 10)
    right = np.repeat(random.random(20) < 0.7, 10)
    truth = random.choice(["A", "B"], 200)
    said = np.where(right, truth, np.where(truth == "A", "B", "A"))
    clustered = accuracy_report(truth, said, places=places).value("overall_accuracy")
    single = accuracy_report(truth, said).value("overall_accuracy")
    assert clustered["value"] == single["value"]
    assert (clustered["places"], single["places"]) == (20, 200)
    width = [row["ci_high"] - row["ci_low"] for row in (clustered, single)]
    assert 2.5 < width[0] / width[1] < 4.0  # √10, whole places being right or wrong


def test_effective_size_without_variance_is_the_number_of_places():
    place = np.repeat(np.arange(5), 4)
    assert effective_size(np.ones(20, bool), np.ones(20), place) == 5
    assert effective_size(np.array([True, False] * 10), np.ones(20), np.arange(20)) == pytest.approx(20)
    assert effective_size(np.array([True]), np.ones(1), np.zeros(1, np.int64)) == 1


def test_replicates_are_repeatable_and_follow_the_seed():
    kwargs = {"groupings": {"region": ["a"] * 5 + ["b"] * 5}, "replicates": 60}
    first, again = (accuracy_report(REFERENCE, PREDICTED, seed=3, **kwargs) for _ in range(2))
    assert first.figures.equals(again.figures)
    assert not first.figures.equals(accuracy_report(REFERENCE, PREDICTED, seed=4, **kwargs).figures)
    # what else is asked for changes nothing about the whole
    alone = accuracy_report(REFERENCE, PREDICTED, seed=3, replicates=60).figures
    assert first.figures.slice(0, alone.num_rows).equals(alone)


def test_what_cant_be_compared_is_counted_and_what_was_not_taught_counts_as_wrong():
    truth = ["A", "B", None, "A", "C", "", "B"]
    said = ["A", "B", "A", None, "B", "B", "A"]
    report = accuracy_report(truth, said, taught=["A", "B"], weights=[1, 1, 1, 1, 1, 1, 0], replicates=20)
    assert report.left_out == {"no_label": 2, "no_prediction": 1, "no_weight": 1}
    assert report.untaught == {"C": 1}
    assert report.value("overall_accuracy")["value"] == pytest.approx(2 / 3)


def test_bad_input_is_refused_by_name(nomenclature):
    with pytest.raises(TooFewClassesError, match="all 2 labels are of the class A"):
        accuracy_report(["A", "A"], ["A", "B"])
    with pytest.raises(UnknownCropCodeError, match=r"labels hold RYE.*rows 1"):
        accuracy_report(["WHE", "RYE"], ["WHE", "WHE"], nomenclature=nomenclature)
    with pytest.raises(UnknownCropCodeError, match="predictions hold OAT"):
        accuracy_report(["WHE", "BAR"], ["WHE", "OAT"], nomenclature=nomenclature)
    with pytest.raises(InvalidPredictionsError, match="none of 2 samples"):
        accuracy_report(["A", None], [None, "A"])
    with pytest.raises(InvalidPredictionsError, match=r"2 confidences are no probabilities.*rows 0, 1"):
        accuracy_report(["A", "B"], ["A", "B"], confidence=[np.nan, 1.2])
    with pytest.raises(InvalidSampleWeightError, match="rows 1"):
        accuracy_report(["A", "B"], ["A", "B"], weights=[1, -1])
    with pytest.raises(LengthMismatchError, match="2 labels but 3 groups of region"):
        accuracy_report(["A", "B"], ["A", "B"], groupings={"region": ["x"] * 3})
    with pytest.raises(LengthMismatchError, match="2 labels but 1 predictions"):
        accuracy_report(["A", "B"], ["A"])
    with pytest.raises(InvalidSettingsError, match="replicates"):
        accuracy_report(["A", "B"], ["A", "B"], replicates=5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC"), st.integers(0, 4)), min_size=2, max_size=40))
def test_every_interval_lies_in_the_unit_and_holds_its_share(rows):
    truth, said, place = zip(*rows, strict=True)
    if len(set(truth)) < 2:
        return
    for row in accuracy_report(truth, said, places=place, replicates=20).figures.to_pylist():
        if row["ci_low"] is None:
            continue
        assert 0 <= row["ci_low"] <= row["ci_high"] <= 1
        if row["interval"] == "Wilson":
            assert row["ci_low"] - 1e-12 <= row["value"] <= row["ci_high"] + 1e-12


def test_wilson_agrees_with_statsmodels_figures_and_needs_no_whole_number():
    assert wilson_interval(0.0, 20) == pytest.approx((0.0, 0.16113), abs=1e-4)
    assert wilson_interval(0.5, 7.5)[0] < wilson_interval(0.5, 8)[0]


def test_few_replicates_give_no_interval():
    assert centred_percentiles(np.linspace(0.2, 0.4, 19), 0.5, 50) is None
    assert centred_percentiles(np.ones(100), 1.0, 50) is None  # no error seen is no certainty
    assert centred_percentiles(np.linspace(0.2, 0.4, 101), 0.5, 1) is None
    assert centred_percentiles(np.linspace(0.2, 0.4, 101), 0.5, 10**6) == pytest.approx((0.405, 0.595), abs=1e-6)
    # 5 places: √(5 / 4) · 2.776 / 1.960 times as wide
    assert centred_percentiles(np.linspace(0.2, 0.4, 101), 0.5, 5) == pytest.approx((0.3495, 0.6505), abs=1e-3)
