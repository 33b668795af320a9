"""One season of labelled parcels: crops, canopies, what overpasses see of them through cloud and mixed pixels, and the tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import shapely

from agristat_platform.catalogue import Crop, SimulationSettings
from agristat_platform.features import TENSOR_INDICES, spectral_indices
from agristat_platform.simulation.canopy import canopy_state, parcel_reflectance, parcel_traits
from agristat_platform.simulation.noise import Floats, smooth_field_at
from agristat_platform.simulation.parcel_series.european_crops import EUROPEAN_CROPS
from agristat_platform.simulation.profiles import BANDS, Profile
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.weather import Weather, simulate_weather
from agristat_platform.timeseries import season_grid, smooth_to_grid

LATITUDE = 48.5
SAMPLES = 23
SMOOTHING = 10.0  # the platform's default λ
PLACE_M = 10_000.0
_SIDE_M = 100_000.0  # of the square in which the parcels lie
_OVERPASS_DAYS = 5
_PIXEL_M = 10.0
_HAZE_SHARE = 0.03


@dataclass(frozen=True)
class Shock:
    """What befalls a season, on top of its weather.

    Attributes
    ----------
    late_days:
        Every crop's dates are later by so many days (negative: earlier).
    drought:
        0 to 1: share of the canopy lost at most, parcel by parcel between half of it and all of it; at 1/3, ripening comes ten
        days early and topsoils are dry from April on.
    cloud_gap:
        First day and day after the last on which nothing is seen, (month, day) each; None: no gap.
    small_parcels:
        All parcels are below half a hectare.
    """

    late_days: float = 0.0
    drought: float = 0.0
    cloud_gap: tuple[tuple[int, int], tuple[int, int]] | None = None
    small_parcels: bool = False


@dataclass(frozen=True)
class ParcelSeason:
    """Parcels of one season.

    Attributes
    ----------
    series: (n, 23, 8) float32, `features.TENSOR_INDICES` at even positions of the season; NaN where too little was seen.
    labels: (n,) str, names of profiles.
    places: (n,) str, squares of 10 km; the same in every season.
    area_ha: (n,) float64.
    clear_dates: (n,) int64, dates on which the parcel was seen in the season and its padding.
    """

    series: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]
    places: npt.NDArray[np.str_]
    area_ha: Floats
    clear_dates: npt.NDArray[np.int64]


def simulate_parcel_season(
    year: int, parcels: int, *, seed: int = 0, crops: Sequence[Profile] = EUROPEAN_CROPS, shock: Shock | None = None
) -> ParcelSeason:
    """Simulate the season from 1 October of the year before to 30 September of `year`.

    Crops go by thermal time of the season's own weather, on top of which each season is late or early (standard deviation six
    days). Sentinel-2 passes every five days; a third of the passes over a parcel are clear, fewer in winter; haze that the mask
    leaves, an error of each date's radiometry and mixed pixels at the parcel's border (half a neighbour's signal, by perimeter)
    are in the bands before indices and the platform's own smoothing are computed.

    Parameters
    ----------
    parcels:
        How many to draw, independently in each season.
    crops:
        Profiles with their shares.
    shock:
        None: none.

    Notes
    -----
    Simulated: figures from it are to be labelled so.
    """
    key, shock = f"{year}", shock or Shock()
    settings = SimulationSettings(seed=seed)
    rng = generator(seed, "parcel series", key)
    drawn = _draw_parcels(rng, parcels, crops)
    weather = _shocked(simulate_weather(seed, date(year - 1, 9, 1), LATITUDE, None), year, shock)
    traits = parcel_traits(drawn, settings, key)
    if shock.drought:
        lost = shock.drought * generator(seed, "drought", key).uniform(0.5, 1.0, parcels)
        traits.vigour[:] *= 1.0 - lost
    area = _areas(rng, parcels, small=shock.small_parcels)
    neighbour = rng.permutation(parcels)
    mixed = np.clip(0.5 * 4.0 * _PIXEL_M / np.sqrt(area * 10_000.0), 0.0, 0.5)
    days = _overpasses(year)
    seen = _clear(rng, drawn, days, shock, year)
    bands = np.full((len(days), parcels, len(BANDS)), np.nan)
    for i, day in enumerate(days):
        at = weather.position(day)
        state = canopy_state(drawn, traits, float(weather.crop_day[at]))
        pure = parcel_reflectance(drawn, traits, state, float(weather.moisture[at])).mean.astype(np.float64)
        whole = (1.0 - mixed[:, None]) * pure + mixed[:, None] * pure[neighbour]
        bands[i] = np.where(seen[i][:, None], _measured(rng, whole), np.nan)
    x, y = drawn.centres
    places = np.array([f"r{row}c{column}" for row, column in zip(y // PLACE_M, x // PLACE_M, strict=True)])
    names = np.array([profile.name for profile in crops])[drawn.crop]
    return ParcelSeason(_tensor(days, bands, year), names, places, area, seen.sum(axis=0))


def _draw_parcels(rng: np.random.Generator, n: int, crops: Sequence[Profile]) -> SeasonParcels:
    shares = np.array([profile.share for profile in crops])
    crop = rng.choice(len(crops), size=n, p=shares / shares.sum()).astype(np.int16)
    points = shapely.points(rng.uniform(0.0, _SIDE_M, (n, 2)))
    classes = tuple(
        (
            Crop(code=profile.name.upper(), class_id=i, name={"en": profile.name}, cultivated=True, colour="#808080"),
            profile,
        )
        for i, profile in enumerate(crops, start=1)
    )
    names = np.array([f"p{i}" for i in range(n)], dtype=object)
    cover = np.array([profile.cover for profile in crops], dtype=np.int8)[crop]
    return SeasonParcels(classes, names, points, cover, np.zeros(n, np.int32), crop)


def _areas(rng: np.random.Generator, n: int, *, small: bool) -> Floats:
    if small:
        return np.asarray(rng.uniform(0.08, 0.5, n))
    return np.asarray(np.clip(rng.lognormal(np.log(2.2), 0.9, n), 0.1, 60.0))


def _shocked(weather: Weather, year: int, shock: Shock) -> Weather:
    """The weather with crops late, and with ripening brought forward and soils dry where there is drought."""
    days = np.arange(len(weather.crop_day), dtype=np.float64)
    spring = float((date(year, 4, 1) - weather.origin).days)
    onset = 1.0 / (1.0 + np.exp(-(days - spring - 45.0) / 12.0))
    crop_day = weather.crop_day - shock.late_days + 30.0 * shock.drought * onset
    moisture = np.where((days >= spring) & (shock.drought > 0), np.minimum(weather.moisture, 0.08), weather.moisture)
    return Weather(weather.origin, weather.temperature_c, moisture, crop_day)


def _overpasses(year: int) -> list[date]:
    """Days from a month before the season to a month after it."""
    first, last = date(year - 1, 9, 2), date(year, 10, 31)
    return [first + timedelta(days=i) for i in range(0, (last - first).days + 1, _OVERPASS_DAYS)]


def _clear(
    rng: np.random.Generator, parcels: SeasonParcels, days: Sequence[date], shock: Shock, year: int
) -> npt.NDArray[np.bool_]:
    """Which parcel is seen on which day, (days, n): cloud comes in fields of some 15 km, and oftener in winter."""
    x, y = parcels.centres
    seen = np.zeros((len(days), len(x)), dtype=bool)
    for i, day in enumerate(days):
        usual = 0.38 + 0.14 * np.cos(2 * np.pi * (day.timetuple().tm_yday - 200) / 365.25)
        share = float(rng.beta(4.0 * usual, 4.0 * (1.0 - usual)))
        field = smooth_field_at(rng, x, y, 15_000.0, waves=24)
        seen[i] = field <= np.quantile(field, share)
        if shock.cloud_gap is not None:
            start, end = (date(year, *limit) for limit in shock.cloud_gap)
            seen[i] &= not start <= day < end
    return seen


def _measured(rng: np.random.Generator, reflectance: Floats) -> Floats:
    """Reflectance as delivered: an error of the date in each band, one of the parcel, and thin haze now and then."""
    n, bands = reflectance.shape
    gain = 1.0 + 0.02 * rng.standard_normal() + 0.01 * rng.standard_normal(bands)
    offset = 0.003 * rng.standard_normal(bands)
    own = 1.0 + 0.02 * rng.standard_normal((n, bands))
    haze = np.where(rng.random(n) < _HAZE_SHARE, rng.uniform(0.02, 0.10, n), 0.0)
    thinner = np.array([1.0, 0.9, 0.8, 0.55, 0.25, 0.15])  # aerosol and cirrus brighten short waves most
    return np.asarray(np.clip(reflectance * gain * own + offset + haze[:, None] * thinner, 0.001, 1.0))


def _tensor(days: Sequence[date], bands: Floats, year: int) -> npt.NDArray[np.float32]:
    """Indices of the overpasses, smoothed to the season's samples: (n, 23, 8)."""
    grid = season_grid(date(year - 1, 10, 1), date(year, 10, 1), n_samples=SAMPLES)
    by_name = {name: bands[:, :, i].astype(np.float32) for i, name in enumerate(BANDS)}
    indices = spectral_indices(by_name, TENSOR_INDICES, collection="sentinel-2-l2a")
    curves = [
        smooth_to_grid(list(days), indices[name].T, None, grid, smoothing=SMOOTHING).values for name in TENSOR_INDICES
    ]
    return np.stack(curves, axis=2).astype(np.float32)
