"""Feature groups, grouped permutation importance, the choice by it, and Boruta."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.classification import (
    EnsembleSettings,
    FeatureMismatchError,
    InvalidSettingsError,
    SmallClassError,
    TooFewBlocksError,
    TooFewClassesError,
    TrainingSet,
)
from agristat_platform.classification.held_out_losses import log_losses, mean_over_blocks
from agristat_platform.classification.selection import boruta, feature_groups, grouped_importance, select_features
from agristat_platform.features import DICTIONARY_SCHEMA

TREES = EnsembleSettings(trees=20, networks=0)


@pytest.fixture(scope="module")
def twins() -> TrainingSet:
    """Crops differ in `a`; `b` is a copy of it with little noise; `c` is noise, `d` is never there."""
    random = np.random.default_rng(2)
    n = 160
    y = random.choice(["MAI", "WHE"], n)
    signal = np.where(y == "MAI", 1.5, -1.5)[:, None] + random.normal(size=(n, 2))
    X = np.column_stack(
        [signal, signal + 0.1 * random.normal(size=(n, 2)), random.normal(size=(n, 2)), np.full((n, 1), np.nan)]
    )
    names = ("a_t01_mean", "a_t02_mean", "b_t01_mean", "b_t02_mean", "c_t01_mean", "c_t02_mean", "d_t01_mean")
    identifiers = np.array([f"L{i}" for i in range(n)])
    return TrainingSet(
        X=X.astype(np.float32),
        y=y,
        groups=np.array([f"B{i % 20}" for i in range(n)]),
        feature_names=names,
        label_ids=identifiers,
        segment_ids=None,
        weights=np.ones(n),
        places=pa.table({"label_id": identifiers, "parcel_id": identifiers, "geometry": pa.nulls(n, pa.binary())}),
    )


def test_groups_by_statistic_and_by_date_from_names_and_dictionary():
    names = ("ndvi_t01_mean", "ndvi_t02_mean", "ndvi_t01_std", "clear_share_t02", "area_ha", "ndvi_season_peak_day")
    assert feature_groups(names) == {
        "ndvi_mean": (0, 1),
        "ndvi_std": (2,),
        "clear_share": (3,),
        "area_ha": (4,),
        "ndvi_season_peak_day": (5,),
    }
    assert feature_groups(names, by="date") == {"t01": (0, 2), "t02": (1, 3), "whole season": (4, 5)}
    rows = [
        {"name": name, "source": source, "band_or_index": "ndvi", "interval": None, "formula": "", "unit": "1"}
        for name, source in zip(
            (*names, "ndvi_season_start_day"), ["composites"] * 5 + ["time_series"] * 2, strict=True
        )
    ]
    dictionary = pa.Table.from_pylist(rows, schema=DICTIONARY_SCHEMA)
    groups = feature_groups((*names, "ndvi_season_start_day"), dictionary=dictionary)
    assert groups["time_series: ndvi"] == (5, 6)
    with pytest.raises(FeatureMismatchError, match=r"1 of 1 features are not in the dictionary: rain"):
        feature_groups(["rain"], dictionary=dictionary)


def test_importance_is_of_groups_with_signal_with_errors_and_the_same_for_a_seed(twins):
    groups = {"ab": (0, 1, 2, 3), "c": (4, 5), "d": (6,)}
    table = grouped_importance(twins, groups, TREES, folds=4, repeats=4, seed=1)
    rows = {row["group"]: row for row in table.to_pylist()}
    assert table["group"].to_pylist()[0] == "ab"
    assert rows["ab"]["importance"] > 5 * rows["ab"]["standard_error"] > 0
    assert rows["ab"]["accuracy_drop"] > 0.3
    assert abs(rows["c"]["importance"]) < 3 * rows["c"]["standard_error"] + 0.02
    assert rows["d"]["importance"] is None  # no value in any sample: nothing to permute
    assert grouped_importance(twins, groups, TREES, folds=4, repeats=4, seed=1).equals(table)
    assert not grouped_importance(twins, groups, TREES, folds=4, repeats=4, seed=2).equals(table)


def test_permuting_copies_together_shows_what_permuting_one_hides(twins):
    alone = grouped_importance(twins, {"a": (0, 1)}, TREES, folds=4, seed=1)["importance"][0].as_py()
    together = grouped_importance(twins, {"ab": (0, 1, 2, 3)}, TREES, folds=4, seed=1)["importance"][0].as_py()
    assert together > 1.5 * alone


def test_selection_drops_noise_and_what_another_group_says_already(twins):
    groups = feature_groups(twins.feature_names)
    selection = select_features(twins, groups, TREES, folds=4, seed=1)
    assert len(selection.groups) == 1
    assert selection.groups[0] in ("a_mean", "b_mean")
    assert selection.steps["groups"].to_pylist() == [1, 2, 3]
    assert selection.steps["chosen"].to_pylist().count(True) == 1
    chosen = selection.of(twins)
    assert chosen.feature_names == selection.names
    np.testing.assert_array_equal(chosen.X[:, 0], twins.X[:, twins.feature_names.index(selection.names[0])])


def test_boruta_confirms_signal_and_its_copies_and_rejects_noise(twins):
    table = boruta(twins, rounds=20, trees=30, seed=3)
    decision = dict(zip(table["feature"].to_pylist(), table["decision"].to_pylist(), strict=True))
    assert [decision[name] for name in twins.feature_names[:4]] == ["confirmed"] * 4
    assert decision["d_t01_mean"] == "missing"
    assert "confirmed" not in [decision["c_t01_mean"], decision["c_t02_mean"]]
    assert boruta(twins, rounds=20, trees=30, seed=3).equals(table)
    with pytest.raises(InvalidSettingsError, match=r"5 rounds can't decide on 6 features.*at least 7 rounds"):
        boruta(twins, rounds=5)


def test_block_errors_by_hand():
    """Two blocks with means 0 and 1: the mean's error is that of two values, half their distance."""
    mean = mean_over_blocks(np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4), np.array(["a", "a", "b", "b"]))
    assert mean.value == 0.5
    assert mean.standard_error == pytest.approx(0.5)
    losses = log_losses(np.array([[0.25, 0.75], [0.0, 1.0], [1.0, 0.0]]), ["A", "B"], np.array(["B", "A", "C"]))
    np.testing.assert_allclose(losses, [-np.log(0.75), -np.log(1e-3), np.nan])


def test_bad_input_names_the_fault(twins):
    groups = feature_groups(twins.feature_names)
    one = replace(twins, y=np.full(len(twins.y), "WHE"))
    with pytest.raises(TooFewClassesError, match="WHE only"):
        grouped_importance(one, groups, TREES)
    with pytest.raises(TooFewClassesError, match="WHE only"):
        boruta(one)
    rare = replace(twins, y=np.where(np.arange(len(twins.y)) == 0, "RYE", twins.y))
    with pytest.raises(SmallClassError, match=r"RYE \(1\)"):
        grouped_importance(rare, groups, TREES)
    two = replace(twins, groups=np.where(np.arange(len(twins.y)) < 80, "a", "b"))
    with pytest.raises(TooFewBlocksError, match="5 folds can't be made of 2"):
        grouped_importance(two, groups, TREES)
    empty = replace(twins, X=np.full_like(twins.X, np.nan))
    with pytest.raises(FeatureMismatchError, match="all 7 features are missing"):
        select_features(empty, groups, TREES)
    with pytest.raises(FeatureMismatchError, match="all 7 features are missing"):
        boruta(empty)
    with pytest.raises(InvalidSettingsError, match="repeats is 0"):
        grouped_importance(twins, groups, TREES, repeats=0)


def test_a_crop_in_one_block_alone_is_not_counted_as_wrong(twins):
    """Its samples are held out together, so no model without them knows the crop: they say nothing of importance."""
    rare = replace(twins, y=np.where(twins.groups == "B3", "RYE", twins.y))
    table = grouped_importance(rare, {"ab": (0, 1, 2, 3)}, TREES, folds=4, seed=1)
    assert np.isfinite(table["importance"][0].as_py())
