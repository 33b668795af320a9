"""Parcels of seventeen crops over seasons: the same each time, true to their calendars, and worse where a shock makes them so."""

import hashlib

import numpy as np
import pytest

from agristat_platform.simulation.parcel_series import EUROPEAN_CROPS, Shock, simulate_parcel_season

PARCELS = 400
NDVI = 0


@pytest.fixture(scope="module")
def usual():
    return simulate_parcel_season(2023, PARCELS, seed=3)


def shocked(shock):
    return simulate_parcel_season(2023, PARCELS, seed=3, shock=shock)


def test_seventeen_classes_with_shares_of_the_whole():
    assert len({profile.name for profile in EUROPEAN_CROPS}) == 17
    assert sum(profile.share for profile in EUROPEAN_CROPS) == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(usual):
    def digest(season):
        return hashlib.sha256(season.series.tobytes() + "".join(season.labels.tolist()).encode()).hexdigest()

    assert digest(simulate_parcel_season(2023, PARCELS, seed=3)) == digest(usual)
    assert digest(simulate_parcel_season(2023, PARCELS, seed=4)) != digest(usual)
    assert digest(simulate_parcel_season(2022, PARCELS, seed=3)) != digest(usual)


def test_a_tensor_of_23_by_8_and_what_goes_with_each_parcel(usual):
    assert usual.series.shape == (PARCELS, 23, 8)
    assert usual.series.dtype == np.float32
    assert len(usual.labels) == len(usual.places) == len(usual.area_ha) == len(usual.clear_dates) == PARCELS
    missing = np.isnan(usual.series[:, 0, NDVI])
    assert missing.sum() < 0.02 * PARCELS
    assert np.nanmax(usual.series[:, :, NDVI]) < 1.05
    assert len(np.unique(usual.places)) <= 100


@pytest.mark.parametrize(
    ("crop", "months"),
    [("winter_wheat", {4, 5}), ("winter_barley", {4, 5}), ("spring_barley", {5, 6}), ("maize", {6, 7, 8})],
)
def test_crops_are_greenest_when_they_stand(usual, crop, months):
    """Month of the highest mean NDVI, read from the sample's day since 1 October; whole seasons run up to three weeks late or early."""
    days = np.linspace(0, 364, 23)
    mean = np.nanmean(usual.series[usual.labels == crop][:, :, NDVI], axis=0)
    peak = np.datetime64("2022-10-01") + np.timedelta64(int(days[mean.argmax()]), "D")
    reach = {(month + step - 1) % 12 + 1 for month in months for step in (-1, 0, 1)}
    assert int(str(peak)[5:7]) in reach


def test_all_dates_later_are_seen_later(usual):
    late = shocked(Shock(late_days=15.0))
    assert late.labels.tolist() == usual.labels.tolist()
    days = np.linspace(0, 364, 23)
    summer = usual.labels == "maize"

    def rise(season):
        """Mean day on which NDVI first passes 0.5."""
        values = season.series[summer][:, :, NDVI]
        return days[(values > 0.5).argmax(axis=1)].mean()

    assert rise(late) - rise(usual) == pytest.approx(15.0, abs=5.0)  # a sample every 16.5 days


def test_drought_takes_green_away_and_ends_the_season_earlier(usual):
    dry = shocked(Shock(drought=0.5))
    wheat = usual.labels == "winter_wheat"
    before, after = (np.nanmean(season.series[wheat][:, :, NDVI], axis=0) for season in (usual, dry))
    assert after.max() < before.max() - 0.1
    assert (after * np.arange(23)).sum() / after.sum() < (before * np.arange(23)).sum() / before.sum()


def test_nothing_is_seen_in_a_cloud_gap(usual):
    gap = shocked(Shock(cloud_gap=((4, 15), (6, 1))))
    assert gap.clear_dates.mean() < usual.clear_dates.mean() - 2
    assert (gap.clear_dates <= usual.clear_dates).all()


def test_small_parcels_look_like_their_neighbours(usual):
    small = shocked(Shock(small_parcels=True))
    assert small.area_ha.max() < 0.5
    assert small.labels.tolist() == usual.labels.tolist()
    maize, bare = usual.labels == "maize", 5  # nothing but weeds stands on maize land in December

    def unlike(season):
        return np.nanstd(season.series[maize][:, bare, NDVI])

    assert unlike(small) > unlike(usual)
