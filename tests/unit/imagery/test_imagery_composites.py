"""Composites against values worked out by hand, and their files."""

from datetime import date

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid, MaskSettings, season_intervals
from agristat_platform.imagery import (
    LAYERS_SCHEMA,
    GridMismatchError,
    NoScenesLeftError,
    UnreadableSceneError,
    assess_scenes,
    build_composites,
    composite_item,
    quicklook,
    read_layer,
    read_layers,
)

MONTHS = season_intervals(date(2023, 11, 1), date(2024, 1, 1), "month")


@pytest.fixture
def compose(grid, aoi, red_only, tmp_path):
    def make(items, imagery=red_only, intervals=MONTHS, name="composites", **options):
        undilated = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)
        lenient = imagery.model_copy(update={"max_cloud_share": 1.0, "masks": undilated, "harmonise": False})
        scenes = assess_scenes(items, grid, aoi, lenient)
        return build_composites(scenes, grid, intervals, lenient, tmp_path / name, aoi_projected=aoi, **options)

    return make


def physical(composite, number=0):
    row = composite.layers.to_pylist()[number]
    return read_layer(composite.files[0].parent / row["file"], row), row


def test_median_of_clear_reflectance_over_two_baselines(sentinel2, compose):
    cloud = np.full((48, 60), 4)
    cloud[:10] = 8
    items = [
        sentinel2("a", red=3000, when="2023-11-01T11:00:00Z"),  # 0.20 after the offset
        sentinel2("b", red=2400, when="2023-11-06T11:00:00Z", **{"s2:processing_baseline": "03.01"}),  # 0.24, none due
        sentinel2("c", red=9000, when="2023-11-11T11:00:00Z", scl=cloud),  # 0.80, under cloud in the first rows
    ]
    composite = compose(items)
    values, row = physical(composite)
    assert np.allclose(values[:10], 0.22, atol=1e-6)  # median of 0.20 and 0.24
    assert np.allclose(values[10:], 0.24, atol=1e-6)  # median of 0.20, 0.24, 0.80
    assert row["valid_share"] == 1.0
    assert row["observations_mean"] == pytest.approx((10 * 2 + 38 * 3) / 48)
    empty, december = physical(composite, 1)
    assert np.isnan(empty).all()
    assert (december["valid_share"], december["observations_mean"], december["interval"]) == (0.0, 0.0, 2)


def test_a_collection_asked_for_by_a_catalogues_own_name_is_composited(sentinel2, compose, red_only):
    alias = "sentinel-2-c1-l2a"
    item = sentinel2("a", red=3000)
    item.collection_id = alias  # as the search names it: by what the region file asked for
    aliased = red_only.model_copy(update={"collections": {alias: red_only.collections["sentinel-2-l2a"]}})
    values, row = physical(compose([item], aliased))
    assert np.allclose(values, 0.2, atol=1e-6)
    assert row["collection"] == "sentinel-2-l2a"


def test_dark_ground_does_not_become_missing(sentinel2, compose):
    values, _ = physical(compose([sentinel2("dark", red=900)]))  # reflectance −0.01
    assert np.allclose(values, 0.0001)


def test_missing_pixels_stay_missing(sentinel2, compose):
    red = np.full((48, 60), 3000)
    red[5, 7] = 0
    values, row = physical(compose([sentinel2("gap", red=red)]))
    assert np.isnan(values[5, 7])
    assert np.isfinite(values).sum() == 48 * 60 - 1
    assert row["valid_share"] == pytest.approx(1 - 1 / 2880)


def test_two_zones_make_one_seamless_overpass(sentinel2, compose, grid):
    """The western half only in zone 29, the eastern only in zone 30, both of one overpass: one observation everywhere."""
    west = Affine(10, 0, 749_000, 0, -10, 4_611_900)
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32629", "EPSG:4326", always_xy=True)
    x, y = np.meshgrid(749_005 + 10 * np.arange(240), 4_611_895 - 10 * np.arange(300))
    half = Affine(10, 0, 249_900, 0, -10, 4_610_400)
    x30, y30 = np.meshgrid(249_905 + 10 * np.arange(30), 4_610_395 - 10 * np.arange(48))
    east_lonlat = pyproj.Transformer.from_crs("EPSG:32630", "EPSG:4326", always_xy=True).transform(x30, y30)
    items = [
        sentinel2("T29", red=ramp(*to_lonlat.transform(x, y)), transform=west, shape=(300, 240), crs="EPSG:32629",
                  **{"grid:code": "MGRS-29TQG"}),
        sentinel2("T30", red=ramp(*east_lonlat), transform=half, shape=(48, 30), **{"grid:code": "MGRS-30TTM"}),
    ]  # fmt: skip
    values, row = physical(compose(items))
    x, y = np.meshgrid(249_605 + 10 * np.arange(60), 4_610_395 - 10 * np.arange(48))
    expected = ramp(*pyproj.Transformer.from_crs("EPSG:32630", "EPSG:4326", always_xy=True).transform(x, y))
    assert np.isfinite(values).all()
    assert np.abs(values * 10_000 + 1000 - expected).max() <= 1.5  # rounding before and after, no seam
    assert row["observations_mean"] == 1.0


def test_where_tiles_overlap_the_grids_own_zone_decides(sentinel2, compose, request_bands):
    """Cloud in the tile of zone 30 stays cloud although the other tile of the overpass calls it clear."""
    cloud = np.full((48, 60), 4)
    cloud[:20] = 9
    cloud[40:] = 0
    west = Affine(10, 0, 749_000, 0, -10, 4_611_900)
    items = [
        sentinel2("T29", red=2000, transform=west, shape=(300, 240), crs="EPSG:32629", **{"grid:code": "MGRS-29TQG"}),
        sentinel2("T30", red=3000, scl=cloud, **{"grid:code": "MGRS-30TTM"}),
    ]
    values, _ = physical(compose(items, request_bands(sentinel_2_l2a=["B04", "SCL"])))  # a mask is no layer
    assert np.isnan(values[:20]).all()
    assert np.allclose(values[20:40], 0.2)
    assert np.allclose(values[40:], 0.1)  # no data in the first tile: the second one's


def ramp(lon, lat):
    return np.rint(3000 + 20_000 * (lon + 6.0) + 30_000 * (lat - 41.6))


def test_radar_is_averaged_in_power_over_overpasses(make_item, write_raster, tmp_path, compose, request_bands):
    transform = Affine(20, 0, 249_600, 0, -20, 4_610_400)
    items = []
    for day, power in (("02", 0.01), ("14", 0.1)):
        pixels = np.full((24, 30), power, np.float32)
        pixels[0, 0] = np.nan if day == "02" else power
        path = write_raster(tmp_path / f"{day}.tif", pixels, transform, nodata=float("nan"))
        items.append(make_item(f"S1_{day}", "sentinel-1-rtc", {"vv": path}, when=f"2023-11-{day}T06:00:00Z"))
    composite = compose(items, request_bands(sentinel_1_rtc=["VV"]))
    values, row = physical(composite)
    assert np.isclose(values[20, 20], 0.055)
    assert np.isclose(values[0, 0], 0.1)
    assert row["unit"] == "linear power"
    with rasterio.open(composite.files[0]) as dataset:
        assert dataset.dtypes[0] == "float32"
        assert np.isnan(dataset.nodata)


def test_thermal_is_kelvin_and_masked_with_the_optical(make_item, write_raster, tmp_path, compose, request_bands):
    transform = Affine(30, 0, 249_600, 0, -30, 4_610_400)
    qa = np.full((16, 20), 21824, np.uint16)
    qa[:4] = 22280
    files = {
        "red": write_raster(tmp_path / "red.tif", np.full((16, 20), 14_545, np.uint16), transform),
        "lwir11": write_raster(tmp_path / "st.tif", np.full((16, 20), 43_000, np.uint16), transform),
        "qa_pixel": write_raster(tmp_path / "qa.tif", qa, transform, nodata=1),
    }
    item = make_item("L8", "landsat-c2-l2", files, **{"landsat:wrs_path": "203", "landsat:wrs_row": "31"})
    composite = compose([item], request_bands(landsat_c2_l2=["red", "lwir11"]))
    red, kelvin = read_layers(composite.files[0], composite.layers.to_pylist()[:2])
    assert np.isnan(red[:12]).all()
    assert np.isnan(kelvin[:12]).all()
    assert np.allclose(red[12:], 0.2, atol=5e-5)  # 14545 × 0.0000275 − 0.2 = 0.1999875
    assert np.allclose(kelvin[12:], 295.97, atol=5e-3)  # 43000 × 0.00341802 + 149 = 295.97486


def test_file_is_a_cog_with_names_and_same_bytes_for_any_block(sentinel2, compose):
    rng = np.random.default_rng(5)
    items = [
        sentinel2(f"s{day}", red=rng.integers(1100, 5000, (48, 60)), scl=rng.choice([4, 4, 9], (48, 60)),
                  when=f"2023-11-{day:02d}T11:00:00Z") for day in (1, 6, 11, 16)
    ]  # fmt: skip
    whole = compose(items)
    blocks = compose(items, name="blocks", tile_rows=16, tile_cols=23)
    reverse = compose(items[::-1], name="reverse")
    for k in range(2):
        assert whole.files[k].read_bytes() == blocks.files[k].read_bytes() == reverse.files[k].read_bytes()
    assert whole.layers.schema.equals(LAYERS_SCHEMA)
    assert whole.layers.equals(blocks.layers)
    assert sorted(path.name for path in whole.files[0].parent.iterdir()) == [
        "sentinel-2-l2a_t01.tif",
        "sentinel-2-l2a_t02.tif",
    ]
    with rasterio.open(whole.files[0]) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.descriptions == ("B04_t01",)
        assert dataset.scales == (0.0001,)
        assert (dataset.nodata, dataset.dtypes[0], dataset.compression.value) == (0, "uint16", "ZSTD")
        assert dataset.tags(1)["interval_start"] == "2023-11-01"
        assert dataset.tags()["collection"] == "sentinel-2-l2a"


def test_overviews_of_a_larger_grid(sentinel2, red_only, tmp_path):
    large = Grid("EPSG:32630", Affine(10, 0, 249_600, 0, -10, 4_610_400), 1200, 520)
    scenes = assess_scenes([sentinel2("large", shape=(520, 1200))], large, shapely.box(*large.bounds), red_only)
    composite = build_composites(scenes, large, MONTHS, red_only, tmp_path / "large")
    with rasterio.open(composite.files[0]) as dataset:
        assert dataset.overviews(1) == [2, 4]


def test_damaged_band_and_damaged_composite_are_named(sentinel2, compose, tmp_path):
    item = sentinel2("broken", red=np.random.default_rng(2).integers(1000, 9000, (48, 60)))
    path = item.assets["B04"].href
    with open(path, "r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    with pytest.raises(UnreadableSceneError, match="band B04 of scene broken"):
        compose([item])
    assert not list((tmp_path / "composites").iterdir())
    composite = compose([sentinel2("fine", red=np.random.default_rng(3).integers(1000, 9000, (48, 60)))])
    with composite.files[0].open("r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    with pytest.raises(UnreadableSceneError, match=r"composite cannot be read.*sentinel-2-l2a_t01.tif"):
        physical(composite)


def test_nothing_kept_is_an_error(sentinel2, grid, aoi, red_only, tmp_path):
    scenes = assess_scenes([sentinel2("a")], grid, aoi, red_only).slice(0, 0)
    with pytest.raises(NoScenesLeftError, match="sentinel-2-l2a"):
        build_composites(scenes, grid, MONTHS, red_only, tmp_path)


def test_ready_composites_are_copied_as_they_are(write_raster, tmp_path, grid, aoi, request_bands, compose):
    transform = Affine(10, 0, 249_580, 0, -10, 4_610_430)  # two columns and three rows more than the grid
    items = []
    sources = []
    for start, end in ((date(2018, 8, 29), date(2018, 9, 13)), (date(2018, 9, 14), date(2018, 9, 29))):
        ndvi = np.random.default_rng(start.day).integers(-9999, 10_000, (60, 70)).astype(np.int16)
        ndvi[10, 10] = -9999
        path = write_raster(tmp_path / f"{start}.tif", ndvi, transform, nodata=-9999)
        items.append(composite_item(f"C_{start}", "cbers-4-awfi-16d", start, end, {"ndvi": path}, platform="cbers-4"))
        sources.append(ndvi[3:51, 2:62])
    imagery = request_bands(interval="item", cbers_4_awfi_16d=["ndvi"])
    composite = compose(items, imagery, None)
    rows = composite.layers.to_pylist()
    assert [(row["interval"], row["interval_start"], row["interval_end"]) for row in rows] == [
        (1, date(2018, 8, 29), date(2018, 9, 14)),
        (2, date(2018, 9, 14), date(2018, 9, 30)),
    ]
    for path, source in zip(composite.files, sources, strict=True):
        with rasterio.open(path) as dataset:
            assert (dataset.read(1) == np.where(source == -9999, -32768, source)).all()
    shifted = Affine(10, 0, 249_583, 0, -10, 4_610_430)
    path = write_raster(tmp_path / "shifted.tif", np.ones((60, 70), np.int16), shifted, nodata=-9999)
    item = composite_item("C_x", "cbers-4-awfi-16d", date(2018, 8, 29), date(2018, 9, 13), {"ndvi": path}, platform="c")
    with pytest.raises(GridMismatchError, match=r"C_x.*Give the region file this grid.*249583"):
        compose([item], imagery, None)


def test_quicklook_is_a_small_png_with_the_same_bytes(sentinel2, compose, grid):
    red = np.tile(np.linspace(1500, 4000, 60), (48, 1))
    red[0, 0] = 0
    composite = compose([sentinel2("a", red=red)])
    folder = composite.files[0].parent
    png = quicklook(folder, composite.layers)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png == quicklook(folder, composite.layers)
    from io import BytesIO

    from PIL import Image

    picture = np.asarray(Image.open(BytesIO(png)))
    assert picture.shape == (48, 60, 4)
    assert picture[0, 0, 3] == 0
    assert picture[10, 59, 0] == 255
    assert picture[10, 0, 0] == 0
