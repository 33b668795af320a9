"""Days before and after a season: the sensor's rhythm, and no day of two seasons."""

from datetime import date

from agristat_platform.catalogue import Season, TimeSeriesSettings
from agristat_platform.simulation.season_padding import padding_days


def test_padding_goes_on_in_the_rhythm_of_the_season(demo_region):
    days = padding_days(demo_region, "2023-10", 10, 2)
    assert days == [date(2023, 10, day) for day in (4, 14, 24)] + [date(2024, 6, day) for day in (10, 20, 30)]


def test_without_padding_there_are_no_days(demo_region):
    bare = demo_region.model_copy(update={"time_series": TimeSeriesSettings(padding_days=0)})
    assert padding_days(bare, "2023-10", 10, 2) == []


def test_a_day_of_another_season_or_nearer_to_it_is_left_to_it(demo_region):
    summer = Season(name={"en": "summer"}, start=date(2024, 6, 15), end=date(2024, 10, 20))
    both = demo_region.model_copy(update={"seasons": {**demo_region.seasons, "2024-04": summer}})
    # from 1 to 14 June: up to 7 June nearer to the season before, then to the one after
    winter, after = padding_days(both, "2023-10", 1, 0), padding_days(both, "2024-04", 1, 0)
    assert [day for day in winter if day.month == 6] == [date(2024, 6, day) for day in range(1, 8)]
    assert [day for day in after if day < summer.start] == [date(2024, 6, day) for day in range(8, 15)]
    next_winter = padding_days(both, "2024-10", 1, 0)
    assert not set(after) & set(next_winter)
