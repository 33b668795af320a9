"""Which intervals are taken: the clearest, and of equally clear ones those that stand best for the season."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agristat_platform.features.segmentation_image.interval_choice import AS_CLEAR, spread_intervals


def mean_squared_distance(taken, first, last):
    """By brute force: many moments of the season, each to the nearest middle of an interval taken.

    Moments are the middles of hundredths of an interval. Where the nearest one changes lies on an edge between them, so that the
    error of the sum is the same for every choice, and equal ones stay equal.
    """
    moments = first - 0.5 + (np.arange(100 * (last - first + 1)) + 0.5) / 100
    return (np.abs(moments[:, None] - np.array(taken)).min(axis=1) ** 2).mean()


@pytest.mark.parametrize(
    ("intervals", "number", "expected"),
    [
        # 24 x the squared distance: 1³ + 2·2³ + 2·2³ + 2·2³ + 1³ = 50; 2, 3, 5, 6 have 3³ + 2 + 2·2³ + 2 + 3³ = 74
        (7, 4, (1, 3, 5, 7)),
        # 5³ + 3 · 2·6³ + 5³ = 1546; 1, 8, 16, 23 with both ends have 1 + 2·7³ + 2·8³ + 2·7³ + 1 = 2398
        (23, 4, (3, 9, 15, 21)),
        (7, 1, (4,)),
        (7, 2, (2, 6)),  # 3³ + 2·4³ + 3³ = 182; 2, 5 has 3³ + 2·3³ + 5³ = 206; 1, 7 has 434
        (6, 1, (3,)),  # 3 and 4 alike: the earlier
        (3, 2, (1, 3)),  # 1 + 2·2³ + 1 = 18; 1, 2 has 1 + 2 + 3³ = 30
    ],
)
def test_equally_clear_intervals_are_spread(intervals, number, expected):
    assert spread_intervals(dict.fromkeys(range(1, intervals + 1), 1.0), number) == expected


def test_clearer_intervals_come_first_wherever_they_lie():
    shares = {1: 0.95, 2: 0.90, 3: 0.70, 4: 0.60, 5: 0.50}
    assert spread_intervals(shares, 2) == (1, 2)
    assert spread_intervals(shares, 3) == (1, 2, 3)


def test_a_percentage_point_is_no_difference_and_more_is_one():
    # 1 is certain; to 0.98, 0.97 is as clear, 0.969 is not: 1, 4 has 1 + 2·3³ + 1 = 56; 1, 2 has 1 + 2 + 5³ = 128
    assert spread_intervals({1: 1.0, 2: 0.98, 3: 0.5, 4: 0.97}, 2) == (1, 4)
    assert spread_intervals({1: 1.0, 2: 0.98, 3: 0.5, 4: 0.969}, 2) == (1, 2)
    # 0.9 is certain, so that of the others that one is taken which its side of the season needs
    assert spread_intervals({1: 0.8, 2: 0.8, 3: 0.9, 4: 0.8, 5: 0.8, 6: 0.8, 7: 0.8}, 2) == (3, 6)


def test_of_equal_spreads_the_earlier_is_taken():
    # 5³ + 2·2³ + 2·4³ + 7³ = 5³ + 2·6³ + 2·3³ + 1 = 612
    assert spread_intervals({1: 0.5, 3: 0.8, 5: 0.8, 9: 0.8, 12: 0.8}, 3) == (3, 5, 9)
    assert mean_squared_distance((3, 5, 9), 1, 12) == pytest.approx(mean_squared_distance((3, 9, 12), 1, 12), abs=1e-9)


def test_all_are_taken_where_there_are_no_more():
    assert spread_intervals({3: 0.1, 1: 0.9}, 2) == (1, 3)
    assert spread_intervals({3: 0.1, 1: 0.9}, 7) == (1, 3)
    with pytest.raises(ValueError, match="0 intervals are wanted"):
        spread_intervals({1: 1.0}, 0)


@given(
    st.dictionaries(st.integers(1, 12), st.sampled_from([0.5, 0.795, 0.8, 0.81, 0.822, 0.9]), min_size=1),
    st.integers(1, 8),
)
@example({1: 0.5, 3: 0.795, 5: 0.795, 9: 0.795, 12: 0.795}, 3)
def test_no_other_choice_of_equally_clear_ones_stands_better_for_the_season(shares, number):
    taken = spread_intervals(shares, number)
    assert len(taken) == min(number, len(shares))
    assert list(taken) == sorted(set(taken))
    least = sorted(shares.values(), reverse=True)[len(taken) - 1]
    certain = {i for i in shares if shares[i] > least + AS_CLEAR + 1e-6}
    never = {i for i in shares if shares[i] < least - AS_CLEAR - 1e-6}
    assert certain <= set(taken)
    assert not never & set(taken)
    distance = lambda some: mean_squared_distance(some, min(shares), max(shares))  # noqa: E731
    others = [c for c in combinations(sorted(set(shares) - never), len(taken)) if certain <= set(c)]
    assert distance(taken) <= min(map(distance, others)) + 1e-6
