"""Daily weather of an agricultural year: temperature, rain, soil moisture, and the thermal time that crops go by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from agristat_platform.simulation.noise import Floats
from agristat_platform.simulation.seeding import generator

_DAYS = 540


@dataclass(frozen=True)
class Weather:
    """Daily series from `origin`, the first day of the agricultural year.

    Attributes
    ----------
    temperature_c:
        Daily mean, °C.
    moisture:
        Topsoil moisture, 0 (dry) to 1 (saturated).
    crop_day:
        Thermal time as a day of an average year: on a mild winter it runs ahead of the calendar.
    """

    origin: date
    temperature_c: Floats
    moisture: Floats
    crop_day: Floats

    def position(self, day: date) -> int:
        """Number of the day since `origin`, for indexing the series."""
        return min(max((day - self.origin).days, 0), len(self.crop_day) - 1)


def agricultural_year_start(day: date, *, southern: bool = False) -> date:
    """First day of the agricultural year that `day` is in: 1 September, south of the equator 1 March."""
    month = 3 if southern else 9
    return date(day.year if day.month >= month else day.year - 1, month, 1)


def simulate_weather(seed: int, season_start: date, latitude: float, shift_days: float | None) -> Weather:
    """Weather of the agricultural year of a season.

    Parameters
    ----------
    latitude:
        Degrees; sets the mean and the amplitude of temperature.
    shift_days:
        Days by which crops are late on top of what the temperatures do; None: drawn (standard deviation 6 days).
    """
    southern = latitude < 0
    origin = agricultural_year_start(season_start, southern=southern)
    rng = generator(seed, "weather", origin.isoformat())
    average = _average_temperature(origin, latitude)
    noise = np.zeros(_DAYS)
    shocks = rng.normal(0.0, 1.5, _DAYS)
    for i in range(1, _DAYS):
        noise[i] = 0.8 * noise[i - 1] + shocks[i]
    temperature = average + rng.normal(0.0, 0.5) + noise
    drawn = rng.normal(0.0, 6.0)
    late = drawn if shift_days is None else shift_days
    warmth = np.cumsum(np.maximum(temperature, 0.5))
    usual = np.cumsum(np.maximum(average, 0.5))
    crop_day = np.interp(warmth, usual, np.arange(_DAYS, dtype=np.float64)) - late
    return Weather(origin, temperature, _soil_moisture(rng, temperature), crop_day)


def _average_temperature(origin: date, latitude: float) -> Floats:
    day_of_year = np.array([(origin + timedelta(days=i)).timetuple().tm_yday for i in range(_DAYS)], dtype=np.float64)
    warmest = 205.0 if latitude >= 0 else 22.0
    mean, amplitude = 26.0 - 0.32 * abs(latitude), 2.0 + 0.17 * abs(latitude)
    return np.asarray(mean + amplitude * np.cos(2 * np.pi * (day_of_year - warmest) / 365.25))


def _soil_moisture(rng: np.random.Generator, temperature: Floats) -> Floats:
    """A bucket filled by rain (two-state Markov chain, gamma depths) and emptied faster when it is warm."""
    moisture = np.empty(len(temperature))
    wet, water = False, 0.35
    for i, (u, depth) in enumerate(
        zip(rng.random(len(temperature)), rng.gamma(0.9, 7.0, len(temperature)), strict=True)
    ):
        wet = u < (0.58 if wet else 0.15)
        loss = 0.045 + 0.006 * max(float(temperature[i]), 0.0)
        water = water * (1.0 - loss) + (float(depth) / 22.0 if wet else 0.0)
        water = min(max(water, 0.03), 1.0)
        moisture[i] = water
    return moisture


def days_between(start: date, end: date, step: int, offset: int) -> list[date]:
    """Days from `start` + `offset` on, every `step` days, before `end`."""
    count = (end - start).days
    return [start + timedelta(days=i) for i in range(offset, count, step)]
