"""Scenes on disk: COGs and items as real catalogues have them, and pixels that agree with the land below."""

import json
from collections import Counter

import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import shapely
from rasterio.warp import reproject

from agristat_platform.simulation.clouds import cloud_fields, skies
from agristat_platform.simulation.landscape import Cover
from agristat_platform.simulation.profiles import DRY_PLANTS, PROFILES, SOIL
from agristat_platform.simulation.scene_grids import _mgrs_square, sensor_grids
from agristat_platform.simulation.weather import days_between


@pytest.fixture(scope="module")
def items(prepared):
    paths = sorted(prepared.archive.items_directory.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _of(items, collection, season=None):
    return [
        item
        for item in items
        if item["collection"] == collection and season in (None, item["properties"]["agristat:season"])
    ]


def _read(item, asset):
    with rasterio.open(item["assets"][asset]["href"]) as dataset:
        return dataset.read(1)


def _physical(item, asset):
    band = item["assets"][asset]["raster:bands"][0]
    dn = _read(item, asset).astype(np.float64)
    return np.where(dn == 0, np.nan, dn * band["scale"] + band["offset"])


def test_three_sensors_over_two_utm_zones(items):
    optical = _of(items, "sentinel-2-l2a")
    assert Counter(item["properties"]["grid:code"] for item in optical).keys() == {"MGRS-29TQG", "MGRS-30TTM"}
    assert {item["properties"]["proj:code"] for item in optical} == {"EPSG:32629", "EPSG:32630"}
    assert 34 <= len(_of(items, "sentinel-1-rtc")) <= 36
    assert 24 <= len(_of(items, "landsat-c2-l2")) <= 28


def test_items_are_stac_and_say_that_they_are_simulated(items, small_region):
    aoi = small_region.aoi_geometry()
    assert len({item["id"] for item in items}) == len(items)
    for content in items:
        item = pystac.Item.from_dict(content)
        assert item.datetime is not None
        assert content["properties"]["agristat:simulated"] is True
        outline = shapely.geometry.shape(content["geometry"])
        assert outline.is_valid
        assert outline.exterior.is_ccw
        assert outline.bounds == pytest.approx(content["bbox"], abs=1e-6)
        assert outline.intersects(aoi)
        versions = [uri for uri in content["stac_extensions"] if "projection" in uri]
        assert ("v2" in versions[0]) == ("proj:code" in content["properties"])


def test_every_asset_is_a_cloud_optimised_geotiff_where_its_item_says(items):
    for item in items:
        code = item["properties"].get("proj:code") or f"EPSG:{item['properties']['proj:epsg']}"
        for name, asset in item["assets"].items():
            with rasterio.open(asset["href"]) as dataset:
                assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG", name
                assert dataset.tags()["AGRISTAT_SIMULATED"] == "YES"
                assert dataset.crs == rasterio.crs.CRS.from_string(code)
                assert list(dataset.shape) == asset["proj:shape"]
                assert list(dataset.transform)[:6] == asset["proj:transform"]
                assert dataset.dtypes[0] == asset["raster:bands"][0]["data_type"]
                nodata = asset["raster:bands"][0]["nodata"]
                assert np.isnan(dataset.nodata) if nodata == "nan" else dataset.nodata == nodata
                outline = shapely.box(*dataset.bounds)
            shape = shapely.geometry.shape(item["geometry"])
            to_lonlat = pyproj.Transformer.from_crs(code, "EPSG:4326", always_xy=True)
            corners = shapely.transform(shapely.segmentize(outline, 50), to_lonlat.transform, interleaved=False)
            assert shape.difference(corners.buffer(1e-5)).is_empty


def test_offsets_follow_the_processing_baseline(items):
    baselines = set()
    for item in _of(items, "sentinel-2-l2a"):
        baseline = item["properties"]["s2:processing_baseline"]
        baselines.add(baseline)
        offset = item["assets"]["red"]["raster:bands"][0]["offset"]
        assert offset == (0.0 if baseline == "03.01" else -0.1)
        assert item["properties"]["earthsearch:boa_offset_applied"] is False
        water = _read(item, "scl") == 6
        if water.any():
            nir = _physical(item, "nir").reshape(water.shape[0], 2, water.shape[1], 2).mean(axis=(1, 3))
            assert np.nanmedian(nir[water]) < 0.12
    assert {"03.01", "05.10", "05.11"} <= baselines


def test_a_reprocessed_scene_comes_twice_with_the_same_ground(items):
    by_take = {}
    for item in _of(items, "sentinel-2-l2a"):
        take = (item["properties"]["s2:datatake_id"].rsplit("_N", 1)[0], item["properties"]["grid:code"])
        by_take.setdefault(take, []).append(item)
    doubles = [pair for pair in by_take.values() if len(pair) > 1]
    assert len(doubles) == 4  # one date, two tiles, in each of two seasons
    for old, new in doubles:
        assert old["properties"]["s2:processing_baseline"] < new["properties"]["s2:processing_baseline"]
        assert old["properties"]["s2:generation_time"] < new["properties"]["s2:generation_time"]
        before, after = _physical(old, "red"), _physical(new, "red")
        assert 0 < np.nanmean(after - before) < 0.001
        assert np.nanmax(np.abs(after - before)) < 0.006


def test_tiles_of_two_zones_see_the_same_land_where_they_overlap(items):
    clear = [
        item
        for item in _of(items, "sentinel-2-l2a", "2024-10")
        if not np.isin(_read(item, "scl"), (0, 3, 8, 9, 10)).any()
    ]
    by_time = {}
    for item in clear:
        by_time.setdefault(item["properties"]["s2:datatake_id"], {})[item["properties"]["grid:code"][5:]] = item
    pair = next(tiles for tiles in by_time.values() if len(tiles) == 2)
    west, east = pair["29TQG"], pair["30TTM"]
    with rasterio.open(west["assets"]["nir"]["href"]) as source, rasterio.open(east["assets"]["nir"]["href"]) as target:
        warped = np.zeros(target.shape, dtype=np.uint16)
        reproject(rasterio.band(source, 1), warped, dst_transform=target.transform, dst_crs=target.crs, resampling=1)
        there = target.read(1)
    both = (warped > 0) & (there > 0)
    assert both.mean() > 0.1
    assert np.corrcoef(warped[both], there[both])[0, 1] > 0.93


def test_the_mask_finds_clouds_and_shadows(items):
    bright, dark, land = [], [], []
    for item in _of(items, "sentinel-2-l2a"):
        scl = _read(item, "scl")
        red, nir = (_physical(item, band)[::2, ::2] for band in ("red", "nir"))
        bright.append(red[scl == 9])
        dark.append(nir[scl == 3])
        land.append(nir[np.isin(scl, (4, 5))])
    assert np.median(np.concatenate(bright)) > 0.4
    assert np.median(np.concatenate(dark)) < 0.8 * np.median(np.concatenate(land))


def test_cloud_cover_of_the_metadata_is_not_that_of_the_area(items):
    stated, true = [], []
    for item in _of(items, "sentinel-2-l2a"):
        scl = _read(item, "scl")
        stated.append(item["properties"]["eo:cloud_cover"])
        true.append(100 * np.isin(scl[scl > 0], (8, 9, 10)).mean())
    differences = np.abs(np.array(stated) - np.array(true))
    assert np.median(differences) > 1
    assert np.mean(np.array(true) < 1) > 0.3
    assert np.mean(np.array(true) > 20) > 0.15


def test_some_swaths_end_within_the_region(items):
    shares = [float(np.mean(_read(item, "scl") > 0)) for item in _of(items, "sentinel-2-l2a", "2023-10")]
    assert np.sum(np.array(shares) < 0.95) >= 2
    assert np.sum(np.array(shares) == 1.0) > 30


def test_landsat_quality_bits_agree_with_its_pixels(items):
    clear, cloud, kelvin = [], [], []
    for item in _of(items, "landsat-c2-l2"):
        qa = _read(item, "qa_pixel")
        red = _physical(item, "red")
        cloud.append(red[(qa & 8) > 0])
        clear.append(red[qa == 21824])
        kelvin.append(_physical(item, "lwir11")[qa == 21824])
    assert np.median(np.concatenate(cloud)) > 0.35
    assert 0.02 < np.median(np.concatenate(clear)) < 0.2
    assert np.concatenate(kelvin).min() > 265
    assert np.concatenate(kelvin).max() < 330


def test_radar_is_linear_power_with_gamma_speckle(items, prepared):
    item = _of(items, "sentinel-1-rtc", "2024-10")[-1]
    vv, vh = _read(item, "vv"), _read(item, "vh")
    assert np.all(vv > 0)
    assert np.median(vh) < np.median(vv)
    with rasterio.open(prepared.directory / "truth" / "2024-10" / "crop_map.tif") as dataset:
        wood = dataset.read(1) == prepared.nomenclature.by_code("WOO").class_id
        grid = dataset.transform
    with rasterio.open(item["assets"]["vh"]["href"]) as dataset:
        on_radar = np.zeros(dataset.shape, dtype=np.float32)
        reproject(
            wood.astype(np.float32), on_radar, src_transform=grid, src_crs="EPSG:32630",
            dst_transform=dataset.transform, dst_crs=dataset.crs, resampling=5,
        )  # fmt: skip
    values = vh[on_radar > 0.999]
    # speckle of 5 looks alone has a coefficient of variation of 0.447; parcels and texture add to it
    assert 0.40 < values.std() / values.mean() < 0.65


def test_skies_come_in_the_wanted_shares(demo_region):
    season = demo_region.season("2023-10")
    days = days_between(season.start, season.end, 10, 2)
    kinds = Counter(skies(days, demo_region.simulation, "a", "b"))
    assert kinds == {"clear": 10, "partly": 6, "cloudy": 6}
    months = {(d.year, d.month) for d in days}
    for seed in range(5):
        settings = demo_region.simulation.model_copy(update={"seed": seed})
        kinds = skies(days, settings, "x")
        assert {(d.year, d.month) for d, sky in zip(days, kinds, strict=True) if sky != "cloudy"} == months


def test_clear_skies_have_no_cloud_and_partly_cloudy_ones_little():
    extent = (0.0, 0.0, 7000.0, 6000.0)
    assert cloud_fields(extent, "clear", 160.0, 1, "a").thick.max() == 0
    for name in "abcdef":
        fields = cloud_fields(extent, "partly", 160.0, 1, name)
        inner = fields.thick[40:-40, 40:-40]
        assert 0.01 < np.mean(inner > 0.25) < 0.25


def test_shadows_fall_away_from_the_sun():
    morning = cloud_fields((0.0, 0.0, 4000.0, 4000.0), "partly", 150.0, 1, "a")  # sun in the south-south-east
    assert morning.shadow_north_m > 300
    assert morning.shadow_east_m < -100


@pytest.mark.parametrize(
    ("zone", "easting", "northing", "latitude", "name"),
    [
        (30, 250_000, 4_608_000, 41.6, "30TTM"),
        (29, 749_000, 4_608_000, 41.6, "29TQG"),
        (31, 450_000, 5_411_000, 48.85, "31UDQ"),  # Paris
        (1, 150_000, 8_150_000, -16.75, "01KAB"),  # the real item in the tests' data
    ],
)
def test_mgrs_squares(zone, easting, northing, latitude, name):
    assert _mgrs_square(zone, easting, northing, latitude) == name


def test_the_first_canvas_covers_the_whole_area(demo_region):
    (epsg, grid, _), (other, _, tiles) = sensor_grids(demo_region)
    assert (epsg, other) == (32630, 32629)
    assert shapely.box(*grid.bounds).contains(demo_region.aoi_projected())
    assert tiles[0].grid.width < grid.width


def test_the_short_wave_infrared_tells_residue_and_leaves_from_soil(items):
    def tillage(first, second):
        return (first - second) / (first + second)

    leaves = [tillage(*profile.green[4:]) for profile in PROFILES.values() if profile.cover == Cover.CROP]
    residue, soil = tillage(*DRY_PLANTS[4:]), tillage(*SOIL[4:])
    assert soil < residue < min(leaves)  # cellulose and water absorb at 2.2 µm, dry soil hardly does
    seen = []
    for item in _of(items, "sentinel-2-l2a", "2023-10"):
        clear = np.isin(_read(item, "scl"), (4, 5))
        ratio = tillage(_physical(item, "swir16")[clear], _physical(item, "swir22")[clear])
        seen.append(ratio[np.isfinite(ratio)])
    values = np.concatenate(seen)
    assert 0.0 < np.percentile(values, 5) < np.percentile(values, 95) < 0.5
