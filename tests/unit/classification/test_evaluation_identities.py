"""Folds that share nothing, the proof of it, and labels that contradict each other at one place."""

import numpy as np
import pytest

from agristat_platform.classification import LengthMismatchError, TooFewBlocksError
from agristat_platform.classification.evaluation import (
    CONFLICT_RULE,
    SharedIdentityError,
    conflicting_labels,
    fold_identities,
    joined_groups,
    place_folds,
    row_identities,
)


def test_groups_join_through_others():
    block = ["b1", "b1", "b2", "b3", "b4", None]
    parcel = [None, "p", "p", "q", float("nan"), None]
    groups = joined_groups(block, parcel)
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups.tolist())) == 4


def test_place_folds_keep_blocks_and_places_whole_where_blocks_alone_do_not():
    random = np.random.default_rng(1)
    n = 200
    place = random.integers(0, 60, n)
    block = random.integers(0, 40, n)  # a place lies in several blocks here
    block[place < 40] = place[place < 40]
    y = random.choice(["A", "B"], n)
    identities = {"place": place, "block": block}
    fold = place_folds(y, place, block, folds=3, seed=0)
    assert fold_identities(fold, identities).require().holds
    by_block = place_folds(y, block, folds=3, seed=0)
    with pytest.raises(SharedIdentityError, match="of 58 place identities"):
        fold_identities(by_block, identities).require()


def test_a_row_order_join_is_found_by_the_values():
    random = np.random.default_rng(2)
    place = np.repeat(np.arange(30), 4)
    series = random.normal(size=(30, 23, 2))[place]  # what one place measured, under four names
    y = np.repeat(random.choice(["A", "B"], 30), 4)
    rows = np.arange(120) % 5  # folds by row
    proof = fold_identities(rows, {"sample": np.arange(120)}, values=series)
    table = {row["kind"]: row for row in proof.table.to_pylist()}
    assert table["sample"]["on_both_sides"] == 0
    assert (table["values"]["on_both_sides"], table["values"]["samples_concerned"]) == (30, 120)
    with pytest.raises(SharedIdentityError, match=r"30 of 30 values identities.*never by row order"):
        proof.require()
    folds = place_folds(y, place, folds=5, seed=0)
    assert fold_identities(folds, {"place": place}, values=series).require().holds


def test_samples_without_values_are_not_the_same_sample():
    values = np.full((3, 4), np.nan)
    values[2] = 1.0
    assert row_identities(values).tolist()[:2] == ["", ""]
    row = fold_identities(np.arange(3), {}, values=values).table.to_pylist()[0]
    assert (row["identities"], row["samples_without"], row["on_both_sides"]) == (1, 2, 0)


def test_too_few_groups_and_lengths_are_told():
    with pytest.raises(TooFewBlocksError, match="2 folds can't be made of 1"):
        place_folds(np.array(["A", "B"]), ["p", "p"], folds=2, seed=0)
    with pytest.raises(LengthMismatchError, match="2 labels, 3 identities 0"):
        place_folds(np.array(["A", "B"]), ["p", "p", "p"], folds=2, seed=0)
    with pytest.raises(LengthMismatchError, match="nothing"):
        joined_groups()


def test_conflicts_are_dropped_whole_and_counted():
    labels = ["A", "B", "A", "A", "A", "B"]
    places = ["p", "p", "p", "q", None, None]
    found = conflicting_labels(labels, places)
    assert found.kept.tolist() == [False, False, False, True, True, True]
    assert found.table.to_pylist() == [{"place": "p", "season": None, "classes": ["A", "B"], "samples": 3}]
    assert found.counts == {"conflicting_places": 1, "conflicting_labels": 3, "labels_without_place": 2}
    assert "all of them are dropped" in CONFLICT_RULE


def test_another_crop_in_another_season_is_rotation():
    found = conflicting_labels(["A", "B"], ["p", "p"], seasons=[2013, 2014])
    assert found.kept.all()
    assert found.table.num_rows == 0
