"""Bad scenes end in an error that names them or in a drop that is counted; nothing is silently clear or zero."""

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid, reproject
from agristat_platform.imagery import (
    AoiOutsideImageryError,
    ItemWithoutDatetimeError,
    MissingAssetError,
    NoScenesLeftError,
    UnreadableSceneError,
    assess_scenes,
    assess_season,
)


def scene_class(cloudy_rows):
    """Vegetation with cloud in the first rows of 48."""
    scl = np.full((48, 60), 4)
    scl[:cloudy_rows] = 9
    return scl


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
    assert "take the scene's item out of the catalogue" in str(caught.value)
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


def truncate(path):
    with open(path, "r+b") as file:
        size = file.seek(0, 2)
        file.truncate(size - size // 3)


def test_a_season_under_cloud_counts_its_scenes(sentinel2, grid, aoi, red_only):
    """Cloud, shadow, snow: each is counted as what it is."""
    items = [sentinel2(f"c{day}", scl=9, when=f"2023-11-{day:02d}T11:00:00Z") for day in range(1, 5)]
    items.append(sentinel2("dark", scl=3, when="2023-11-06T11:00:00Z"))
    items += [sentinel2(f"n{day}", scl=11, when=f"2023-11-{day}T11:00:00Z") for day in (10, 11)]
    with pytest.raises(NoScenesLeftError, match="no scene is left of 7: 5 too cloudy, 2 without a clear pixel"):
        assess_scenes(items, grid, aoi, red_only)


def test_item_without_a_moment_is_named(sentinel2, grid, aoi, red_only):
    timeless = sentinel2("timeless")
    timeless.datetime = None
    with pytest.raises(ItemWithoutDatetimeError, match=r"neither datetime nor start_datetime \(timeless\)"):
        assess_scenes([sentinel2("a"), timeless], grid, aoi, red_only)


def test_file_in_another_crs_than_it_says_lies_elsewhere(sentinel2, grid, aoi, red_only):
    """Coordinates of zone 30 labelled as zone 29 are 500 km to the west: no data here, and the reason says so."""
    wrong = sentinel2("wrong", crs="EPSG:32629", when="2023-11-20T11:00:00Z")
    wrong.bbox = sentinel2("a").bbox
    rows = {row["scene_id"]: row for row in assess_scenes([sentinel2("a"), wrong], grid, aoi, red_only).to_pylist()}
    assert rows["wrong"]["aoi_cover"] == 0
    assert rows["wrong"]["reason"] == "covers 0 % of the AOI, under the limit of 5 %"


def test_file_truncated_midway_leaves_no_trace_in_the_counts(make_item, write_raster, tmp_path, request_bands):
    """The first block of a broken tile is readable; neither its scene nor its overpass counts it."""
    large = Grid("EPSG:32630", Affine(30, 0, 249_600, 0, -30, 4_610_400), 40, 1200)
    classes = np.random.default_rng(3).integers(4, 6, large.shape).astype(np.uint8)
    items = []
    for name, tile in (("whole", "30TTL"), ("broken", "30TTM")):
        files = {
            "B04": write_raster(tmp_path / name / "B04.tif", np.ones(large.shape, np.uint16), large.transform),
            "SCL": write_raster(tmp_path / name / "SCL.tif", classes, large.transform),
        }
        items.append(make_item(name, "sentinel-2-l2a", files, footprint=lonlat(large),
                               **{"grid:code": f"MGRS-{tile}", "s2:processing_baseline": "05.09"}))  # fmt: skip
    truncate(tmp_path / "broken" / "SCL.tif")
    imagery = request_bands(sentinel_2_l2a=["B04"])
    found = assess_season(items, large, shapely.box(*large.bounds), imagery, on_unreadable="drop")
    by_id = {row["scene_id"]: row for row in found.scenes.to_pylist()}
    assert by_id["whole"]["clear_share"] == 1.0
    assert by_id["broken"]["aoi_cover"] is None
    assert by_id["broken"]["reason"].startswith("unreadable: band SCL of scene broken")
    (seen,) = found.overpasses.to_pylist()
    assert (seen["clear_share"], seen["aoi_cover"], seen["scenes"], seen["kept_scenes"]) == (1.0, 1.0, 2, 1)


def lonlat(grid):
    return reproject(shapely.box(*grid.bounds), grid.crs, "EPSG:4326")


def test_landsat_fill_is_no_data(make_item, write_raster, tmp_path, grid, aoi, request_bands):
    """Half of the scene is fill (QA_PIXEL 1): half of the area is covered, all of that clear."""
    transform = Affine(30, 0, 249_600, 0, -30, 4_610_400)
    qa = np.full((16, 20), 21824, np.uint16)
    qa[:8] = 1
    files = {
        "red": write_raster(tmp_path / "red.tif", np.full((16, 20), 9000, np.uint16), transform),
        "qa_pixel": write_raster(tmp_path / "qa.tif", qa, transform, nodata=1),
    }
    item = make_item("L8", "landsat-c2-l2", files, platform="landsat-8")
    row = assess_scenes([item], grid, aoi, request_bands(landsat_c2_l2=["red"])).to_pylist()[0]
    assert (row["aoi_cover"], row["clear_share"], row["kept"]) == (0.5, 1.0, True)


@pytest.mark.parametrize("bbox", [[179.9, 41.0, -179.9, 42.0], [0.0, 0.0, 1.0, 1.0], None])
def test_a_wrong_bounding_box_hides_nothing(sentinel2, grid, aoi, red_only, bbox):
    item = sentinel2("a")
    item.bbox = bbox
    assert assess_scenes([item], grid, aoi, red_only)["aoi_cover"].to_pylist() == [1.0]


def test_file_in_a_local_crs_is_named(sentinel2, grid, aoi, red_only):
    item = sentinel2("local")
    with rasterio.open(item.assets["SCL"].href, "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8",
                       transform=grid.transform, crs='LOCAL_CS["field",UNIT["metre",1]]') as file:  # fmt: skip
        file.write(np.full((9, 9), 4, np.uint8), 1)
    with pytest.raises(UnreadableSceneError, match="SCL of scene local cannot be read"):
        assess_scenes([item], grid, aoi, red_only)


def landsat(make_item, write_raster, folder, radsat=None, transform=Affine(30, 0, 249_600, 0, -30, 4_610_400)):
    own = Affine(30, 0, 249_600, 0, -30, 4_610_400)
    files = {
        "red": write_raster(folder / "red.tif", np.full((16, 20), 9000, np.uint16), own),
        "qa_pixel": write_raster(folder / "qa.tif", np.full((16, 20), 21824, np.uint16), own, nodata=1),
    }
    if radsat is not None:
        files["qa_radsat"] = write_raster(folder / "radsat.tif", radsat, transform)
    return make_item("L8", "landsat-c2-l2", files, platform="landsat-8")


def test_landsat_saturation_is_counted_where_its_file_is(make_item, write_raster, tmp_path, grid, aoi, request_bands):
    radsat = np.zeros((16, 20), np.uint16)
    radsat[:4] = 1 << 3
    request = request_bands(landsat_c2_l2=["red"])
    with_file = landsat(make_item, write_raster, tmp_path / "a", radsat)
    row = assess_scenes([with_file], grid, aoi, request).to_pylist()[0]
    assert (row["saturated_share"], row["clear_share"]) == (0.25, 0.75)
    row = assess_scenes([landsat(make_item, write_raster, tmp_path / "b")], grid, aoi, request).to_pylist()[0]
    assert (row["saturated_share"], row["clear_share"]) == (0.0, 1.0)


def test_saturation_of_other_pixels_is_refused(make_item, write_raster, tmp_path, grid, aoi, request_bands):
    shifted = Affine(30, 0, 249_630, 0, -30, 4_610_400)
    item = landsat(make_item, write_raster, tmp_path, np.zeros((16, 20), np.uint16), shifted)
    with pytest.raises(UnreadableSceneError, match="qa_radsat of scene L8 lies on other pixels than its mask"):
        assess_scenes([item], grid, aoi, request_bands(landsat_c2_l2=["red"]))
