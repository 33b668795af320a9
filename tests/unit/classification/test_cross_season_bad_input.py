"""Samples and targets that nothing good can come of: refused by name, or counted and passed over."""

import numpy as np
import pytest

from agristat_platform.classification import (
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSeasonsError,
    MemberSettings,
    SmallClassError,
    TooFewClassesError,
    UnknownCropCodeError,
    recognise,
)
from agristat_platform.classification.cross_season import teach

TINY = MemberSettings(trees=10, rounds=4, kernel_columns=84, copies=1, bags=1)
YEARS = np.repeat([1, 2], 30)


def samples() -> tuple[np.ndarray, list[str | None]]:
    random = np.random.default_rng(0)
    labels = random.choice(["soy", "maize"], 60)
    peak = np.where(labels == "soy", 3.0, 8.0)[:, None] + random.normal(0, 0.5, (60, 1))
    green = np.exp(-0.5 * ((np.arange(12)[None] - peak) / 1.5) ** 2)
    return np.stack([green, 1 - green], axis=2) + random.normal(0, 0.05, (60, 12, 2)), labels.tolist()


def test_what_can_teach_nothing_is_refused_before_anything_is_fitted() -> None:
    series, labels = samples()
    with pytest.raises(TooFewClassesError, match="soy"):
        teach(series, ["soy"] * 60, YEARS)
    with pytest.raises(SmallClassError, match=r"rye \(2\)"):
        teach(series, ["rye", "rye", *labels[2:]], YEARS)
    with pytest.raises(InvalidLabelsError, match="rows 4"):
        teach(series, [*labels[:4], None, *labels[5:]], YEARS)
    with pytest.raises(InvalidSeasonsError, match="no season"):
        teach(series, labels, [None, *YEARS[1:].tolist()])
    empty = series.copy()
    empty[:, :, 1] = np.nan
    with pytest.raises(FeatureMismatchError, match="features 1"):
        teach(empty, labels, YEARS)


@pytest.fixture(scope="module")
def taught():
    series, labels = samples()
    # Two labels for one series of one season: one is wrong, and nothing says which.
    return teach(np.concatenate([series, series[:1]]), [*labels, "rye"], [*YEARS, 1], settings=TINY)


def test_contradicting_labels_are_counted_and_teach_nothing(taught) -> None:
    assert taught.samples.dropped == {"conflicting": 2}
    assert taught.samples.classes.tolist() == ["maize", "soy"]


def test_a_target_of_an_unknown_class_and_without_a_feature_is_answered_among_the_known(taught) -> None:
    series = np.stack([np.linspace(0, 1, 12), np.linspace(1, 0, 12)], axis=1)[None].repeat(5, axis=0)
    series[1, :, 1] = np.nan
    series[2] = np.nan
    found = taught.recognise(series)
    assert found.labels[2] is None
    named = [0, 1, 3, 4]
    np.testing.assert_allclose(found.probabilities[named].sum(axis=1), 1.0)
    assert set(found.labels[named]) <= {"maize", "soy"}
    assert found.gate.diagnostics["target_without_value"] == 1
    with pytest.raises(UnknownCropCodeError, match="rye"):
        taught.recognise(series, target_shares={"rye": 1.0})
    with pytest.raises(FeatureMismatchError, match="11 steps"):
        taught.recognise(series[:, :11])


def test_a_target_without_any_series_or_value_is_no_error(taught) -> None:
    assert taught.recognise(np.zeros((0, 12, 2))).probabilities.shape == (0, 2)
    nothing = taught.recognise(np.full((2, 12, 2), np.nan), reviewed=([0], ["soy"]))
    assert nothing.labels.tolist() == [None, None]
    assert nothing.gate.dropped["review_no_value"] == 1


def test_one_teaching_serves_many_targets_with_the_bytes_of_one_call(taught) -> None:
    series, labels = samples()
    target = series[:20] + 0.02
    alone = recognise(series, labels, YEARS, target, settings=TINY)
    teaching = teach(series, labels, YEARS, settings=TINY)
    teaching.recognise(series[30:40])
    assert teaching.recognise(target).probabilities.tobytes() == alone.probabilities.tobytes()
