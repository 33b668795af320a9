"""Recognition of a new season as a whole, on curves whose truth is known, and the gate's decisions."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from agristat_platform.classification import GATE_SCHEMA, MemberSettings, UnknownCropCodeError, recognise
from agristat_platform.classification.cross_season.adaptation import coral
from agristat_platform.classification.cross_season.gate import GateRow, fold_means, is_better, oa_and_macro_f1
from agristat_platform.classification.cross_season.judging import judging_folds
from agristat_platform.classification.cross_season.samples import check_samples

SMALL = MemberSettings(trees=30, rounds=15, kernel_columns=168, copies=1)
PEAKS = {"winter": 5.0, "spring": 9.0, "summer": 14.0}


def season(year: int, count: int, *, delay: float = 0.0, shares: tuple[float, ...] = (1 / 3,) * 3) -> tuple:
    """Noisy humps (count, 18, 2), their crops and places; `delay` moves every peak."""
    random = np.random.default_rng(year)
    labels = random.choice(list(PEAKS), count, p=shares)
    peak = np.array([PEAKS[name] for name in labels]) + random.normal(0, 0.5, count) + delay
    green = np.exp(-0.5 * ((np.arange(18)[None] - peak[:, None]) / 2.0) ** 2)
    values = np.stack([green, 1 - 0.5 * green], axis=2) + random.normal(0, 0.08, (count, 18, 2))
    values[random.random(values.shape) < 0.05] = np.nan
    return values, labels, np.array([f"p{i % 12}" for i in range(count)])


@pytest.fixture(scope="module")
def past() -> tuple:
    years = [2019, 2020, 2021]
    parts = [season(year, 60, delay=d) for year, d in zip(years, (0.3, -0.3, 0.0), strict=True)]
    values, labels, places = (np.concatenate([p[i] for p in parts]) for i in range(3))
    return values, labels, np.repeat(years, 60), places


@pytest.fixture(scope="module")
def target() -> tuple:
    return season(2022, 80, delay=0.4, shares=(0.6, 0.3, 0.1))


@pytest.fixture(scope="module")
def recognised(past, target):
    values, labels, seasons, places = past
    return recognise(values, labels, seasons, target[0], places=places, settings=SMALL)


def test_a_new_season_is_recognised(recognised, target) -> None:
    assert recognised.classes.tolist() == ["spring", "summer", "winter"]
    np.testing.assert_allclose(recognised.probabilities.sum(axis=1), 1.0)
    assert (recognised.labels == target[1]).mean() > 0.93
    assert recognised.gate.passed


def test_the_gate_tells_what_it_tried(recognised) -> None:
    gate = recognised.gate
    table = gate.table()
    assert table.schema == GATE_SCHEMA
    assert {row.stage for row in gate.rows} == {"augmentation", "prior", "alignment", "retraining"} == set(gate.chosen)
    for stage, option in gate.chosen.items():
        assert [row.option for row in gate.rows if row.stage == stage and row.chosen] == [option]
    assert gate.reasons[-1].startswith("passed: overall accuracy is")
    assert 0 <= gate.diagnostics["domain_auc"] <= 1
    assert sum(gate.diagnostics["predicted_shares"].values()) == pytest.approx(1)
    assert gate.diagnostics["folds"] == ["season 2021: 120 → 60", "season 2020: 60 → 60"]


def test_the_same_bytes_for_any_number_of_threads_and_other_bytes_for_another_seed(past, target, recognised) -> None:
    values, labels, seasons, places = past
    with threadpool_limits(limits=2):
        again = recognise(values, labels, seasons, target[0], places=places, settings=SMALL)
    assert again.probabilities.tobytes() == recognised.probabilities.tobytes()
    assert again.gate == recognised.gate
    other = recognise(values, labels, seasons, target[0], places=places, settings=SMALL, seed=1)
    assert other.probabilities.tobytes() != recognised.probabilities.tobytes()


def test_given_shares_are_used_without_trial(past, target) -> None:
    values, labels, seasons, places = past
    shares = {"winter": 0.6, "spring": 0.4}
    found = recognise(values, labels, seasons, target[0], places=places, settings=SMALL, target_shares=shares)
    assert found.gate.chosen["prior"] == "given"
    assert (found.probabilities[:, 1] == 0).all()
    # Past seasons are judged by their own shares: they had summer crops, which the target has not.
    assert found.gate.passed
    assert found.gate.rows[0].overall_accuracy > 0.9
    with pytest.raises(UnknownCropCodeError, match="rye"):
        recognise(values, labels, seasons, target[0], target_shares={"rye": 1.0})


def test_target_series_without_a_value_get_no_class(past, target) -> None:
    values, labels, seasons, places = past
    series = target[0].copy()
    series[7] = np.nan
    found = recognise(values, labels, seasons, series, places=places, target_places=["p1"] * 80, settings=SMALL)
    assert found.labels[7] is None
    assert np.isnan(found.probabilities[7]).all()
    assert np.isfinite(np.delete(found.probabilities, 7, axis=0)).all()
    assert found.gate.diagnostics["target_without_value"] == 1
    assert found.gate.diagnostics["samples_at_target_places"] == 15


def test_labels_without_relation_to_curves_do_not_pass(target) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 18, 2))
    found = recognise(values, random.choice(["a", "b"], 60), np.repeat([1, 2], 30), target[0], settings=SMALL)
    assert not found.gate.passed
    assert found.gate.reasons[-1].startswith("failed")


def test_one_season_at_one_place_cannot_be_judged_and_does_not_pass(past, target) -> None:
    values, labels, _, _ = past
    found = recognise(values[:60], labels[:60], [2019] * 60, target[0], places=["p"] * 60, settings=SMALL)
    assert not found.gate.passed
    assert "all samples are of one place: nothing can be held out" in found.gate.reasons


def test_folds_never_learn_from_what_they_hold_out_nor_from_later_seasons(past) -> None:
    samples = check_samples(*past)
    folds, notes = judging_folds(samples)
    assert [fold.name for fold in folds] == ["season 2021", "season 2020"]
    assert notes == []
    for fold in folds:
        assert samples.season[fold.training].max() < samples.season[fold.held_out].min()


def test_two_seasons_are_left_out_in_turn_and_one_is_blocked_by_place(past) -> None:
    values, labels, seasons, places = past
    two = check_samples(values[60:], labels[60:], seasons[60:], places[60:])
    assert [fold.name for fold in judging_folds(two)[0]] == ["season 2021", "season 2020"]
    one = check_samples(values[:60], labels[:60], seasons[:60], places[:60])
    folds, notes = judging_folds(one)
    assert [fold.name for fold in folds] == ["block 1", "block 2", "block 3", "block 4"]
    assert "no past season could judge spring, summer, winter" in notes[0]
    for fold in folds:
        assert not set(one.place[fold.training]) & set(one.place[fold.held_out])


def test_a_late_season_is_read_at_its_own_dates_and_an_ordinary_one_as_it_stands(past, target) -> None:
    values, labels, _, places = past
    found = {}
    for delay in (0.0, 1.0):
        late, truth, _ = season(2030, 150, delay=delay)
        found[delay] = recognise(values[:60], labels[:60], [2019] * 60, late, places=places[:60], settings=SMALL)
        assert (found[delay].labels == truth).mean() > 0.9
        assert found[delay].gate.chosen["alignment"] == "fitted_shift"
    # The season that teaches has a delay of 0.3 steps itself.
    assert found[1.0].gate.diagnostics["alignment_steps"] == pytest.approx(-0.7, abs=0.35)
    assert abs(found[0.0].gate.diagnostics["alignment_steps"]) < 0.5


def test_a_class_of_one_season_is_judged_by_blocks_and_named(past) -> None:
    values, labels, seasons, places = past
    keep = (labels != "summer") | (seasons == 2021)
    samples = check_samples(values[keep], labels[keep], seasons[keep], places[keep])
    folds, notes = judging_folds(samples)
    assert "no past season could judge summer:" in notes[0]
    assert [fold.season is None for fold in folds] == [False, False, True, True, True, True]


def _row(gain: float, error: float, *, stage: str = "prior", worst: float = 0.0) -> GateRow:
    return GateRow(stage, "option", 0.8, 0.8, gain, error, worst, 4, False)


def test_an_option_must_gain_more_than_twice_its_error() -> None:
    assert is_better(_row(0.02, 0.009))
    assert not is_better(_row(0.02, 0.011))
    assert not is_better(_row(0.004, 0.001))
    assert not is_better(_row(0.02, float("nan")))
    assert not is_better(_row(-0.02, 0.001))


def test_options_that_can_do_great_harm_must_not_lose_in_any_fold() -> None:
    assert is_better(_row(0.02, 0.009, worst=-0.05))
    assert not is_better(_row(0.02, 0.009, stage="retraining", worst=-0.011))
    assert is_better(_row(0.02, 0.009, stage="retraining", worst=-0.009))


def test_alignment_is_given_up_where_it_cost_something_in_the_mean() -> None:
    assert is_better(_row(0.006, 0.02, stage="alignment"))
    assert not is_better(_row(0.004, 0.001, stage="alignment"))


def test_seasons_simulated_from_one_block_count_as_one() -> None:
    np.testing.assert_allclose(fold_means(np.array([1.0, 3.0, 10.0]), np.array([0, 0, 4])), [2.0, 10.0])


def test_macro_f1_is_over_the_classes_present() -> None:
    # Class 0: 2 of 2 right, 2 named; class 1: 1 of 2, 1 named; class 2 is named once and absent.
    assert oa_and_macro_f1(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])) == pytest.approx((0.75, (1 + 2 / 3) / 2))


def test_coral_gives_the_targets_mean_and_covariance() -> None:
    random = np.random.default_rng(0)
    training = random.normal(size=(400, 3, 2))
    other = random.normal(size=(400, 3, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]]) + 3.0
    moved = coral(training, other, ridge=1e-9).reshape(400, -1)
    np.testing.assert_allclose(moved.mean(axis=0), other.reshape(400, -1).mean(axis=0))
    np.testing.assert_allclose(np.cov(moved.T), np.cov(other.reshape(400, -1).T), atol=1e-6)
