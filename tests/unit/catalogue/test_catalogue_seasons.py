"""Season keys, windows and intervals against dates worked by hand; partition keys."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import (
    Interval,
    InvalidPartitionError,
    InvalidSeasonKeyError,
    Partition,
    homologous_key,
    item_intervals,
    season_intervals,
    season_keys_between,
    season_window,
)


def edges(intervals: list[Interval]) -> list[str]:
    return [f"{i.label} {i.start:%m-%d} {i.end:%m-%d}" for i in intervals]


def test_months_are_cut_at_the_dates_of_the_season() -> None:
    assert edges(season_intervals(date(2023, 11, 15), date(2024, 2, 10), "month")) == [
        "t01 11-15 12-01",
        "t02 12-01 01-01",
        "t03 01-01 02-01",
        "t04 02-01 02-10",
    ]


def test_whole_months_are_not_cut() -> None:
    intervals = season_intervals(date(2023, 11, 1), date(2024, 6, 1), "month")
    assert len(intervals) == 7
    assert [i.days for i in intervals] == [30, 31, 31, 29, 31, 30, 31]


def test_dekads_end_with_the_month() -> None:
    assert edges(season_intervals(date(2019, 2, 5), date(2019, 3, 2), "dekad")) == [
        "t01 02-05 02-11",
        "t02 02-11 02-21",
        "t03 02-21 03-01",
        "t04 03-01 03-02",
    ]


def test_sixteen_days_count_from_the_start() -> None:
    assert edges(season_intervals(date(2018, 8, 29), date(2018, 10, 1), "16d")) == [
        "t01 08-29 09-14",
        "t02 09-14 09-30",
        "t03 09-30 10-01",
    ]


@settings(deadline=None)  # machines that run tests are shared
@given(
    start=st.dates(date(1980, 1, 1), date(2040, 1, 1)),
    days=st.integers(1, 400),
    length=st.sampled_from(["month", "dekad", "16d"]),
)
def test_intervals_cover_every_day_once(start: date, days: int, length: str) -> None:
    end = start + timedelta(days=days)
    intervals = season_intervals(start, end, length)  # type: ignore[arg-type]
    assert intervals[0].start == start
    assert intervals[-1].end == end
    assert all(before.end == after.start for before, after in pairwise(intervals))
    assert all(i.days >= 1 for i in intervals)
    assert [i.index for i in intervals] == list(range(1, len(intervals) + 1))


def test_intervals_of_items_are_not_in_the_calendar() -> None:
    with pytest.raises(ValueError, match="items"):
        season_intervals(date(2018, 8, 29), date(2018, 10, 1), "item")


def test_equal_periods_of_two_items_are_one_interval() -> None:
    first, second = (date(2018, 8, 29), date(2018, 9, 14)), (date(2018, 9, 14), date(2018, 9, 30))
    assert item_intervals([second, first, second]) == [Interval(1, *first), Interval(2, *second)]


def test_windows_follow_the_start_months() -> None:
    assert season_window("2018-10") == (date(2018, 10, 1), date(2019, 4, 1))
    assert season_window("2018-04") == (date(2018, 4, 1), date(2018, 10, 1))
    assert season_window("2018-07", (1, 7)) == (date(2018, 7, 1), date(2019, 1, 1))
    assert season_window("2018-01", (1,)) == (date(2018, 1, 1), date(2019, 1, 1))


@pytest.mark.parametrize("key", ["2018-05", "2018-13", "2018-1", "18-10", "2018/10", "", "2018-10 "])
def test_a_key_off_the_calendar_is_refused(key: str) -> None:
    with pytest.raises(InvalidSeasonKeyError, match=f'"{key}"'):
        season_window(key)


def test_a_wrong_month_names_the_keys_of_that_year() -> None:
    with pytest.raises(InvalidSeasonKeyError, match="2018-04, 2018-10"):
        season_window("2018-05")


def test_the_homologous_season_is_one_year_earlier() -> None:
    assert homologous_key("2024-10") == "2023-10"
    assert homologous_key("2024-04", years=3) == "2021-04"
    assert homologous_key("2024-04", years=-1) == "2025-04"


def test_keys_between_include_both_ends_and_gaps() -> None:
    assert season_keys_between("2018-10", "2020-04") == ["2018-10", "2019-04", "2019-10", "2020-04"]
    assert season_keys_between("2018-10", "2018-10") == ["2018-10"]
    assert season_keys_between("2018-10", "2018-04") == []


def test_a_partition_is_written_region_first() -> None:
    partition = Partition("demo-valley", "2023-10")
    assert str(partition) == "demo-valley|2023-10"
    assert partition.directory == "region=demo-valley/season=2023-10"
    assert Partition.from_key("demo-valley|2023-10") == partition


@pytest.mark.parametrize("key", ["demo-valley", "demo-valley|2023-10|x", "2023-10|demo-valley", "|", "../x|2023-10"])
def test_a_text_that_is_no_partition_is_refused(key: str) -> None:
    with pytest.raises(InvalidPartitionError):
        Partition.from_key(key)
