"""The landscape is an exact partition with parcels of the wanted sizes; crops rotate on it."""

import numpy as np
import pytest
import shapely

from agristat_platform.simulation.landscape import Cover, build_landscape
from agristat_platform.simulation.rotation import parcels_of_season

EXTENT = (250_000.0, 4_600_000.0, 255_000.0, 4_605_000.0)
SEASONS = ["2023-10", "2024-10", "2025-10"]


@pytest.fixture(scope="module")
def landscape(demo_region):
    return build_landscape(EXTENT, demo_region.simulation)


def _season(landscape, nomenclature, demo_region, season, **changes):
    settings = demo_region.simulation.model_copy(update=changes)
    return parcels_of_season(landscape, nomenclature, settings, SEASONS, season)


def test_polygons_cover_the_extent_without_overlap(landscape):
    assert shapely.area(landscape.geometries).sum() == pytest.approx(25e6, abs=1e-2)
    assert shapely.union_all(landscape.geometries).area == pytest.approx(25e6, abs=1e-2)


def test_parcels_have_the_wanted_sizes(landscape, demo_region):
    settings = demo_region.simulation
    hectares = shapely.area(landscape.geometries[landscape.cover == Cover.CROP]) / 1e4
    assert hectares.mean() == pytest.approx(settings.mean_parcel_ha, rel=0.2)
    assert np.mean(hectares < 0.5) == pytest.approx(settings.small_parcel_share, abs=0.09)
    assert hectares.sum() / 2500 == pytest.approx(settings.cultivated_share, abs=0.05)


def test_every_kind_of_cover_is_there_and_parcels_are_plain_polygons(landscape):
    assert set(landscape.cover) == {int(cover) for cover in Cover}
    fields = landscape.geometries[landscape.cover == Cover.CROP]
    assert set(shapely.get_type_id(fields)) == {3}
    assert shapely.is_valid(landscape.geometries).all()


def test_the_same_seed_gives_the_same_land_and_another_seed_another(demo_region, landscape):
    again = build_landscape(EXTENT, demo_region.simulation)
    assert np.array_equal(shapely.to_wkb(again.geometries), shapely.to_wkb(landscape.geometries))
    other = build_landscape(EXTENT, demo_region.simulation.model_copy(update={"seed": 7}))
    assert shapely.to_wkb(other.geometries[0]) != shapely.to_wkb(landscape.geometries[0])


def test_mean_parcel_size_follows_the_setting(demo_region):
    settings = demo_region.simulation.model_copy(update={"mean_parcel_ha": 1.2, "small_parcel_share": 0.3})
    land = build_landscape(EXTENT, settings)
    hectares = shapely.area(land.geometries[land.cover == Cover.CROP]) / 1e4
    assert hectares.mean() == pytest.approx(1.2, rel=0.25)
    assert np.mean(hectares < 0.5) > 0.2


def test_a_season_stays_an_exact_partition_after_merges_and_splits(landscape, nomenclature, demo_region):
    first = _season(landscape, nomenclature, demo_region, "2023-10")
    third = _season(landscape, nomenclature, demo_region, "2025-10")
    assert list(first.identifiers) == list(landscape.identifiers)
    assert shapely.area(third.geometries).sum() == pytest.approx(25e6, abs=1e-2)
    assert shapely.union_all(third.geometries).area == pytest.approx(25e6, abs=1e-2)
    assert len(set(third.identifiers)) == len(third.identifiers)
    merged = [name for name in third.identifiers if "+" in name]
    split = [name for name in third.identifiers if name[-1] in "ab"]
    fields = np.count_nonzero(first.cover == Cover.CROP)
    assert len(merged) == pytest.approx(2 * 0.01 * fields, rel=0.3)
    assert len(split) >= 2 * 0.02 * fields


def test_crops_follow_from_the_season_before(landscape, nomenclature, demo_region):
    still = {"merged_share": 0.0, "split_share": 0.0}
    first = _season(landscape, nomenclature, demo_region, "2023-10", **still)
    second = _season(landscape, nomenclature, demo_region, "2024-10", **still)
    names = np.array([profile.name for _, profile in first.classes])
    before, after = names[first.crop], names[second.crop]
    alfalfa, rapeseed = before == "alfalfa", before == "rapeseed"
    assert np.mean(after[alfalfa] == "alfalfa") > 5 * np.mean(after == "alfalfa")
    assert np.mean(after[rapeseed] == "rapeseed") < 0.3 * np.mean(after == "rapeseed")
    lasting = first.cover != Cover.CROP
    assert np.array_equal(before[lasting], after[lasting])


def test_crop_shares_can_be_set(landscape, nomenclature, demo_region):
    parcels = _season(landscape, nomenclature, demo_region, "2023-10", crop_shares={"WHE": 0.7, "BAR": 0.3})
    codes = {crop.code for crop, profile in parcels.classes if profile.cover is Cover.CROP}
    grown = {parcels.classes[i][0].code for i in set(parcels.crop[parcels.cover == Cover.CROP])}
    assert {"WHE", "BAR"} <= grown
    assert grown <= codes
    wheat = next(i for i, (crop, _) in enumerate(parcels.classes) if crop.code == "WHE")
    assert np.mean(parcels.crop[parcels.cover == Cover.CROP] == wheat) > 0.4


def test_neighbouring_parcels_tend_to_carry_the_same_crop(landscape, nomenclature, demo_region):
    parcels = _season(landscape, nomenclature, demo_region, "2023-10")
    fields = np.flatnonzero(parcels.cover == Cover.CROP)
    a, b = shapely.STRtree(parcels.geometries[fields]).query(parcels.geometries[fields], "dwithin", 5.0)
    near = a != b
    crop = parcels.crop[fields]
    shares = np.bincount(crop) / len(crop)
    assert np.mean(crop[a[near]] == crop[b[near]]) > 1.25 * np.sum(shares**2)
