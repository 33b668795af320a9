"""Crop rotation: transitions by hand, what they do to answers, and the gate's decision where there is a rotation and where not."""

import numpy as np
import pytest

from agristat_platform.classification import LengthMismatchError, MemberSettings
from agristat_platform.classification.cross_season import recognise, teach
from agristat_platform.classification.cross_season.errors import InvalidHistoriesError
from agristat_platform.classification.cross_season.rotation import (
    UNKNOWN,
    Transitions,
    _error_over_places,
    check_histories,
    fit_transitions,
)

TINY = MemberSettings(trees=20, rounds=10, kernel_columns=84, copies=1, bags=1)
CROPS = np.array(["barley", "fallow", "rape", "wheat"])
PARCELS = 90


def test_ratios_are_shrunken_shares_by_hand() -> None:
    # After class 0: 30 of class 0 and 10 of class 1; after class 1: 10 and 30. Shares of all: one half each.
    previous, label = np.repeat([0, 0, 1, 1], [30, 10, 10, 30]), np.repeat([0, 1, 0, 1], [30, 10, 10, 30])
    found = fit_transitions(previous, label, before=2, classes=2)
    assert found is not None
    assert found.samples == 80
    a = found.strength
    expected = np.array([[30 + a / 2, 10 + a / 2], [10 + a / 2, 30 + a / 2]]) / (40 + a) / 0.5
    np.testing.assert_allclose(found.ratio, expected)
    assert 1 <= a < 100


def test_without_rotation_the_shrinkage_takes_all() -> None:
    previous, label = np.repeat([0, 0, 1, 1], 25), np.tile(np.repeat([0, 1], 25), 2)
    found = fit_transitions(previous, label, before=2, classes=2)
    assert found is not None
    assert found.strength == 1e6
    np.testing.assert_allclose(found.ratio, 1.0)


def test_a_class_without_known_history_has_ratio_one_and_no_history_gives_nothing() -> None:
    found = fit_transitions(np.array([0, 1, 0, UNKNOWN]), np.array([0, 1, 0, 2]), before=2, classes=3)
    assert found is not None
    np.testing.assert_allclose(found.ratio[:, 2], 1.0)
    assert fit_transitions(np.array([UNKNOWN]), np.array([0]), before=0, classes=2) is None


def test_answers_take_history_into_account_and_leave_the_seasons_shares() -> None:
    transitions = Transitions(np.array([[1.8, 0.2], [0.2, 1.8]]), 1.0, 10)
    answers = np.array([[0.5, 0.5], [0.5, 0.5], [0.7, 0.3]])
    found = transitions.applied(answers, np.array([0, 1, UNKNOWN]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(found, [[0.9, 0.1], [0.1, 0.9], [0.7, 0.3]])
    # Where every parcel has the same history it says nothing of single ones, and the season's shares are known.
    same = transitions.applied(answers[:2], np.array([0, 0]), np.array([0.3, 0.7]))
    np.testing.assert_allclose(same, answers[:2])


def test_new_classes_are_left_as_they_are() -> None:
    wider = Transitions(np.array([[1.8, 0.2]]), 1.0, 10).widened(np.array(["a", "c"]), np.array(["a", "b", "c"]))
    np.testing.assert_allclose(wider.ratio, [[1.8, 1.0, 0.2]])


def test_the_error_over_places_takes_what_is_alike_for_one() -> None:
    change = np.array([1.0, 1.0, 0.0, 0.0])
    assert _error_over_places(change, np.array([0, 1, 2, 3])) == pytest.approx(np.sqrt(4 / 3 * 4 * 0.25) / 4)
    assert _error_over_places(change, np.array([0, 0, 1, 1])) == pytest.approx(np.sqrt(2 * 2 * 1.0) / 4)
    assert np.isnan(_error_over_places(change, np.zeros(4, int)))


def test_histories_follow_the_samples_that_are_kept() -> None:
    found = check_histories(["x", None, "y", "", float("nan")], given=5, kept=np.array([0, 2, 3, 4]))
    assert found.names.tolist() == ["x", "y"]
    assert found.training.tolist() == [0, 1, UNKNOWN, UNKNOWN]
    # A class that no training sample came after says nothing.
    assert found.numbers(["y", "z", None], 3).tolist() == [1, UNKNOWN, UNKNOWN]
    with pytest.raises(LengthMismatchError, match="5 training series but 1 histories"):
        check_histories(["x"], given=5, kept=np.arange(5))
    with pytest.raises(LengthMismatchError, match="3 target series but 1 target_histories"):
        found.numbers(["x"], 3)


def world(regular: float) -> list[tuple]:
    """Five seasons of curves that alone tell four crops apart badly; a share `regular` of parcels follow a rotation."""
    random = np.random.default_rng(1)
    turn = (1 - regular) / 4 + regular * np.roll(np.eye(4), 1, axis=1)
    previous, seasons = random.integers(0, 4, PARCELS), []
    for year in range(5):
        now = np.array([random.choice(4, p=turn[p]) for p in previous])
        peak = np.array([5.0, 6.5, 8.0, 9.5])[now] + random.normal(0, 0.8, PARCELS) + random.normal(0, 0.3)
        curves = np.exp(-0.5 * ((np.arange(14)[None] - peak[:, None]) / 2) ** 2)[:, :, None]
        known = (random.random(PARCELS) < 0.9) & (year > 0)
        history = [CROPS[p] if k else None for p, k in zip(previous, known, strict=True)]
        seasons.append((curves + random.normal(0, 0.45, curves.shape), CROPS[now], history))
        previous = now
    return seasons


def answers(seasons: list[tuple], *, histories: bool):
    past, target = seasons[:-1], seasons[-1]
    known = {"histories": [h for p in past for h in p[2]]} if histories else {}
    ahead = {"target_histories": target[2]} if histories else {}
    taught = teach(
        np.concatenate([p[0] for p in past]),
        np.concatenate([p[1] for p in past]),
        np.repeat(np.arange(len(past)), PARCELS),
        places=np.tile(np.arange(PARCELS) // 4, len(past)),
        settings=TINY,
        **known,
    )
    return taught.recognise(target[0], **ahead)


def test_a_regular_rotation_is_used_and_is_worth_four_points() -> None:
    seasons = world(0.7)
    found, without = answers(seasons, histories=True), answers(seasons, histories=False)
    assert found.gate.chosen["rotation"] == "transitions"
    truth = seasons[-1][1]
    assert (found.labels == truth).mean() >= (without.labels == truth).mean() + 0.04
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
    row = next(r for r in found.gate.rows if r.stage == "rotation" and r.option == "transitions")
    # Seasons 4 and 3 have transitions of earlier ones to go by; season 2 has none.
    assert row.trials == 2
    assert found.gate.diagnostics["histories_known"] == sum(h is not None for h in seasons[-1][2])
    assert "rotation" not in without.gate.chosen


def test_where_there_is_no_rotation_histories_do_no_harm() -> None:
    seasons = world(0.0)
    found, without = answers(seasons, histories=True), answers(seasons, histories=False)
    truth = seasons[-1][1]
    assert (found.labels == truth).mean() >= (without.labels == truth).mean() - 0.01
    assert found.gate.chosen["rotation"] == "none"
    assert found.probabilities.tobytes() == without.probabilities.tobytes()


def test_one_season_with_transitions_is_judged_by_its_places() -> None:
    found = answers(world(0.7)[:4], histories=True)
    row = next(r for r in found.gate.rows if r.stage == "rotation" and r.option == "transitions")
    assert row.trials == 1
    assert 0 < row.standard_error < 0.1
    assert found.gate.chosen["rotation"] == "transitions"


def test_histories_of_one_side_alone_are_refused() -> None:
    values, labels, history = world(0.0)[1]
    with pytest.raises(InvalidHistoriesError, match="target_histories are missing"):
        recognise(values, labels, np.repeat([0, 1], PARCELS // 2), values, histories=history)
    with pytest.raises(InvalidHistoriesError, match="histories are missing"):
        recognise(values, labels, np.repeat([0, 1], PARCELS // 2), values, target_histories=history)
