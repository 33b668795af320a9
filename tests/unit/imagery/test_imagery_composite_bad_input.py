"""Composites of what ought not to come but does: scenes twice, areas beside the grid, scenes upside down, stale work."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid, MaskSettings, season_intervals
from agristat_platform.imagery import AoiOutsideImageryError, RepeatedSceneError, assess_scenes, build_composites
from agristat_platform.imagery.composite_area import counted_area

MONTHS = season_intervals(date(2023, 11, 1), date(2024, 1, 1), "month")
METHODS = [{"method": name} for name in ("median", "mean", "medoid", "geometric_median", "best_pixel")]


def compose(items, grid, imagery, folder, intervals=MONTHS, **options):
    scenes = assess_scenes(items, grid, grid.outline(), imagery)
    made = build_composites(scenes, grid, intervals, imagery, folder, **options)
    with rasterio.open(made.files[0]) as dataset:
        return dataset.read(1), made.layers.to_pylist()


def test_a_scene_that_comes_twice_counts_once(sentinel2, grid, red_only, tmp_path):
    scene = sentinel2("twice", red=3000)
    scenes = assess_scenes([scene, scene.clone()], grid, grid.outline(), red_only)
    assert sorted(scenes["kept"].to_pylist()) == [False, True]
    assert "superseded by the same item, which came more than once" in scenes["reason"].to_pylist()
    red, rows = compose([scene, scene.clone()], grid, red_only, tmp_path)
    assert (red == 2000).all()
    assert (rows[0]["valid_share"], rows[0]["observations_mean"]) == (1.0, 1.0)
    kept = scenes.filter(scenes["kept"])
    with pytest.raises(RepeatedSceneError, match=r"1 scenes are in the scenes table.*sentinel-2-l2a twice"):
        build_composites(pa.concat_tables([kept, kept]), grid, MONTHS, red_only, tmp_path)


def test_work_of_other_scenes_is_not_taken_for_finished(sentinel2, grid, red_only, tmp_path):
    folders = {"folder": tmp_path / "made", "work_dir": tmp_path / "work"}
    assert (compose([sentinel2("a", red=3000)], grid, red_only, **folders)[0] == 2000).all()
    other = sentinel2("b", red=4000)
    assert (compose([other], grid, red_only, **folders)[0] == 3000).all()
    other.properties["s2:processing_baseline"] = "03.01"  # the same files, said to hold no offset
    assert (compose([other], grid, red_only, **folders)[0] == 4000).all()


@pytest.mark.parametrize(
    ("area", "pixels"),
    [
        (shapely.box(249_701, 4_610_201, 249_704, 4_610_204), 1),
        (shapely.box(249_701, 4_610_101, 249_703, 4_610_299), 20),  # 4 pixels large and no centre in it
        (shapely.box(249_697, 4_610_101, 249_699, 4_610_299).union(shapely.box(249_800, 4_610_000, 249_850, 4_610_050)),
         25),
    ],
)  # fmt: skip
def test_areas_without_a_pixel_centre_are_those_they_touch(area, pixels, sentinel2, grid, red_only, tmp_path):
    """A part of the area that holds a centre is enough for centres to count, wherever tiles are cut."""
    red = np.full((48, 60), 3000)
    red[20:25] = 0
    tables = []
    for size in (None, 7):
        options = {"aoi_projected": area, "tile_rows": size, "tile_cols": size}
        tables.append(compose([sentinel2("a", red=red)], grid, red_only, tmp_path / str(size), **options)[1])
    assert tables[0] == tables[1]
    inside = counted_area(area, grid).inside(slice(0, 48), slice(0, 60))
    assert np.count_nonzero(inside) == pixels
    assert tables[0][0]["valid_share"] == pytest.approx((inside & (red > 0)).sum() / pixels)


@pytest.mark.parametrize("area", [shapely.box(0, 0, 10, 10), shapely.Point(249_705, 4_610_205)])
def test_an_area_beside_the_grid_is_an_error(area, sentinel2, grid, red_only, tmp_path):
    with pytest.raises(AoiOutsideImageryError, match="no ground on the region's grid"):
        compose([sentinel2("a")], grid, red_only, tmp_path, aoi_projected=area)


@pytest.mark.parametrize(
    ("transform", "turned"),
    [
        (Affine(10, 0, 249_600, 0, 10, 4_609_920), lambda pixels: pixels[::-1]),  # first row in the south
        (Affine(0, 10, 249_600, -10, 0, 4_610_400), lambda pixels: pixels.T),  # rows run from west to east
    ],
)
@pytest.mark.parametrize("metres", [0, 25])
def test_scenes_that_are_not_north_up(transform, turned, metres, make_item, grid, red_only, tmp_path):
    rng = np.random.default_rng(8)
    red, classes = rng.integers(1000, 5000, (48, 60)), rng.choice([4, 9], (48, 60), p=[0.98, 0.02])
    files = {}
    for name, pixels, kind in (("B04", red, np.uint16), ("SCL", classes, np.uint8)):
        pixels, files[name] = turned(pixels).astype(kind), tmp_path / f"{name}.tif"
        size = dict(zip(("height", "width"), pixels.shape, strict=True))
        with rasterio.open(
            files[name], "w", driver="GTiff", count=1, dtype=kind, crs=grid.crs, transform=transform, **size
        ) as dataset:
            dataset.write(pixels, 1)
    masks = MaskSettings(cloud_dilation_m=metres, shadow_dilation_m=0)
    imagery = red_only.model_copy(update={"max_cloud_share": 1.0, "masks": masks})
    found, _ = compose([make_item("turned", "sentinel-2-l2a", files, **{"s2:processing_baseline": "03.01"})],
                       grid, imagery, tmp_path / "made")  # fmt: skip
    from scipy.ndimage import distance_transform_edt

    clear = distance_transform_edt(classes == 4) * 10 > metres
    np.testing.assert_array_equal(found, np.where(clear, red, 0))


@pytest.mark.parametrize("dates", [9, 70])
def test_more_dates_than_a_byte_or_a_word_has_bits(dates, sentinel2, grid, red_only, tmp_path):
    small = Grid(grid.crs, grid.transform, 12, 9)
    masks = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)
    imagery = red_only.model_copy(update={"max_cloud_share": 1.0, "masks": masks})
    rng, items, seen = np.random.default_rng(0), [], []
    for k in range(dates):
        red, classes = rng.integers(1100, 6000, small.shape), rng.choice([4, 9], small.shape)
        when = {"when": f"2023-11-{k % 28 + 1:02d}T{10 + k // 28}:00:00Z", "sat:relative_orbit": k // 28}
        items.append(sentinel2(f"s{k:03d}", red=red, scl=classes, shape=small.shape, **when))
        seen.append(np.where(classes == 4, red - 1000, np.nan))
    found, rows = compose(items, small, imagery, tmp_path, MONTHS[:1])
    expected = np.floor(np.nanmedian(seen, axis=0) + 0.5)
    np.testing.assert_array_equal(found, np.nan_to_num(expected))
    assert rows[0]["observations_mean"] == pytest.approx(np.isfinite(seen).sum(axis=0).mean())


@pytest.mark.parametrize("way", [*METHODS, {"percentiles": (10.0,)}], ids=str)
def test_intervals_and_tiles_without_a_clear_scene_stay_missing(way, sentinel2, grid, red_only, tmp_path):
    classes = np.full((48, 60), 4)
    classes[:24] = 9
    masks = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)
    imagery = red_only.model_copy(update={**way, "max_cloud_share": 1.0, "masks": masks})
    pentads = season_intervals(date(2023, 11, 1), date(2023, 11, 16), "5d")
    item = sentinel2("half", scl=classes, when="2023-11-07T10:00:00Z")
    _, rows = compose([item], grid, imagery, tmp_path, pentads, tile_rows=12)
    assert [(row["interval"], row["valid_share"]) for row in rows[:3]] == [(1, 0.0), (2, 0.5), (3, 0.0)]
    assert [row["valid_share"] for row in rows[3:]] == [0.5] * len(rows[3:])


@pytest.mark.parametrize("spelling", [lambda crs: crs, lambda crs: pyproj.CRS(crs).to_wkt()])
def test_grids_without_an_epsg_code(spelling, sentinel2, red_only, tmp_path):
    albers = "+proj=aea +lat_0=0 +lon_0=-6 +lat_1=30 +lat_2=50 +x_0=0 +y_0=0 +ellps=GRS80 +units=m +no_defs"
    place = Affine(10, 0, 0, 0, -10, 4_000_000)
    red = np.random.default_rng(0).integers(2000, 5000, (48, 60))
    grid = Grid(spelling(albers), place, 60, 48)
    found, _ = compose([sentinel2("a", red=red, transform=place, crs=albers)], grid, red_only, tmp_path)
    np.testing.assert_array_equal(found, red - 1000)
    with rasterio.open(tmp_path / "sentinel-2-l2a_t01.tif") as dataset:
        assert dataset.transform == place
        assert pyproj.CRS(dataset.crs.to_wkt()).equals(pyproj.CRS(spelling(albers)), ignore_axis_order=True)


@pytest.mark.parametrize("way", [*METHODS, {"percentiles": (10.0, 10.0)}], ids=str)
def test_heat_alone_has_no_spectrum_and_no_percentiles(way, make_item, write_raster, request_bands, grid, tmp_path):
    place = Affine(30, 0, 249_600, 0, -30, 4_610_400)
    files = {
        "lwir11": write_raster(tmp_path / "st.tif", np.full((16, 20), 43_000, np.uint16), place),
        "qa_pixel": write_raster(tmp_path / "qa.tif", np.full((16, 20), 21_824, np.uint16), place, nodata=1),
    }
    item = make_item("L8", "landsat-c2-l2", files, **{"landsat:wrs_path": "203", "landsat:wrs_row": "31"})
    imagery = request_bands(landsat_c2_l2=["lwir11"]).model_copy(update=way)
    heat, rows = compose([item], grid, imagery, tmp_path, MONTHS[:1])
    assert (heat == 29_597).all()  # 43000 × 0.00341802 + 149 = 295.975 K
    assert [row["layer"] for row in rows] == ["lwir11"]


def test_a_percentile_asked_for_twice_is_one_layer(sentinel2, grid, red_only, tmp_path):
    imagery = red_only.model_copy(update={"percentiles": (10.0, 90.0, 10.0)})
    _, rows = compose([sentinel2("a")], grid, imagery, tmp_path, MONTHS[:1])
    assert [row["layer"] for row in rows] == ["B04", "B04_p10", "B04_p90"]
