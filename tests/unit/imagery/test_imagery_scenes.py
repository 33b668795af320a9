"""Which scenes are kept, and why the others are not: every number here follows from the masks written."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.imagery import (
    SCENES_SCHEMA,
    AoiOutsideImageryError,
    MissingAssetError,
    NoScenesLeftError,
    UnreadableSceneError,
    assess_scenes,
    kept_items,
    superseded_scenes,
)


def scene_class(cloudy_rows):
    """Vegetation with cloud in the first rows of 48."""
    scl = np.full((48, 60), 4)
    scl[:cloudy_rows] = 9
    return scl


def test_cloud_is_counted_over_the_area_from_the_mask(sentinel2, grid, aoi, red_only):
    items = [
        sentinel2("clear", when="2023-11-01T11:00:00Z", **{"eo:cloud_cover": 99.0}),
        sentinel2("cloudy", scl=scene_class(24), when="2023-11-11T11:00:00Z", **{"eo:cloud_cover": 0.0}),
    ]
    table = assess_scenes(items, grid, aoi, red_only)
    assert table.schema.equals(SCENES_SCHEMA)
    clear, cloudy = table.to_pylist()
    assert (clear["scene_id"], clear["kept"], clear["reason"], clear["clear_share"]) == ("clear", True, None, 1.0)
    assert (cloudy["kept"], cloudy["cloud_share"], cloudy["aoi_cover"]) == (False, 0.5, 1.0)
    assert cloudy["reason"] == "cloud 50 % of the AOI over the limit of 20 %"
    assert (clear["tile"], clear["epsg"], clear["processing_baseline"]) == ("30TTM", 32630, "05.09")
    assert clear["datetime"] == datetime(2023, 11, 1, 11, tzinfo=UTC)
    assert [item.id for item in kept_items(table)] == ["clear"]
    assert json.loads(clear["item"])["assets"]["B04"]["href"].endswith("clear/B04.tif")


def test_a_reason_never_reads_as_if_the_limit_were_kept(sentinel2, grid, aoi, red_only):
    items = [
        sentinel2("clear", when="2023-11-01T11:00:00Z"),
        sentinel2("cloudy", scl=scene_class(24), when="2023-11-11T11:00:00Z"),
    ]
    _, row = assess_scenes(items, grid, aoi, red_only.model_copy(update={"max_cloud_share": 0.4996})).to_pylist()
    assert row["reason"] == "cloud 50.00 % of the AOI over the limit of 49.96 %"


def test_the_area_counts_not_the_scene(sentinel2, grid, red_only):
    """The cloud lies north of the area: nothing of it counts."""
    left, bottom, right, top = grid.bounds
    south = shapely.box(left, bottom, right, top - 240)
    table = assess_scenes([sentinel2("north", scl=scene_class(24))], grid, south, red_only)
    assert table["clear_share"].to_pylist() == [1.0]


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


def test_no_scene_left_counts_the_reasons_and_says_what_to_do(sentinel2, grid, aoi, red_only):
    items = [
        sentinel2("a", scl=9, when="2023-11-01T11:00:00Z"),
        sentinel2("b", scl=scene_class(40), when="2023-11-11T11:00:00Z"),
        sentinel2("c", scl=np.zeros((48, 60)), when="2023-11-21T11:00:00Z"),
    ]
    with pytest.raises(NoScenesLeftError) as caught:
        assess_scenes(items, grid, aoi, red_only)
    text = str(caught.value)
    assert "no scene is left of 3: 2 too cloudy, 1 covering too little of the AOI" in text
    assert "sentinel-2-l2a" in text
    assert "max_cloud_share (0.20)" in text


def test_area_outside_the_imagery(sentinel2, grid, aoi, red_only):
    with pytest.raises(AoiOutsideImageryError, match="no scene over the area"):
        assess_scenes([], grid, aoi, red_only)
    elsewhere = sentinel2("far", transform=Affine(10, 0, 500_000, 0, -10, 4_610_400))
    with pytest.raises(AoiOutsideImageryError, match="none of the 1 scenes found has data inside"):
        assess_scenes([elsewhere], grid, aoi, red_only)
    with pytest.raises(AoiOutsideImageryError, match="does not touch the region's grid"):
        assess_scenes([sentinel2("here")], grid, shapely.box(0, 0, 1, 1), red_only)


def test_truncated_file_names_scene_band_file_and_remedy(sentinel2, grid, aoi, red_only):
    broken = sentinel2("broken", scl=np.random.default_rng(1).integers(4, 6, (48, 60)))
    path = broken.assets["SCL"].href
    truncate(path)
    with pytest.raises(UnreadableSceneError) as caught:
        assess_scenes([broken], grid, aoi, red_only)
    assert "band SCL of scene broken cannot be read" in str(caught.value)
    assert path in str(caught.value)
    assert "on_unreadable='drop'" in str(caught.value)
    items = [broken, sentinel2("whole", when="2023-11-20T11:00:00Z")]
    table = assess_scenes(items, grid, aoi, red_only, on_unreadable="drop")
    reasons = dict(zip(table["scene_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert reasons["whole"] is None
    assert reasons["broken"].startswith("unreadable: band SCL of scene broken")


def test_absent_file_is_called_missing(sentinel2, grid, aoi, red_only, tmp_path):
    item = sentinel2("gone")
    item.assets["SCL"].href = str(tmp_path / "none.tif")
    with pytest.raises(UnreadableSceneError, match="band SCL of scene gone is missing"):
        assess_scenes([item], grid, aoi, red_only)


def test_file_without_crs_is_refused(sentinel2, grid, aoi, red_only):
    item = sentinel2("bare")
    with rasterio.open(item.assets["SCL"].href, "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8") as file:
        file.write(np.full((9, 9), 4, np.uint8), 1)
    with pytest.raises(UnreadableSceneError, match="SCL of scene bare has no coordinate reference system"):
        assess_scenes([item], grid, aoi, red_only)


def test_missing_band_is_found_before_pixels_are_read(sentinel2, grid, aoi, request_bands):
    with pytest.raises(MissingAssetError, match=r"band B11 \(scene\)"):
        assess_scenes([sentinel2("scene")], grid, aoi, request_bands(sentinel_2_l2a=["B04", "B11"]))


def test_progress_counts_scenes(sentinel2, grid, aoi, red_only):
    told = []
    assess_scenes([sentinel2("a")], grid, aoi, red_only, progress=lambda *step: told.append(step))
    assert told == [("scenes", 1, 1)]


def truncate(path):
    with open(path, "r+b") as file:
        size = file.seek(0, 2)
        file.truncate(size - size // 3)
