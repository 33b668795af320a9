"""Whether a season runs late, asked of curves whose truth is known."""

import numpy as np
import pytest

from agristat_platform.classification.cross_season.curve_density import fit_curve_density, smoothed
from agristat_platform.classification.cross_season.season_timing import (
    NO_TIMING,
    SEASON_SHIFT,
    TimedSamples,
    time_samples,
)

PEAKS = np.array([5.0, 7.0, 9.5, 14.0])
DAYS_15 = 15 / 16  # steps of 16 days


def humps(seed: int, crop: np.ndarray, *, late: float = 0.0, height: float = 1.0, noise: float = 0.1) -> np.ndarray:
    """Curves (n, 23, 2) of four crops with peaks PEAKS, two of them much alike."""
    random = np.random.default_rng(seed)
    peak = PEAKS[crop] + random.normal(0, 0.7, len(crop)) + late
    green = height * np.exp(-0.5 * ((np.arange(23)[None] - peak[:, None]) / 2.5) ** 2)
    return np.stack([green, 1 - 0.5 * green], axis=2) + random.normal(0, noise, (len(crop), 23, 2))


def drawn(seed: int, shares: tuple[float, ...], count: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).choice(4, count, p=shares)


EQUAL = (0.25, 0.25, 0.25, 0.25)


@pytest.fixture(scope="module")
def timed() -> TimedSamples:
    crop = drawn(0, EQUAL, 240)
    return time_samples(humps(1, crop), crop, np.arange(240) % 12, 4, seed=0)


@pytest.mark.parametrize("late", [-2 * DAYS_15, -DAYS_15, DAYS_15, 2 * DAYS_15])
@pytest.mark.parametrize("shares", [EQUAL, (0.4, 0.3, 0.2, 0.1)])
def test_a_season_that_is_late_or_early_shows(timed: TimedSamples, late: float, shares: tuple[float, ...]) -> None:
    found = timed.timing(humps(2, drawn(3, shares), late=late))
    assert found.demanded
    assert found.undone * SEASON_SHIFT * 23 == pytest.approx(late, abs=0.35)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "change",
    [{}, {"height": 0.6}, {"noise": 0.2}, {"shares": (0.6, 0.3, 0.1, 0.0)}, {"shares": (0.0, 1.0, 0.0, 0.0)}],
    ids=["nothing", "drought", "noise", "other shares", "one crop alone, which could be its early neighbour"],
)
def test_other_changes_do_not_pass_for_another_date(timed: TimedSamples, change: dict, seed: int) -> None:
    shares = change.get("shares", EQUAL)
    kept = {name: value for name, value in change.items() if name != "shares"}
    found = timed.timing(humps(10 + seed, drawn(20 + seed, shares), **kept))
    assert abs(found.undone) <= 0.25


def test_too_few_curves_tell_nothing(timed: TimedSamples) -> None:
    assert timed.timing(humps(4, drawn(5, EQUAL, 9), late=2.0)) == NO_TIMING


def test_samples_of_one_place_leave_the_usual_fit_unknown() -> None:
    crop = drawn(0, EQUAL, 240)
    found = time_samples(humps(1, crop), crop, np.zeros(240), 4, seed=0)
    assert np.isnan(found.usual).all()
    assert found.timing(humps(2, drawn(3, EQUAL), late=DAYS_15)).misfit == 0.0


def test_smoothing_takes_as_much_noise_away_between_steps_as_at_them() -> None:
    noise = np.random.default_rng(0).normal(size=(20_000, 11, 1))
    left = [smoothed(noise, later)[:, 5].std() for later in (0.0, 0.25, 0.5)]
    assert max(left) / min(left) < 1.02


def test_a_moved_curve_is_the_curve_of_later_dates() -> None:
    steps = np.arange(23.0)
    line = (2.0 * steps)[None, :, None]
    np.testing.assert_allclose(smoothed(line, 1.5)[0, 5:18, 0], 2.0 * (steps[5:18] - 1.5), atol=0.02)


def test_densities_know_classes_and_leave_out_those_without_samples() -> None:
    crop = drawn(0, (0.5, 0.0, 0.25, 0.25), 200)
    density = fit_curve_density(humps(1, crop), crop, 4, edge=2, seed=0)
    found = density.log(humps(6, np.array([0, 2, 3])))
    assert found.argmax(axis=1).tolist() == [0, 2, 3]
    assert np.isneginf(found[:, 1]).all()
