"""Folds, accuracy figures, cross-validation, transfer and leaks."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import confusion_matrix as peer_confusion

from agristat_platform.classification import (
    CropEnsemble,
    EnsembleSettings,
    FeatureMismatchError,
    SmallClassError,
    TooFewBlocksError,
    accuracy,
    blocked_folds,
    class_accuracy,
    confusion_matrix,
    confusion_png,
    cross_validate,
    expected_calibration_error,
    fold_leakage,
    leakage,
    transfer_accuracy,
)

FAST = EnsembleSettings(trees=20, networks=1, max_epochs=15)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_folds_keep_blocks_whole_and_none_is_empty(data):
    blocks = data.draw(st.integers(2, 12))
    folds = data.draw(st.integers(2, blocks))
    groups = np.array([*range(blocks), *data.draw(st.lists(st.integers(0, blocks - 1), max_size=60))]).astype(str)
    y = np.array(data.draw(st.lists(st.sampled_from("ABC"), min_size=len(groups), max_size=len(groups))))
    fold = blocked_folds(y, groups, folds=folds, seed=data.draw(st.integers(0, 5)))
    assert set(fold) == set(range(folds))
    for block in set(groups):
        assert len(set(fold[groups == block])) == 1


def test_folds_spread_crops_evenly_where_blocks_allow():
    y = np.array(["A", "B"] * 20)
    fold = blocked_folds(y, np.arange(40).astype(str), folds=4, seed=0)
    for k in range(4):
        assert sorted(y[fold == k]) == ["A"] * 5 + ["B"] * 5


def test_more_folds_than_blocks_is_an_error():
    with pytest.raises(TooFewBlocksError, match="3 folds can't be made of 2"):
        blocked_folds(np.array(["A", "B", "A"]), np.array(["1", "2", "2"]), folds=3, seed=0)


def test_figures_by_hand_and_against_scikit_learn():
    reference = np.array(["A", "A", "A", "B", "B", "C"])
    predicted = np.array(["A", "A", "B", "B", "D", "A"])
    figures = accuracy(reference, predicted, weights=np.array([1, 1, 1, 3, 1, 1.0]))
    assert figures.overall_accuracy == pytest.approx(3 / 6) == accuracy_score(reference, predicted)
    assert figures.weighted_accuracy == pytest.approx(5 / 8)
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert figures.macro_f1 == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)
    assert figures.macro_f1 == pytest.approx(f1_score(reference, predicted, labels=["A", "B", "C"], average="macro"))
    rows = {row["crop_code"]: row for row in class_accuracy(reference, predicted).to_pylist()}
    assert rows["A"]["users_accuracy"] == pytest.approx(2 / 3)
    assert rows["C"]["users_accuracy"] is None
    assert rows["C"]["f1"] == 0
    assert rows["D"]["producers_accuracy"] is None
    table = confusion_matrix(reference, predicted, ["A", "B", "C", "D"])
    counts = np.column_stack([table[code].to_numpy() for code in "ABCD"])
    np.testing.assert_array_equal(counts, peer_confusion(reference, predicted, labels=["A", "B", "C", "D"]))
    assert table["reference"].to_pylist() == ["A", "B", "C", "D"]
    assert table["B"].to_pylist() == [1, 1, 0, 0]


def test_calibration_error_by_hand():
    right = np.array([True, False, True, True])
    confidence = np.array([0.55, 0.55, 0.95, 1.0])
    # bin 0.5-0.6: |1 - 1.1| ; bin 0.9-1.0: |2 - 1.95|
    assert expected_calibration_error(right, confidence) == pytest.approx((0.1 + 0.05) / 4)


def test_cross_validation_is_repeatable_and_honest(training_set):
    first = cross_validate(training_set, FAST, folds=4, seed=3)
    second = cross_validate(training_set, FAST, folds=4, seed=3)
    assert first.probabilities.tobytes() == second.probabilities.tobytes()
    assert first.overall == second.overall
    assert first.overall.overall_accuracy == pytest.approx((first.predicted == training_set.y).mean())
    assert 0.75 < first.overall.overall_accuracy < 1
    np.testing.assert_allclose(first.probabilities.sum(axis=1), 1)
    assert first.folds["samples"].to_numpy().sum() == 240
    assert sum(first.confusion[c].to_numpy().sum() for c in first.classes) == 240
    assert first.leaks == ()
    assert set(first.spread) == {"overall_accuracy", "macro_f1"}


def test_labels_without_signal_score_no_better_than_chance(training_set):
    shuffled = replace(training_set, y=np.random.default_rng(0).permutation(training_set.y))
    assert cross_validate(shuffled, FAST, folds=4).overall.balanced_accuracy < 0.45


def test_a_crop_in_one_block_is_recorded_as_untaught(training_set):
    y = training_set.y.copy()
    block = training_set.groups[0]
    y[training_set.groups == block] = "GRA"
    result = cross_validate(replace(training_set, y=y), FAST, folds=4)
    untaught = [crop for crops in result.folds["untaught_crops"].to_pylist() for crop in crops]
    assert untaught == ["GRA"]
    gra = next(row for row in result.by_class.to_pylist() if row["crop_code"] == "GRA")
    assert gra["producers_accuracy"] == 0


def test_a_crop_with_one_sample_is_named(training_set):
    y = training_set.y.copy()
    y[5] = "GRA"
    with pytest.raises(SmallClassError, match=r"GRA \(1\)"):
        cross_validate(replace(training_set, y=y), FAST)


def test_leaking_folds_are_found(training_set):
    fold = blocked_folds(training_set.y, training_set.groups, folds=4, seed=0)
    assert fold_leakage(training_set, fold) == []
    leaking = fold.copy()
    leaking[np.flatnonzero(fold == 0)[0]] = 1
    assert {leak.kind for leak in fold_leakage(training_set, leaking)} == {"block"}
    same_segment = training_set.segment_ids.copy()
    a, b = np.flatnonzero(fold == 0)[0], np.flatnonzero(fold == 2)[0]
    same_segment[b] = same_segment[a]
    found = fold_leakage(replace(training_set, segment_ids=same_segment), fold)
    assert [(leak.kind, leak.shared) for leak in found] == [("segment", str(same_segment[a]))]


def parcels(*rows):
    return pa.table({"parcel_id": [n for n, _ in rows], "geometry": [shapely.to_wkb(g) for _, g in rows]})


def test_leakage_by_identifier_by_ground_and_not_by_slivers():
    training = parcels(
        ("a", shapely.box(0, 0, 10, 10)), ("b", shapely.box(20, 0, 30, 10)), ("p", shapely.Point(50, 50))
    )
    validation = parcels(
        ("a", shapely.box(100, 0, 110, 10)),
        ("n", shapely.box(9.99, 0, 20, 10)),
        ("o", shapely.box(25, 0, 35, 10)),
        ("q", shapely.box(49, 49, 51, 51)),
    )
    found = sorted((leak.kind, leak.training, leak.validation) for leak in leakage(training, validation))
    assert found == [("overlap", "b", "o"), ("overlap", "p", "q"), ("parcel", "a", "a")]
    assert leakage(training, parcels(("z", shapely.box(60, 60, 70, 70)))) == []


def test_transfer_aligns_by_name_and_counts_what_is_new(training_set):
    names = list(training_set.feature_names)
    model = CropEnsemble(FAST).fit(training_set.X, training_set.y, feature_names=names)
    order = [*range(19, 0, -1)]
    other = replace(training_set, X=training_set.X[:, order], feature_names=tuple(names[j] for j in order))
    result = transfer_accuracy(model, other)
    assert result.missing_features == ("f00",)
    assert result.overall.overall_accuracy > 0.9
    y = training_set.y.copy()
    y[:60] = "GRA"
    stranger = transfer_accuracy(model, replace(training_set, y=y))
    assert stranger.unknown_crops == ("GRA",)
    assert stranger.overall.overall_accuracy <= 0.75
    few = replace(training_set, X=training_set.X[:, :5], feature_names=tuple(names[:5]))
    with pytest.raises(FeatureMismatchError, match="15 of the model's 20 features"):
        transfer_accuracy(model, few)


def test_confusion_picture_is_a_small_png_of_the_same_bytes(nomenclature):
    table = confusion_matrix(np.array(["WHE", "BAR"]), np.array(["WHE", "WHE"]), ["BAR", "WHE"])
    picture = confusion_png(table, nomenclature, simulated=True)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(picture[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (700, 660)
    assert confusion_png(table, nomenclature, simulated=True) == picture
    assert confusion_png(table, nomenclature) != picture
