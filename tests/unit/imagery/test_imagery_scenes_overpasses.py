"""What each overpass saw: every place once, by the tile that composites take it from."""

from datetime import date

import numpy as np
import pytest
from affine import Affine

from agristat_platform.catalogue import Grid, MaskSettings, Season
from agristat_platform.imagery import OVERPASSES_SCHEMA, assess_season, collection_table
from agristat_platform.imagery.masks import CLEAR, CLOUD, DATA_MISSING, SHADOW
from agristat_platform.imagery.overpasses import overpasses_of, tile_skies
from agristat_platform.imagery.reading import SceneReader

ORBIT = {"sat:relative_orbit": 37, "sat:orbit_state": "descending"}


@pytest.fixture
def undilated(red_only):
    return red_only.model_copy(update={"masks": MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)})


def rows_of(*classes):
    """48 rows of scene classes, in equal strips."""
    return np.repeat(classes, 48 // len(classes))[:, None] * np.ones(60, int)


def test_tiles_that_overlap_count_each_place_once(sentinel2, grid, aoi, undilated):
    """Of the upper half both tiles see the sky; the first in order of its name has cloud there and is believed."""
    first = sentinel2("first", scl=rows_of(9, 4, 0, 0), **{"grid:code": "MGRS-30TTL", **ORBIT})
    second = sentinel2("second", scl=rows_of(4, 4, 4, 11), **{"grid:code": "MGRS-30TTM", **ORBIT})
    found = assess_season([second, first], grid, aoi, undilated)
    assert found.overpasses.schema.equals(OVERPASSES_SCHEMA)
    (row,) = found.overpasses.to_pylist()
    assert (row["collection"], row["platform"], row["orbit"]) == ("sentinel-2-l2a", "sentinel-2a", "37 descending")
    assert (row["date"], row["tiles"]) == (date(2023, 11, 10), ["30TTL", "30TTM"])
    assert (row["aoi_cover"], row["clear_share"], row["cloud_share"], row["snow_share"]) == (1.0, 0.5, 0.25, 0.25)
    assert (row["scenes"], row["kept_scenes"], row["in_season"]) == (2, 1, True)  # half of the first is cloud
    shares = {row["scene_id"]: row["cloud_share"] for row in found.scenes.to_pylist()}
    assert shares == {"first": 0.5, "second": 0.0}


def test_the_grids_own_zone_comes_first(sentinel2, grid, aoi, undilated):
    own = sentinel2("own", scl=rows_of(4, 0), **{"grid:code": "MGRS-30TTM", **ORBIT})
    other = sentinel2("other", scl=3, **{"grid:code": "MGRS-29TQG", "proj:code": "EPSG:32629", **ORBIT})
    (row,) = assess_season([other, own], grid, aoi, undilated).overpasses.to_pylist()
    assert (row["clear_share"], row["shadow_share"]) == (0.5, 0.5)


def test_days_satellites_and_orbits_are_overpasses_of_their_own(sentinel2, grid, aoi, undilated):
    items = [
        sentinel2("a", **ORBIT),
        sentinel2("b", when="2023-11-10T11:10:00Z", **ORBIT | {"sat:relative_orbit": 80}),
        sentinel2("c", platform="sentinel-2b"),
        sentinel2("d", when="2023-12-15T11:00:00Z", **ORBIT),
    ]
    season = Season(name={"en": "winter"}, start=date(2023, 11, 1), end=date(2023, 12, 1))
    table = assess_season(items, grid, aoi, undilated, season=season).overpasses
    assert table["orbit"].to_pylist() == ["37 descending", "80 descending", None, "37 descending"]
    assert table["in_season"].to_pylist() == [True, True, True, False]


def test_superseded_scenes_are_not_seen(sentinel2, grid, aoi, undilated):
    take = "GS2A_20231110T110000_043000_N"
    items = [
        sentinel2("old", scl=9, **{"s2:processing_baseline": "02.12", "s2:datatake_id": f"{take}02.12"}),
        sentinel2("new", **{"s2:datatake_id": f"{take}05.09"}),
    ]
    (row,) = assess_season(items, grid, aoi, undilated).overpasses.to_pylist()
    assert (row["scenes"], row["clear_share"]) == (1, 1.0)


def test_radar_has_cover_and_no_sky(make_item, write_raster, tmp_path, grid, aoi, request_bands):
    power = np.full((24, 30), 0.05, np.float32)
    power[:12] = np.nan
    path = write_raster(tmp_path / "vv.tif", power, Affine(20, 0, 249_600, 0, -20, 4_610_400), nodata=float("nan"))
    item = make_item("S1", "sentinel-1-rtc", {"vv": path}, **ORBIT)
    (row,) = assess_season([item], grid, aoi, request_bands(sentinel_1_rtc=["VV"])).overpasses.to_pylist()
    assert (row["aoi_cover"], row["clear_share"], row["cloud_share"], row["tiles"]) == (0.5, None, None, [])


def test_scenes_are_read_over_their_own_extent_alone(sentinel2, grid):
    """By the file's own bounds and eight pixels around, whatever the item says of its place."""
    wide = Grid(grid.crs, grid.transform, 6000, 3000)
    east = sentinel2("east", transform=Affine(10, 0, 264_600, 0, -10, 4_600_400))
    east.bbox = [0.0, 0.0, 1.0, 1.0]
    red = collection_table("sentinel-2-l2a").band("B04")
    with SceneReader(wide) as reader:
        assert reader.extent(sentinel2("here"), red) == (slice(0, 56), slice(0, 68))
        assert reader.extent(east, red) == (slice(992, 1056), slice(1492, 1568))
    with SceneReader(grid) as reader:
        rows, _ = reader.extent(east, red)
        assert rows.start == rows.stop


def test_shares_are_those_of_the_sky_that_composites_and_series_see(sentinel2, aoi, red_only):
    """Random skies in tiles of two zones that overlap, dilated: counted from `tile_skies` on the same 30 m pixels."""
    generator = np.random.default_rng(11)
    coarse = Grid("EPSG:32630", Affine(30, 0, 249_600, 0, -30, 4_610_400), 20, 16)
    lenient = red_only.model_copy(update={"max_cloud_share": 1.0})
    items = [
        sentinel2(
            tile,
            scl=generator.choice([0, 3, 4, 9], (48, 60), p=[0.4, 0.002, 0.596, 0.002]),
            **{"grid:code": tile, **ORBIT},
        )
        for tile in ("MGRS-30TTL", "MGRS-30TTM")
    ]
    (row,) = assess_season(items, coarse, aoi, lenient).overpasses.to_pylist()
    (overpass,) = overpasses_of(items, coarse)
    with SceneReader(coarse, masks=lenient.masks) as reader:
        _, sky = tile_skies(reader, overpass, collection_table("sentinel-2-l2a"), slice(0, 16))
    with_data = np.count_nonzero(sky != DATA_MISSING)
    assert 0 < with_data < sky.size
    assert row["aoi_cover"] == with_data / sky.size
    for name, what in (("clear_share", CLEAR), ("cloud_share", CLOUD), ("shadow_share", SHADOW)):
        assert row[name] == np.count_nonzero(sky == what) / with_data > 0
