"""Weather moves the crops' calendar; canopies rise and fall; signals follow from what stands on the ground."""

from datetime import date

import numpy as np
import pytest

from agristat_platform.simulation.canopy import (
    canopy_state,
    parcel_backscatter,
    parcel_reflectance,
    parcel_traits,
    surface_temperature_k,
)
from agristat_platform.simulation.errors import UnknownCoverError
from agristat_platform.simulation.landscape import build_landscape
from agristat_platform.simulation.profiles import PROFILES, SOIL, crops_by_cover
from agristat_platform.simulation.rotation import parcels_of_season
from agristat_platform.simulation.weather import agricultural_year_start, days_between, simulate_weather

EXTENT = (250_000.0, 4_600_000.0, 253_000.0, 4_603_000.0)


@pytest.fixture(scope="module")
def season(demo_region, nomenclature):
    settings = demo_region.simulation
    parcels = parcels_of_season(build_landscape(EXTENT, settings), nomenclature, settings, ["2023-10"], "2023-10")
    return parcels, parcel_traits(parcels, settings, "2023-10")


def _of(parcels, name):
    names = np.array([profile.name for _, profile in parcels.classes])
    return names[parcels.crop] == name


def test_the_agricultural_year_starts_in_september_and_in_march_south_of_the_equator():
    assert agricultural_year_start(date(2024, 2, 1)) == date(2023, 9, 1)
    assert agricultural_year_start(date(2023, 9, 1)) == date(2023, 9, 1)
    assert agricultural_year_start(date(2023, 11, 1), southern=True) == date(2023, 3, 1)


def test_a_shift_moves_thermal_time_by_as_many_days():
    early = simulate_weather(1, date(2023, 11, 1), 41.6, -5.0)
    late = simulate_weather(1, date(2023, 11, 1), 41.6, 4.0)
    assert np.allclose(early.crop_day - late.crop_day, 9.0)
    assert np.array_equal(early.temperature_c, late.temperature_c)


def test_weather_is_plausible():
    weather = simulate_weather(1, date(2023, 11, 1), 41.6, 0.0)
    january, july = weather.position(date(2024, 1, 15)), weather.position(date(2024, 7, 15))
    assert weather.temperature_c[january - 15 : january + 15].mean() < 9
    assert weather.temperature_c[july - 15 : july + 15].mean() > 18
    assert np.all((weather.moisture > 0) & (weather.moisture <= 1))
    assert np.all(np.diff(weather.crop_day) >= 0)


def test_days_between_excludes_the_end():
    assert days_between(date(2024, 1, 1), date(2024, 1, 21), 10, 0) == [date(2024, 1, 1), date(2024, 1, 11)]


def test_winter_wheat_is_green_in_april_and_dry_in_july(season):
    parcels, traits = season
    wheat = _of(parcels, "winter_wheat")
    assert canopy_state(parcels, traits, 60).green[wheat].mean() < 0.1
    assert canopy_state(parcels, traits, 235).green[wheat].mean() > 0.75
    ripe = canopy_state(parcels, traits, 305)
    assert ripe.green[wheat].mean() < 0.1
    assert ripe.dry[wheat].mean() > 0.5


def test_cover_shares_never_exceed_the_ground(season):
    parcels, traits = season
    for day in range(0, 330, 15):
        state = canopy_state(parcels, traits, day)
        total = state.green + state.flowers + state.dry
        assert np.all((total >= -1e-12) & (total <= 1 + 1e-12))
        assert np.all(state.green >= 0)


def test_a_mown_alfalfa_drops_and_comes_back(season):
    parcels, traits = season
    rows = _of(parcels, "alfalfa") & (np.abs(traits.late_days) < 3)
    before, after, back = (canopy_state(parcels, traits, day).green[rows].mean() for day in (222, 234, 255))
    assert after < 0.6 * before
    assert back > 0.85 * before


def test_bare_dry_soil_reflects_as_soil_and_wet_soil_is_darker(season):
    parcels, traits = season
    maize = _of(parcels, "maize")
    state = canopy_state(parcels, traits, 210)  # tilled, not yet emerged
    dry = parcel_reflectance(parcels, traits, state, 0.0).mean[maize]
    wet = parcel_reflectance(parcels, traits, state, 1.0).mean[maize]
    assert dry.mean(axis=0) == pytest.approx(np.array(SOIL) * traits.soil[maize].mean(), rel=0.05)
    assert np.all(wet < dry)


def test_flowering_rapeseed_is_yellow(season):
    parcels, traits = season
    rows = _of(parcels, "rapeseed")
    flower = parcel_reflectance(parcels, traits, canopy_state(parcels, traits, 222), 0.3).mean[rows]
    leaves = parcel_reflectance(parcels, traits, canopy_state(parcels, traits, 190), 0.3).mean[rows]
    assert flower[:, 2].mean() > 1.5 * leaves[:, 2].mean()
    assert flower[:, 1].mean() > flower[:, 0].mean() * 2


def test_radar_sees_rain_on_bare_soil_more_than_under_a_canopy(season):
    parcels, traits = season
    state = canopy_state(parcels, traits, 210)
    dry, wet = (10 * np.log10(parcel_backscatter(parcels, traits, state, m)[0]) for m in (0.1, 0.8))
    assert (wet - dry)[_of(parcels, "maize")].mean() == pytest.approx(6.5 * 0.7, abs=0.2)
    assert (wet - dry)[_of(parcels, "winter_wheat")].mean() < 2.5


def test_leaves_are_cooler_than_bare_soil(season):
    parcels, traits = season
    kelvin = surface_temperature_k(parcels, canopy_state(parcels, traits, 235), 15.0, 0.2, 0.85)
    assert kelvin[_of(parcels, "maize")].mean() > kelvin[_of(parcels, "winter_wheat")].mean() + 5
    assert kelvin[_of(parcels, "built_up")].mean() > kelvin[_of(parcels, "water")].mean() + 5
    assert 280 < kelvin.min() < kelvin.max() < 325


def test_yield_follows_vigour_but_not_wholly(season):
    parcels, traits = season
    wheat = _of(parcels, "winter_wheat")
    correlation = np.corrcoef(np.log(traits.vigour[wheat]), np.log(traits.yield_t_ha[wheat]))[0, 1]
    assert 0.6 < correlation < 0.97
    assert np.isnan(traits.yield_t_ha[_of(parcels, "fallow")]).all()


def test_a_crop_without_a_profile_is_named(nomenclature):
    crops = tuple(c.model_copy(update={"lucas": None}) if c.code == "VET" else c for c in nomenclature.crops)
    with pytest.raises(UnknownCoverError, match=r"crop VET.*profiles in the region file; there are: winter_wheat"):
        crops_by_cover(nomenclature.model_copy(update={"crops": crops}), {})


def test_a_nomenclature_without_water_is_refused(nomenclature, demo_region):
    dry = nomenclature.model_copy(update={"crops": tuple(c for c in nomenclature.crops if c.code != "WAT")})
    with pytest.raises(UnknownCoverError, match="no class for water"):
        crops_by_cover(dry, demo_region.simulation.profiles)


def test_a_profile_that_does_not_exist_is_named(nomenclature, demo_region):
    with pytest.raises(UnknownCoverError, match="'wheatt' is none"):
        crops_by_cover(nomenclature, demo_region.simulation.profiles | {"WHE": "wheatt"})


def test_profiles_are_physical():
    for profile in PROFILES.values():
        assert all(0 < value < 1 for value in profile.green)
        assert sum(gain for gain, _, _ in profile.rises) <= 1.0
