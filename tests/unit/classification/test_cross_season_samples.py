"""Bad input is named, and what is dropped is counted."""

import numpy as np
import pytest

from agristat_platform.classification import (
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSeasonsError,
    InvalidSharesError,
    LengthMismatchError,
    NoTrainingSamplesError,
    SmallClassError,
    TooFewClassesError,
    UnknownCropCodeError,
)
from agristat_platform.classification.cross_season.samples import check_samples, check_shares, check_target

LABELS = ["maize"] * 5 + ["soy"] * 5
SEASONS = [2020, 2021] * 5


@pytest.fixture
def series() -> np.ndarray:
    return np.random.default_rng(0).random((10, 6, 2))


def test_samples_come_back_in_order_with_numbers(series: np.ndarray) -> None:
    samples = check_samples(series, LABELS, SEASONS, list("aabbccddee"))
    assert samples.classes.tolist() == ["maize", "soy"]
    assert samples.label.tolist() == [0] * 5 + [1] * 5
    assert samples.season.tolist() == [0, 1] * 5
    assert samples.season_names == (2020, 2021)
    assert samples.place.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert samples.dropped == {}


def test_samples_without_value_repeated_and_conflicting_are_dropped_and_counted(series: np.ndarray) -> None:
    more = np.concatenate([series, series[:1], series[9:], np.full((1, 6, 2), np.nan)])
    labels = [*LABELS, "maize", "maize", "soy"]
    samples = check_samples(more, labels, [*SEASONS, 2020, 2021, 2020], None)
    assert samples.dropped == {"no_value": 1, "repeated": 1, "conflicting": 2}
    assert len(samples) == 9


def test_the_same_curve_in_another_season_is_neither_repeated_nor_in_conflict(series: np.ndarray) -> None:
    more = np.concatenate([series, series[:1]])
    assert check_samples(more, [*LABELS, "soy"], [*SEASONS, 2021], None).dropped == {}


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_label_is_named_by_its_row(series: np.ndarray, missing: object) -> None:
    with pytest.raises(InvalidLabelsError, match=r"1 samples have no label.*rows 3"):
        check_samples(series, [*LABELS[:3], missing, *LABELS[4:]], SEASONS, None)


def test_seasons_must_be_there_and_sortable(series: np.ndarray) -> None:
    with pytest.raises(InvalidSeasonsError, match="no seasons"):
        check_samples(series, LABELS, [], None)
    with pytest.raises(InvalidSeasonsError, match=r"1 samples have no season \(rows 9"):
        check_samples(series, LABELS, [*SEASONS[:9], None], None)
    with pytest.raises(InvalidSeasonsError, match="int and str"):
        check_samples(series, LABELS, [*SEASONS[:9], "2021"], None)


def test_one_class_and_small_classes(series: np.ndarray) -> None:
    with pytest.raises(TooFewClassesError, match="the only class is maize"):
        check_samples(series, ["maize"] * 10, SEASONS, None)
    with pytest.raises(SmallClassError, match=r"soy \(2\)"):
        check_samples(series, ["maize"] * 8 + ["soy"] * 2, SEASONS, None)


def test_a_class_made_small_by_conflicts_says_so(series: np.ndarray) -> None:
    more = np.concatenate([series, series[7:]])
    with pytest.raises(SmallClassError, match="'conflicting': 6"):
        check_samples(more, [*LABELS, *["maize"] * 3], [*SEASONS, *SEASONS[7:]], None)


def test_shapes_and_lengths(series: np.ndarray) -> None:
    with pytest.raises(FeatureMismatchError, match=r"\(10, 6\)"):
        check_samples(series[:, :, 0], LABELS, SEASONS, None)
    with pytest.raises(LengthMismatchError, match="10 training series but 9 labels"):
        check_samples(series, LABELS[:9], SEASONS, None)
    with pytest.raises(LengthMismatchError, match="10 training series but 3 places"):
        check_samples(series, LABELS, SEASONS, ["a"] * 3)


def test_values_that_say_nothing(series: np.ndarray) -> None:
    with pytest.raises(NoTrainingSamplesError, match="'no_value': 10"):
        check_samples(np.full_like(series, np.nan), LABELS, SEASONS, None)
    series[:, :, 1] = np.nan
    with pytest.raises(FeatureMismatchError, match="features 1"):
        check_samples(series, LABELS, SEASONS, None)
    series[4, 2, 0] = np.inf
    with pytest.raises(FeatureMismatchError, match=r"infinite.*rows 4"):
        check_samples(series, LABELS, SEASONS, None)


def test_target_must_fit_the_samples(series: np.ndarray) -> None:
    samples = check_samples(series, LABELS, SEASONS, None)
    with pytest.raises(FeatureMismatchError, match=r"6 steps × 1 features.*6 × 2"):
        check_target(series[:, :, :1], samples, None)
    with pytest.raises(LengthMismatchError, match="10 target series but 1 target_places"):
        check_target(series, samples, ["a"])


def test_shares_are_ordered_by_class_and_checked() -> None:
    classes = np.array(["maize", "rice", "soy"])
    assert check_shares(None, classes) is None
    np.testing.assert_allclose(check_shares({"soy": 0.75, "maize": 0.25}, classes), [0.25, 0, 0.75])
    with pytest.raises(UnknownCropCodeError, match=r"target_shares name wheat.*maize, rice, soy"):
        check_shares({"wheat": 1.0}, classes)
    for bad in ({"soy": 0.5}, {"soy": 1.5, "maize": -0.5}, {"soy": float("nan"), "maize": 1.0}):
        with pytest.raises(InvalidSharesError, match="sum to 1"):
            check_shares(bad, classes)


def test_a_large_target_is_not_copied() -> None:
    random = np.random.default_rng(0)
    samples = check_samples(random.normal(size=(6, 5, 2)), ["a", "b"] * 3, [1] * 6, None)
    single = random.normal(size=(4, 5, 2)).astype(np.float32)
    assert np.shares_memory(check_target(single, samples, None), single)
    assert check_target(single.tolist(), samples, None).dtype == np.float64
