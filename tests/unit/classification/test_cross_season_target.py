"""What the gate's choice costs and saves on seasons that changed in a known way, and a target in chunks."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agristat_platform.classification.cross_season import MemberSettings, target_season
from agristat_platform.classification.cross_season.gate import choose, oa_and_macro_f1
from agristat_platform.classification.cross_season.options import PLAIN, Choice, departure, vote
from agristat_platform.classification.cross_season.recognition import past_evidence
from agristat_platform.classification.cross_season.samples import check_samples
from agristat_platform.classification.cross_season.target_season import TargetSeason, fit_target

SMALL = MemberSettings(trees=30, rounds=15, kernel_columns=168, copies=1, bags=2)
PEAKS = np.array([5.0, 7.0, 9.5, 14.0])
Season = tuple[np.ndarray, np.ndarray]


def season(
    seed: int,
    count: int,
    *,
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
    delay: float = 0.0,
    height: float = 1.0,
    noise: float = 0.1,
) -> Season:
    """Humps (count, 23, 2) of four crops, two of them much alike, and their names; a step is 16 days of a year."""
    random = np.random.default_rng(seed)
    crop = random.choice(4, count, p=shares)
    peak = PEAKS[crop] + random.normal(0, 0.7, count) + delay
    green = height * np.exp(-0.5 * ((np.arange(23)[None] - peak[:, None]) / 2.5) ** 2)
    values = np.stack([green, 1 - 0.5 * green], axis=2) + random.normal(0, noise, (count, 23, 2))
    return values, np.array(list("abcd"))[crop]


@pytest.fixture(scope="module")
def fitted() -> tuple[Choice, Callable[[np.ndarray], TargetSeason]]:
    years = (2018, 2019, 2020, 2021)
    parts = [season(year, 60, delay=d) for year, d in zip(years, (0.3, -0.3, 0.0, 0.2), strict=True)]
    values, labels = (np.concatenate([part[i] for part in parts]) for i in range(2))
    places = [f"p{i % 12}" for i in range(240)]
    samples = check_samples(values, labels.tolist(), np.repeat(years, 60).tolist(), places)
    trials, amplitude, _, _ = past_evidence(samples, SMALL, seed=0)
    choice = choose(trials, shares_known=False)[0]
    return choice, lambda series: fit_target(trials, series, None, amplitude, align=True)


def _both(fitted, target: Season) -> tuple[float, float]:
    """Overall accuracy of the gate's choice, and with nothing adapted."""
    choice, fit = fitted
    found = fit(target[0])
    truth = np.searchsorted(list("abcd"), target[1])
    named = [oa_and_macro_f1(truth, found.answer(c)[0].argmax(axis=1))[0] for c in (choice, PLAIN)]
    return named[0], named[1]


CHANGES: dict[str, dict[str, object]] = {
    "nothing": {},
    "15 days later": {"delay": 15 / 16},
    "15 days earlier": {"delay": -15 / 16},
    "drought": {"height": 0.6},
    "noise": {"noise": 0.2},
    "shares": {"shares": (0.6, 0.3, 0.1, 0.0)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_choice_loses_at_most_three_points_against_nothing_adapted(fitted, change: str) -> None:
    chosen, plain = _both(fitted, season(2030, 300, **CHANGES[change]))
    assert chosen >= plain - 0.03


@pytest.mark.parametrize("days", [-15, 15])
def test_fifteen_days_cost_at_most_three_points_and_more_where_nothing_is_adapted(fitted, days: int) -> None:
    usual, _ = _both(fitted, season(2034, 300))
    chosen, plain = _both(fitted, season(2034, 300, delay=days / 16))
    assert chosen >= usual - 0.03
    assert plain <= chosen - 0.05


def test_the_choice_recovers_some_of_what_changed_shares_cost(fitted) -> None:
    chosen, plain = _both(fitted, season(2031, 400, shares=(0.05, 0.9, 0.05, 0.0)))
    assert chosen >= plain + 0.01


def test_droughts_show_as_unsure_answers_and_shares_alone_do_not(fitted) -> None:
    _, fit = fitted
    found = {}
    for change in ("nothing", "shares", "drought"):
        season_fit = fit(season(2033, 300, **CHANGES[change])[0])
        trials = season_fit.trials
        voted = vote(season_fit.said(0.0), trials.steepness, Choice().augmentation)
        shares = season_fit.shares()
        equal = np.full(4, 0.25) if change != "shares" else np.array([0.6, 0.3, 0.1, 0.0])
        found[change] = departure(voted, equal, Choice(), shares, trials.steepness)
        nothing = replace(shares, held_out=shares.held_out[:, :0], classes=shares.classes[:0])
        assert departure(voted, equal, Choice(), nothing, trials.steepness) == 1.0
    assert max(found["nothing"], found["shares"]) < 0.08
    assert found["drought"] > 0.15


def test_a_target_named_in_chunks_gets_much_the_same_names(fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    choice, fit = fitted
    values, _ = season(2032, 300)
    whole = fit(values).answer(choice)[0]
    monkeypatch.setattr(target_season, "MOST_TOGETHER", 128)
    found = fit(values)
    assert len(found.some) == 128
    chunked = found.answer(choice)[0]
    np.testing.assert_allclose(chunked.sum(axis=1), 1.0)
    # The shares are estimated from 128 series instead of 300.
    assert (chunked.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.96
    retrained = found.answer(choice.with_option("retraining", "self_training"))[0]
    assert (retrained.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.9
