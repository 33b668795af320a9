"""Learning curves, accuracy in the course of a season, rolling origins: on answers whose accuracy is known."""

import numpy as np
import pytest

from agristat_platform.classification import (
    EnsembleSettings,
    InvalidSeasonsError,
    InvalidSettingsError,
    LengthMismatchError,
)
from agristat_platform.classification.evaluation import (
    ensemble_answer,
    in_season_curve,
    in_season_png,
    learning_curve,
    learning_curve_png,
    rolling_origins,
)

N = 120
Y = np.array(["A", "B"] * (N // 2))
GROUPS = np.arange(N) // 6


def knows_from_forty(X, training, held_out, seed):
    """Right once it is taught 40 labels; before, everything is A. Stops the test when it sees what it must not."""
    assert not set(training.tolist()) & set(held_out.tolist())
    assert not set(GROUPS[training].tolist()) & set(GROUPS[held_out].tolist())
    return Y[held_out] if len(training) >= 40 else np.full(len(held_out), "A")


def test_learning_curve_by_hand():
    table = learning_curve(knows_from_forty, np.zeros((N, 1)), Y, GROUPS, sizes=[20, 40, 80], folds=4, seeds=(0, 1))
    rows = table.to_pylist()
    assert [row["labels"] for row in rows] == [20, 40, 80]
    assert [row["overall_accuracy"] for row in rows] == [0.5, 1.0, 1.0]
    assert rows[0]["macro_f1"] == pytest.approx((2 / 3) / 2)
    assert {(row["seeds"], row["held_out"], row["one_class_folds"]) for row in rows} == {(2, N, 0)}
    assert rows[0]["overall_accuracy_sd"] == 0


def test_training_sets_are_nested_and_sizes_are_held_to():
    seen = {}

    def remember(X, training, held_out, seed):
        seen.setdefault((seed, int(held_out[0])), []).append(set(training.tolist()))
        return Y[held_out]

    table = learning_curve(remember, np.zeros((N, 1)), Y, GROUPS, folds=4, seeds=(5,))
    assert table["labels"].to_pylist() == [25, 50, 90]
    for sets in seen.values():
        assert [len(s) for s in sets] == [25, 50, 90]
        assert sets[0] < sets[1] < sets[2]


def test_a_fold_of_one_class_is_counted_and_not_taught():
    y = np.array(["A"] * 100 + ["B"] * 20)
    groups = np.concatenate([np.arange(100) // 10, np.full(20, 99)])  # B in one block: never both taught and tested

    def never_b(X, training, held_out, seed):
        assert len(set(y[training])) == 2
        return np.full(len(held_out), "A")

    row = learning_curve(never_b, np.zeros((120, 1)), y, groups, sizes=[50], folds=2, seeds=(0,)).to_pylist()[0]
    assert row["one_class_folds"] == 1
    assert row["untaught_samples"] == 20
    assert row["overall_accuracy"] < 100 / 120


def test_in_season_curve_sees_nothing_later():
    series = np.zeros((N, 5, 1))
    series[:, 3, 0] = Y == "B"  # the classes part at the fourth step

    def reads(X, training, held_out, seed):
        return np.where(X[held_out].max(axis=(1, 2)) > 0, "B", "A")

    until = ["1 Nov", "1 Dec", "1 Jan", "1 Feb", "1 Mar"]
    table = in_season_curve(reads, series, Y, GROUPS, until=until, steps=[1, 3, 4, 5], seeds=(0, 1), folds=3)
    assert table["until"].to_pylist() == ["1 Nov", "1 Jan", "1 Feb", "1 Mar"]
    assert table["overall_accuracy"].to_pylist() == [0.5, 0.5, 1.0, 1.0]


def test_the_ensemble_can_be_judged():
    random = np.random.default_rng(0)
    X = random.normal(size=(N, 4, 2)) + 2.0 * (Y == "B")[:, None, None]
    answer = ensemble_answer(Y, EnsembleSettings(trees=10, networks=1, max_epochs=5))
    table = learning_curve(answer, X, Y, GROUPS, sizes=[30], folds=2, seeds=(0,))
    assert table["overall_accuracy"][0].as_py() > 0.9


def test_rolling_origins_learn_from_the_past_alone():
    seasons = np.array([2012] * 4 + [2013] * 4 + [2014] * 4)
    y = np.array(["A", "B"] * 4 + ["A", "C", "A", "C"])
    first, second = rolling_origins(y, seasons)
    assert (first.season, first.training.tolist(), first.target.tolist()) == (2013, [0, 1, 2, 3], [4, 5, 6, 7])
    assert (second.season, len(second.training), second.unseen) == (2014, 8, ("C",))
    assert [origin.season for origin in rolling_origins(y, seasons, least=2)] == [2014]


@pytest.mark.parametrize(
    ("seasons", "told"),
    [([2012] * 4, "none to name"), ([2012, None, 2013, 2013], "1 samples have no season"), ([1, "a", 1, 1], "kinds")],
)
def test_seasons_that_cant_roll_are_told(seasons, told):
    with pytest.raises(InvalidSeasonsError, match=told):
        rolling_origins(np.array(list("ABAB")), seasons)


def test_sizes_steps_and_seeds_out_of_range_are_told():
    X = np.zeros((N, 3, 1))
    with pytest.raises(InvalidSettingsError, match="500 labels asked for"):
        learning_curve(knows_from_forty, X, Y, GROUPS, sizes=[20, 500], folds=4)
    with pytest.raises(InvalidSettingsError, match="no seed"):
        learning_curve(knows_from_forty, X, Y, GROUPS, seeds=())
    with pytest.raises(InvalidSettingsError, match="steps 4 asked of series of 3"):
        in_season_curve(knows_from_forty, X, Y, GROUPS, until=list("abc"), steps=[4])
    with pytest.raises(LengthMismatchError, match="3 steps but 2 dates"):
        in_season_curve(knows_from_forty, X, Y, GROUPS, until=list("ab"))


def test_pictures_are_repeatable_and_say_simulated():
    table = learning_curve(knows_from_forty, np.zeros((N, 1)), Y, GROUPS, sizes=[20, 40, 80], folds=4)
    picture = learning_curve_png(table)
    assert picture == learning_curve_png(table) != learning_curve_png(table, simulated=True)
    assert [int.from_bytes(picture[i : i + 4], "big") for i in (16, 20)] == [700, 450]
    curve = in_season_curve(knows_from_forty, np.zeros((N, 3, 1)), Y, GROUPS, until=list("abc"), folds=4)
    assert in_season_png(curve, simulated=True) != in_season_png(curve)
