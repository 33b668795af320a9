"""Reviewed parcels: what is taken of them, how they weigh, and what they do to the answers of a shock season."""

import numpy as np
import pytest

from agristat_platform.classification import (
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSampleWeightError,
    LengthMismatchError,
    MemberSettings,
    UnknownCropCodeError,
)
from agristat_platform.classification.cross_season import teach
from agristat_platform.classification.cross_season.errors import InvalidReviewsError
from agristat_platform.classification.cross_season.options import Choice
from agristat_platform.classification.cross_season.reviewed import (
    check_reviewed,
    reteach,
    shares_after_review,
    widened,
)
from agristat_platform.classification.cross_season.reviewed_gate import OPTIONS, _dealt, choose_reviewed
from agristat_platform.classification.cross_season.reviewed_head import fit_head
from agristat_platform.classification.cross_season.samples import check_samples

TINY = MemberSettings(trees=12, rounds=6, kernel_columns=84, copies=1, bags=1)
PEAKS = {"winter": 5.0, "spring": 8.0, "summer": 12.0}
STEPS = 18


def season(year: int, count: int, peaks: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(year)
    labels = random.choice(list(peaks), count)
    peak = np.array([peaks[name] for name in labels]) + random.normal(0, 0.6, count)
    green = np.exp(-0.5 * ((np.arange(STEPS)[None] - peak[:, None]) / 2.0) ** 2)
    return green[:, :, None] + random.normal(0, 0.15, (count, STEPS, 1)), labels


@pytest.fixture(scope="module")
def past() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = [season(year, 90, PEAKS) for year in (2019, 2020, 2021)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), np.repeat([19, 20, 21], 90)


@pytest.fixture(scope="module")
def taught(past):
    places = [f"p{i % 15}" for i in range(len(past[0]))]
    return teach(*past, places=places, settings=TINY)


@pytest.fixture(scope="module")
def shock() -> tuple[np.ndarray, np.ndarray]:
    """Spring crops so late that they look like summer crops, summer crops later still, and a crop never seen."""
    return season(2022, 160, {"winter": 5.0, "spring": 11.0, "summer": 15.0, "millet": 1.0})


@pytest.fixture(scope="module")
def after_review(taught, shock):
    return taught.recognise(shock[0], reviewed=(np.arange(40), shock[1][:40]))


@pytest.fixture
def samples(past):
    return check_samples(past[0], past[1].tolist(), past[2].tolist(), None)


def test_reviews_of_a_shock_season_teach_what_it_looks_like(taught, shock, after_review) -> None:
    before = taught.recognise(shock[0])
    rest = slice(40, None)
    assert after_review.gate.chosen["reviewed"] in ("weighted", "heavily_weighted")
    was, now = ((found.labels[rest] == shock[1][rest]).mean() for found in (before, after_review))
    assert now > was + 0.15
    assert now > 0.75
    assert [row.option for row in after_review.gate.rows if row.stage == "reviewed"] == list(OPTIONS)
    assert not any(row.stage == "reviewed" for row in before.gate.rows)
    assert "reviewed" not in before.gate.chosen


def test_a_label_that_no_past_season_has_adds_a_class(after_review, shock) -> None:
    assert after_review.classes.tolist() == ["millet", "spring", "summer", "winter"]
    millet = shock[1][40:] == "millet"
    assert (after_review.labels[40:][millet] == "millet").mean() > 0.85
    assert after_review.gate.diagnostics["classes_added_by_reviews"] == ["millet"]
    assert any("reviewers add millet" in reason for reason in after_review.gate.reasons)
    assert sum(after_review.gate.diagnostics["predicted_shares"].values()) == pytest.approx(1)


def test_reviewed_rows_are_answered_with_what_the_reviewer_said(after_review, shock) -> None:
    assert after_review.labels[:40].tolist() == shock[1][:40].tolist()
    assert (after_review.probabilities[:40].max(axis=1) == 1).all()
    np.testing.assert_allclose(after_review.probabilities.sum(axis=1), 1.0)


@pytest.fixture(scope="module")
def few(shock) -> np.ndarray:
    """Two parcels of each class: too few to leave some of them out."""
    return np.concatenate([np.flatnonzero(shock[1] == name)[:2] for name in ("winter", "spring", "millet")])


def test_a_handful_is_used_on_the_word_of_past_seasons_with_the_same_bytes_as_rows_or_series(
    taught, shock, few
) -> None:
    rows = taught.recognise(shock[0], reviewed=(few, shock[1][few]))
    assert next(r for r in rows.gate.rows if r.stage == "reviewed").trials == 2
    assert rows.labels[few].tolist() == shock[1][few].tolist()
    series = taught.recognise(shock[0], reviewed=(shock[0][few], shock[1][few]))
    rest = np.setdiff1d(np.arange(len(shock[0])), few)
    assert series.gate.rows == rows.gate.rows
    assert series.probabilities[rest].tobytes() == rows.probabilities[rest].tobytes()


def test_labels_drawn_by_lot_do_little_harm(taught) -> None:
    series, labels = season(2023, 120, PEAKS)
    wrong = np.random.default_rng(0).permutation(labels[:40])
    found = taught.recognise(series, reviewed=(np.arange(40), wrong))
    assert found.labels[:40].tolist() == wrong.tolist()
    before = taught.recognise(series)
    was, now = ((answer.labels[40:] == labels[40:]).mean() for answer in (before, found))
    assert now > was - 0.1


def test_reviews_that_make_reviewed_parcels_worse_are_left(taught, shock) -> None:
    said = np.eye(4)[np.searchsorted(["millet", "spring", "summer", "winter"], shock[1][:24])]
    review = check_reviewed((np.arange(24), shock[1][:24]), taught.samples, shock[0])
    assert review is not None
    # What is said without the reviews is right of all of them: nothing can be better.
    option, rows, reasons = choose_reviewed(taught._evidence[0], Choice(), review, said, None, amplitude=1.0)
    assert option == "none"
    assert [row.option for row in rows if row.chosen] == ["none"]
    assert "look at the reviews" in reasons[-1] or "none gains" in reasons[-1]


def test_given_shares_hold_after_a_review_and_may_name_the_added_class(taught, shock, few) -> None:
    shares = {"winter": 0.5, "spring": 0.3, "millet": 0.2}
    found = taught.recognise(shock[0], reviewed=(few, shock[1][few]), target_shares=shares)
    assert (found.probabilities[:, found.classes.tolist().index("summer")] == 0).all()
    with pytest.raises(UnknownCropCodeError, match="millet"):
        taught.recognise(shock[0], target_shares=shares)


def test_no_usable_review_changes_nothing_but_is_told(taught, shock) -> None:
    empty = taught.recognise(shock[0], reviewed=([], []))
    assert empty.probabilities.tobytes() == taught.recognise(shock[0]).probabilities.tobytes()
    assert empty.gate.chosen["reviewed"] == "none"
    contradicting = taught.recognise(shock[0], reviewed=([3, 3], ["winter", "summer"]))
    assert contradicting.gate.dropped["review_conflicting"] == 2
    assert contradicting.probabilities.tobytes() == empty.probabilities.tobytes()


def test_reviews_that_say_nothing_or_contradict_each_other_are_counted(samples) -> None:
    series = np.random.default_rng(0).normal(size=(6, STEPS, 1))
    series[4] = np.nan
    found = check_reviewed(
        (
            [0, 0, 1, 1, 2, 4, 5],
            ["winter", "winter", "winter", "summer", "spring", "spring", "rye"],
            [1, 1, 1, 1, 0, 1, 3],
        ),
        samples,
        series,
    )
    assert found is not None
    assert found.dropped == {
        "review_repeated": 1,
        "review_conflicting": 2,
        "review_no_weight": 1,
        "review_no_value": 1,
    }
    assert found.rows.tolist() == [0, 5]
    assert found.classes[found.label].tolist() == ["winter", "rye"]
    assert found.added == ("rye",)
    assert found.weight.tolist() == [0.5, 1.5]


def test_bad_reviews_are_named(samples) -> None:
    series = np.zeros((4, STEPS, 1))
    for bad, error, told in (
        (([0, 9], ["a", "b"]), InvalidReviewsError, "not of the 4 target series .*rows 9"),
        (([0.5], ["a"]), InvalidReviewsError, r"shape \(1,\) and type float64"),
        ([[0], ["a"]], InvalidReviewsError, "no pair"),
        (([0],), InvalidReviewsError, "no pair"),
        (([0, 1], ["a"]), LengthMismatchError, "2 reviewed parcels but 1 labels"),
        (([0, 1], ["a", None]), InvalidLabelsError, "1 reviewed parcels have no label .*parcels 1"),
        (([0, 1], ["a", "b"], [1.0, -1.0]), InvalidSampleWeightError, "negative"),
        (([0, 1], ["a", "b"], [1.0]), LengthMismatchError, "2 reviewed parcels but 1 weights"),
        ((np.zeros((1, 5, 1)), ["a"]), FeatureMismatchError, "the reviewed series have"),
    ):
        with pytest.raises(error, match=told):
            check_reviewed(bad, samples, series)
    assert check_reviewed(None, samples, series) is None


def test_reviewed_parcels_have_the_share_of_weight_asked_for(samples) -> None:
    target = season(2030, 30, PEAKS)
    found = check_reviewed((np.arange(30), target[1]), samples, target[0])
    assert found is not None
    again = reteach(
        samples.curves, samples.label, samples.place, found, share=0.4, amplitude=1.0, settings=TINY, seed=0
    )
    # 270 past samples: 180 repetitions of 30 parcels are 40 % of all.
    counts = samples.shares * 270 + 6 * np.bincount(found.label, minlength=3)
    np.testing.assert_allclose(again.shares, counts / 450)
    assert again.probabilities(found.curves).shape[1:] == (30, 3)


def test_shares_after_a_review_go_by_the_root_of_what_was_found_unless_given() -> None:
    taught, reviewed = np.array([0.7, 0.0, 0.3]), np.array([3, 0, 0])
    np.testing.assert_allclose(shares_after_review(taught, reviewed, None), [2 / 3, 0.0, 1 / 3])
    given = np.array([0.1, 0.2, 0.7])
    assert shares_after_review(taught, reviewed, given) is given


def test_a_head_learns_an_offset_and_leaves_the_impossible_so() -> None:
    said = np.tile([0.6, 0.4, 0.0], (200, 1))
    truth = np.repeat([0, 1], [50, 150])
    head = fit_head(said, truth, np.ones(200))
    found = head.applied(said[:1])[0]
    assert found[1] == pytest.approx(0.75, abs=0.02)
    assert found[2] == 0
    # Nothing is learned from parcels of an impossible class alone.
    unchanged = fit_head(said, np.full(200, 2), np.ones(200))
    np.testing.assert_allclose(unchanged.applied(said), said)


def test_one_review_moves_the_head_a_little() -> None:
    said = np.array([[0.6, 0.4]])
    assert 0.3 < fit_head(said, np.array([1]), np.ones(1)).applied(said)[0, 0] < 0.6


def test_quarters_hold_classes_evenly() -> None:
    label = np.repeat([0, 1, 2], [8, 4, 4])
    quarter = _dealt(label, seed=0)
    for number in range(4):
        assert np.bincount(label[quarter == number]).tolist() == [2, 1, 1]


def test_wider_classes_keep_their_values() -> None:
    found = widened(np.array([[0.2, 0.8]]), np.array(["a", "c"]), np.array(["a", "b", "c"]))
    assert found.tolist() == [[0.2, 0.0, 0.8]]
