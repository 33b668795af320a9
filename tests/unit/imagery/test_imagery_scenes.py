"""Which scenes are kept, and why the others are not: every number here follows from the masks written."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest
import shapely
from affine import Affine

from agristat_platform.catalogue import MaskSettings, Season
from agristat_platform.imagery import (
    SCENES_SCHEMA,
    AoiOutsideImageryError,
    NoScenesLeftError,
    assess_scenes,
    kept_items,
    superseded_scenes,
)

LATER = {"when": "2023-11-21T11:00:00Z"}


def scene_class(cloudy_rows):
    """Vegetation with cloud in the first rows of 48."""
    scl = np.full((48, 60), 4)
    scl[:cloudy_rows] = 9
    return scl


UNDILATED = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)


@pytest.fixture
def undilated(red_only):
    """Masks taken as they are, so that rows can be counted by hand."""
    return red_only.model_copy(update={"masks": UNDILATED})


def test_cloud_is_counted_over_the_area_from_the_mask(sentinel2, grid, aoi, undilated):
    items = [
        sentinel2("clear", when="2023-11-01T11:00:00Z", **{"eo:cloud_cover": 99.0}),
        sentinel2("cloudy", scl=scene_class(24), when="2023-11-11T11:00:00Z", **{"eo:cloud_cover": 0.0}),
    ]
    table = assess_scenes(items, grid, aoi, undilated)
    assert table.schema.equals(SCENES_SCHEMA)
    clear, cloudy = table.to_pylist()
    assert (clear["scene_id"], clear["kept"], clear["reason"], clear["clear_share"]) == ("clear", True, None, 1.0)
    assert (cloudy["kept"], cloudy["cloud_share"], cloudy["aoi_cover"]) == (False, 0.5, 1.0)
    assert cloudy["reason"] == (
        "cloud and shadow over 50 % of the AOI it covers, above the limit of 20 % (cloud 50.0 %, shadow 0.0 %)"
    )
    assert (clear["tile"], clear["epsg"], clear["processing_baseline"]) == ("30TTM", 32630, "05.09")
    assert clear["datetime"] == datetime(2023, 11, 1, 11, tzinfo=UTC)
    assert [item.id for item in kept_items(table)] == ["clear"]
    assert json.loads(clear["item"])["assets"]["B04"]["href"].endswith("clear/B04.tif")


def test_cloud_counts_as_far_as_the_mask_reaches(sentinel2, grid, aoi, red_only):
    """24 rows of cloud and 60 m around it: 30 of 48 rows, which 10 of the 16 rows of 30 m pixels lie in."""
    table = assess_scenes([sentinel2("a"), sentinel2("b", scl=scene_class(24), **LATER)], grid, aoi, red_only)
    assert table["cloud_share"].to_pylist() == [0.0, 10 / 16]


def test_classes_are_told_apart_and_add_up(sentinel2, grid, aoi, undilated):
    """Six rows each of cloud, cirrus, shadow, snow, saturated, no data; twelve of vegetation."""
    scl = np.repeat([9, 10, 3, 11, 1, 0, 4, 5], 6)[:, None] * np.ones(60, int)
    row = assess_scenes([sentinel2("clear", **LATER), sentinel2("mixed", scl=scl)], grid, aoi, undilated).to_pylist()[0]
    assert row["aoi_cover"] == 7 / 8
    shares = {name: row[f"{name}_share"] for name in ("clear", "cloud", "shadow", "snow", "saturated")}
    assert shares == pytest.approx({"clear": 2 / 7, "cloud": 2 / 7, "shadow": 1 / 7, "snow": 1 / 7, "saturated": 1 / 7})
    assert row["reason"] == (
        "cloud and shadow over 43 % of the AOI it covers, above the limit of 20 % (cloud 28.6 %, shadow 14.3 %)"
    )


def test_snow_is_no_cloud(sentinel2, grid, aoi, red_only):
    """Snow to the last row but three is kept; snow and defective pixels alone show nothing and are dropped."""
    almost = np.where(np.arange(48)[:, None] < 45, 11, 4) * np.ones(60, int)
    nothing = np.where(np.arange(48)[:, None] < 36, 11, 1) * np.ones(60, int)
    table = assess_scenes([sentinel2("a", scl=almost), sentinel2("b", scl=nothing, **LATER)], grid, aoi, red_only)
    assert table["kept"].to_pylist() == [True, False]
    assert table["snow_share"].to_pylist() == [15 / 16, 12 / 16]
    assert table["reason"].to_pylist()[1] == "nothing clear in the AOI: snow 75.0 %, saturated 25.0 %"


def test_a_reason_never_reads_as_if_the_limit_were_kept(sentinel2, grid, aoi, undilated):
    items = [
        sentinel2("clear", when="2023-11-01T11:00:00Z"),
        sentinel2("cloudy", scl=scene_class(24), when="2023-11-11T11:00:00Z"),
    ]
    _, row = assess_scenes(items, grid, aoi, undilated.model_copy(update={"max_cloud_share": 0.4996})).to_pylist()
    assert "over 50.00 % of the AOI it covers, above the limit of 49.96 %" in row["reason"]


def test_the_area_counts_not_the_scene(sentinel2, grid, undilated, red_only):
    """The cloud lies north of the area: nothing of it counts, but for what its edge reaches."""
    left, bottom, right, top = grid.bounds
    south = shapely.box(left, bottom, right, top - 240)
    items = [sentinel2("north", scl=scene_class(24))]
    assert assess_scenes(items, grid, south, undilated)["clear_share"].to_pylist() == [1.0]
    lenient = red_only.model_copy(update={"max_cloud_share": 0.5})
    assert assess_scenes(items, grid, south, lenient)["clear_share"].to_pylist() == [0.75]


def test_scenes_of_the_padding_are_told_apart(sentinel2, grid, aoi, red_only):
    season = Season(name={"en": "winter"}, start=date(2023, 11, 1), end=date(2023, 12, 1))
    moments = ["2023-10-31T23:59:00Z", "2023-11-01T00:00:00Z", "2023-11-30T23:00:00Z", "2023-12-01T00:00:00Z"]
    items = [sentinel2(f"s{number}", when=when) for number, when in enumerate(moments)]
    table = assess_scenes(items, grid, aoi, red_only, season=season)
    assert table["in_season"].to_pylist() == [False, True, True, False]
    assert table["kept"].to_pylist() == [True] * 4
    assert assess_scenes(items, grid, aoi, red_only)["in_season"].to_pylist() == [True] * 4


def test_scenes_of_the_padding_do_not_make_a_season(sentinel2, grid, aoi, red_only):
    season = Season(name={"en": "winter"}, start=date(2023, 11, 1), end=date(2023, 12, 1))
    before = sentinel2("before", when="2023-10-20T11:00:00Z")
    with pytest.raises(AoiOutsideImageryError, match="no scene over the area within these dates"):
        assess_scenes([before], grid, aoi, red_only, season=season)
    with pytest.raises(NoScenesLeftError, match="no scene is left of 1: 1 too cloudy"):
        assess_scenes([before, sentinel2("cloudy", scl=9)], grid, aoi, red_only, season=season)


def test_little_cover_is_dropped_with_its_share(sentinel2, grid, aoi, red_only):
    sliver = sentinel2("sliver", shape=(48, 3), when="2023-11-02T11:00:00Z", **{"grid:code": "MGRS-29TQG"})
    assert assess_scenes([sentinel2("whole"), sliver], grid, aoi, red_only)["kept"].to_pylist() == [True, True]
    half = red_only.model_copy(update={"min_aoi_cover": 0.5})
    table = assess_scenes([sentinel2("whole"), sliver], grid, aoi, half)
    by_id = {row["scene_id"]: row for row in table.to_pylist()}
    assert by_id["sliver"]["reason"] == "covers 5 % of the AOI, under the limit of 50 %"
    assert by_id["sliver"]["aoi_cover"] == pytest.approx(0.05)


def test_reprocessed_duplicate_is_listed(sentinel2, grid, aoi, red_only):
    take = "GS2A_20231110T110000_043000_N"
    items = [
        sentinel2("old", **{"s2:processing_baseline": "02.12", "s2:datatake_id": f"{take}02.12"}),
        sentinel2("new", **{"s2:processing_baseline": "05.09", "s2:datatake_id": f"{take}05.09"}),
        sentinel2("other_tile", **{"grid:code": "MGRS-29TQG", "s2:datatake_id": f"{take}05.09"}),
    ]
    rows = {row["scene_id"]: row for row in assess_scenes(items, grid, aoi, red_only).to_pylist()}
    assert rows["old"]["reason"] == "superseded by new (baseline 05.09 over 02.12)"
    assert rows["old"]["aoi_cover"] is None
    assert rows["new"]["kept"]
    assert rows["other_tile"]["kept"]


def test_two_halves_of_one_datatake_are_both_kept(sentinel2):
    take = {"s2:datatake_id": "GS2A_20231110T110000_043000_N05.09"}
    north = sentinel2("north", shape=(24, 60), **take)
    south = sentinel2("south", shape=(300, 60), transform=Affine(10, 0, 249_600, 0, -10, 4_607_000), **take)
    assert superseded_scenes([north, south]) == {}


def test_radar_cover_is_where_there_is_power(make_item, write_raster, tmp_path, grid, aoi, request_bands):
    power = np.full((24, 30), 0.05, np.float32)
    power[:12] = np.nan
    path = write_raster(tmp_path / "vv.tif", power, Affine(20, 0, 249_600, 0, -20, 4_610_400), nodata=float("nan"))
    item = make_item("S1", "sentinel-1-rtc", {"vv": path})
    row = assess_scenes([item], grid, aoi, request_bands(sentinel_1_rtc=["VV"])).to_pylist()[0]
    assert (row["aoi_cover"], row["clear_share"], row["cloud_share"], row["kept"]) == (0.5, None, None, True)


def test_progress_counts_scenes(sentinel2, grid, aoi, red_only):
    told = []
    assess_scenes([sentinel2("a")], grid, aoi, red_only, progress=lambda *step: told.append(step))
    assert told == [("scenes", 1, 1)]
