"""Turnover of class shares between past seasons, and rows drawn by it."""

import numpy as np
import pytest

from agristat_platform.classification.cross_season.members import spread
from agristat_platform.classification.cross_season.simulated_seasons import Turnover, draw_rows, past_turnover


def test_turnover_by_hand() -> None:
    # Season 0: 8 of class 0, 2 of class 1; season 1: 2 and 8; class 2 stands in season 0 alone.
    label = np.repeat([0, 1, 2, 0, 1], [8, 2, 3, 2, 8])
    season = np.repeat([0, 1], [13, 10])
    found = past_turnover(label, season, 3)
    # Changes are −ln 4 and + ln 4, one degree of freedom, and ten of a spread of 1; 1 of 6 pairs has no sample.
    assert found.spread == pytest.approx(np.sqrt((2 * np.log(4) ** 2 + 10) / 11))
    assert found.absence == pytest.approx((1 + 1) / 16)


def test_one_season_shows_nothing() -> None:
    assert past_turnover(np.array([0, 0, 1]), np.zeros(3, int), 3) == Turnover(1.0, pytest.approx(0.1))


def test_rows_without_turnover_keep_the_shares() -> None:
    label = np.repeat([0, 1, 2], [700, 200, 100])
    rows = draw_rows(label, Turnover(0.0, 0.0), np.random.default_rng(0))
    # Standard errors are at most 0.015.
    np.testing.assert_allclose(np.bincount(label[rows]) / 1000, [0.7, 0.2, 0.1], atol=0.06)


def test_two_classes_stay_at_least() -> None:
    label = np.repeat([0, 1, 2, 3], 25)
    for seed in range(20):
        rows = draw_rows(label, Turnover(0.3, 1.0), np.random.default_rng(seed))
        assert len(np.unique(label[rows])) == 2


def test_rows_kept_hold_every_class() -> None:
    label = np.repeat([0, 1, 2], [1000, 5, 2])
    kept = spread(label, 50, 0, each=3)
    assert len(kept) == 50
    assert np.bincount(label[kept]).tolist()[1:] >= [3, 2]
    assert spread(label, 2_000, 0).tolist() == list(range(1007))
