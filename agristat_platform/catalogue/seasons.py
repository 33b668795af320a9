"""The season calendar: keys, dates, local names and the intervals a season is cut into. No imagery in here.

The world's agricultural calendar is cut at fixed months (1 April and 1 October by default), and a season is named by
the window it belongs to: `2018-10` is the window from October 2018 to March 2019. The dates a region's crops really
stand in the field are the season's own and may reach over the window's ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agristat_platform.catalogue.errors import InvalidSeasonKeyError
from agristat_platform.catalogue.partition import SEASON_KEY

DEFAULT_START_MONTHS = (4, 10)
LONGEST_SEASON_DAYS = 400  # a crop year with some weeks on either side
IntervalLength = Literal["month", "dekad", "16d", "5d", "item"]


def _language_codes(names: dict[str, str]) -> dict[str, str]:
    for language, name in names.items():
        if len(language) != 2 or not language.isascii() or not language.islower():
            raise ValueError(f'"{language}" is not a language code; use two small letters such as en or es')
        if not name.strip():
            raise ValueError(f"the name in language {language} is empty")
    return names


Names = Annotated[dict[str, str], Field(min_length=1), AfterValidator(_language_codes)]
"""Names by ISO 639-1 language code, e.g. `{en: Winter wheat, es: Trigo de invierno}`."""


def _date_from_text(value: object) -> object:
    """A date in quotes is text to YAML, and a date all the same."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return value
    return value


Day = Annotated[date, BeforeValidator(_date_from_text)]


class Season(BaseModel):
    """One season of one region: what people there call it and when it is.

    `start` is its first day, `end` the first day after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Names
    start: Day
    end: Day

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Season:
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        if (self.end - self.start).days > LONGEST_SEASON_DAYS:
            raise ValueError(f"{self.start} to {self.end} is more than {LONGEST_SEASON_DAYS} days")
        return self


@dataclass(frozen=True, order=True)
class Interval:
    """A step of a season's time axis: `index` from 1, `start` its first day, `end` the first day after it."""

    index: int
    start: date
    end: date

    @property
    def label(self) -> str:
        """Name in columns and layers: t01, t02, …"""
        return f"t{self.index:02d}"

    @property
    def days(self) -> int:
        """Length in days."""
        return (self.end - self.start).days


def season_window(key: str, start_months: Sequence[int] = DEFAULT_START_MONTHS) -> tuple[date, date]:
    """Return the calendar window of a season key: its first day and the first day after it.

    Parameters
    ----------
    key:
        `YYYY-MM`.
    start_months:
        Months in which windows start, 1 to 12.

    Raises
    ------
    InvalidSeasonKeyError
        Not of this form, or the month starts no window.
    """
    months = sorted(start_months)
    year, month = _split_key(key)
    if month not in months:
        allowed = ", ".join(f"{year:04d}-{start:02d}" for start in months)
        raise InvalidSeasonKeyError(f'"{key}" is not a season key', remedy=f"Keys of that year are: {allowed}")
    following = months.index(month) + 1
    if following < len(months):
        return date(year, month, 1), date(year, months[following], 1)
    return date(year, month, 1), date(year + 1, months[0], 1)


def homologous_key(key: str, years: int = 1) -> str:
    """Return the key of the same season `years` earlier (later when negative)."""
    year, month = _split_key(key)
    return f"{year - years:04d}-{month:02d}"


def season_keys_between(first: str, last: str, start_months: Sequence[int] = DEFAULT_START_MONTHS) -> list[str]:
    """Return all season keys of the calendar from `first` to `last`, both included, oldest first."""
    season_window(first, start_months)
    season_window(last, start_months)
    years = range(int(first[:4]), int(last[:4]) + 1)
    keys = [f"{year:04d}-{month:02d}" for year in years for month in sorted(start_months)]
    return [key for key in keys if first <= key <= last]


def season_intervals(start: date, end: date, length: IntervalLength) -> list[Interval]:
    """Cut the days from `start` (included) to `end` (excluded) into intervals without gap or overlap.

    Parameters
    ----------
    length:
        `month`: calendar months; `dekad`: days 1–10, 11–20 and 21–end of each month; `16d` and
        `5d`: sixteen or five days each, counted from `start`. First and last interval are cut at the season's dates.

    Raises
    ------
    ValueError
        `length` is `item`: those intervals come from the imagery, see `item_intervals`.
    """
    cuts = [day for day in _interval_starts(start, end, length) if start < day < end]
    edges = [start, *cuts, end]
    return [Interval(i + 1, edges[i], edges[i + 1]) for i in range(len(edges) - 1)]


def item_intervals(periods: Iterable[tuple[date, date]]) -> list[Interval]:
    """Number the periods of composite items, oldest first; equal periods (of two bands or tiles) count once.

    Parameters
    ----------
    periods:
        (first day, first day after it) of each item.
    """
    return [Interval(i + 1, start, end) for i, (start, end) in enumerate(sorted(set(periods)))]


def _interval_starts(start: date, end: date, length: IntervalLength) -> list[date]:
    days = [start + timedelta(days=i) for i in range((end - start).days)]
    if length == "month":
        return [day for day in days if day.day == 1]
    if length == "dekad":
        return [day for day in days if day.day in (1, 11, 21)]
    if length in ("16d", "5d"):
        return days[:: int(length.removesuffix("d"))]
    raise ValueError("intervals of length item come from the imagery's items, not from the calendar")


def _split_key(key: str) -> tuple[int, int]:
    if not SEASON_KEY.fullmatch(key):
        raise InvalidSeasonKeyError(f'"{key}" is not a season key', remedy="Use year and month, such as 2023-10")
    return int(key[:4]), int(key[5:])
