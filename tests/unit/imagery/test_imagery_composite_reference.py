"""Composites against a slow reference written from the definitions: numpy, scipy and pyproj, whole scenes at once."""

from collections import defaultdict
from datetime import date

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from scipy.ndimage import distance_transform_edt

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, MaskSettings, season_intervals
from agristat_platform.imagery import assess_scenes, build_composites, reading
from agristat_platform.imagery.collections import collection_table
from agristat_platform.imagery.composite_work import clear_sky
from agristat_platform.imagery.overpasses import overpasses_of
from agristat_platform.imagery.reading import SceneReader

NOVEMBER = season_intervals(date(2023, 11, 1), date(2023, 12, 1), "month")
GRID = Grid("EPSG:32630", Affine(10, 0, 249_610, 0, -10, 4_610_390), 61, 47)  # no multiple of 20 m
CLOUD_M, SHADOW_M = 45, 25
MISSING, CLEAR = 0, 1

# tile, CRS, corner of the tile, its 20 m pixels: own zone on the lattice, own zone off it, and the zone to the west
TILES = {
    "30TTM": ("EPSG:32630", (249_600, 4_610_400), (25, 21)),
    "30TTN": ("EPSG:32630", (249_867.3, 4_610_391.9), (25, 18)),
    "29TQG": ("EPSG:32629", (749_000, 4_611_900), (150, 120)),
}
BASELINES = {"05.09": -0.1, "03.01": 0.0}
DAYS = [(3, "05.09", ("30TTM", "29TQG")), (8, "03.01", ("30TTN", "30TTM", "29TQG")), (13, "05.09", ("30TTN", "29TQG")),
        (18, "03.01", ("30TTM",)), (23, "05.09", ("29TQG", "30TTM", "30TTN"))]  # fmt: skip


def positions(grid, crs, transform):
    """Columns and rows of a scene, 0.0 the corner of its first pixel, at every pixel centre of the grid."""
    x = grid.transform.c + grid.transform.a * (np.arange(grid.width) + 0.5)
    y = grid.transform.f + grid.transform.e * (np.arange(grid.height) + 0.5)
    x, y = np.meshgrid(x, y)
    if crs != grid.crs:
        x, y = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    return (x - transform.c) / transform.a, (y - transform.f) / transform.e


def looked_up(pixels, rows, cols, outside):
    inside = (rows >= 0) & (rows < pixels.shape[0]) & (cols >= 0) & (cols < pixels.shape[1])
    return np.where(inside, pixels[np.where(inside, rows, 0), np.where(inside, cols, 0)], outside)


def sky_of(classes, cols, rows, pixel_m):
    """0 nothing seen, 1 clear, 2 anything else; cloud and shadow grown by discs in the scene's own pixels."""
    sky = np.full(classes.shape, 2)
    sky[np.isin(classes, (2, 4, 5, 6, 7))] = CLEAR
    sky[classes == 0] = MISSING
    for codes, metres in (((8, 9, 10), CLOUD_M), ((3,), SHADOW_M)):
        found = np.isin(classes, codes)
        if found.any():
            near = distance_transform_edt(~found) * pixel_m <= metres
            sky[near & (sky == CLEAR)] = 2
    return looked_up(sky, np.floor(rows).astype(int), np.floor(cols).astype(int), MISSING)


def bilinear(pixels, cols, rows):
    """Missing where the pixel that holds the place is missing; else the mean of the neighbours that are there."""
    holding = looked_up(pixels, np.floor(rows).astype(int), np.floor(cols).astype(int), 0)
    left, top = np.floor(cols - 0.5).astype(int), np.floor(rows - 0.5).astype(int)
    total, weights = np.zeros(cols.shape), np.zeros(cols.shape)
    for row in (top, top + 1):
        for col in (left, left + 1):
            number = looked_up(pixels, row, col, 0).astype(float)
            weight = (1 - abs(rows - 0.5 - row)) * (1 - abs(cols - 0.5 - col)) * (number != 0)
            total += weight * number
            weights += weight
    with np.errstate(invalid="ignore"):
        return np.where(holding != 0, total / weights, np.nan)


def reference(observed, grid, band, scale, offset_of, unit):
    """Median per pixel in stored units, and the observations: `observed` is overpass → scenes in order of preference."""
    seen = []
    for scenes in observed.values():
        taken = np.zeros(grid.shape, bool)
        value = np.full(grid.shape, np.nan)
        for scene in scenes:
            sky = scene["sky"]
            here = ~taken & (sky != MISSING)
            taken |= here
            pixels, transform = scene[band]
            physical = bilinear(pixels, *positions(grid, scene["crs"], transform)) * scale + offset_of(scene)
            stored = np.clip(np.floor(physical / unit + 0.5), 1, 65535)
            np.copyto(value, stored, where=here & (sky == CLEAR))
        seen.append(value)
    stack = np.array(seen)
    count = np.isfinite(stack).sum(axis=0)
    ordered = np.sort(stack, axis=0)  # NaN last
    low, high = (count - 1).clip(0) // 2, count // 2
    rows, cols = np.indices(grid.shape)
    middle = ordered[low, rows, cols] + ordered[np.minimum(high, len(seen) - 1), rows, cols]
    return np.floor(middle / 2 + 0.5), count


@pytest.fixture
def observed(make_item, write_raster, tmp_path):
    """Five overpasses in up to three overlapping tiles: noise in 10 m and 20 m pixels, gaps, speckled sky."""
    overpasses, items = defaultdict(list), []
    for day, baseline, names in DAYS:
        for name in names:
            crs, (left, top), (height, width) = TILES[name]
            rng = np.random.default_rng([day, *name.encode()])
            scene, files, folder = {"crs": crs, "baseline": baseline}, {}, tmp_path / f"{day}_{name}"
            classes = rng.choice([4, 5, 7, 9, 3, 11, 1], (height, width), p=[0.4, 0.3, 0.25, 0.02, 0.01, 0.01, 0.01])
            classes[rng.random(classes.shape) < 0.03] = 0
            classes[: height // 4, : width // 3] = 0  # the swath's edge
            for band, cell in (("B04", 10), ("B11", 20)):
                pixels = rng.integers(700, 6000, (height * 20 // cell, width * 20 // cell)).astype(np.uint16)
                pixels[rng.random(pixels.shape) < 0.04] = 0
                transform = Affine(cell, 0, left, 0, -cell, top)
                scene[band] = pixels, transform
                files[band] = write_raster(folder / f"{band}.tif", pixels, transform, crs)
            files["SCL"] = write_raster(folder / "SCL.tif", classes.astype(np.uint8), transform, crs)
            scene["sky"] = sky_of(classes, *positions(GRID, crs, transform), 20)
            about = {"s2:processing_baseline": baseline, "grid:code": f"MGRS-{name}"}
            item = make_item(f"{name}_{day}", "sentinel-2-l2a", files, crs=crs, when=f"2023-11-{day:02d}T11:00:00Z",
                             **about)  # fmt: skip
            scene["id"] = item.id
            items.append(item)
            overpasses[day].append(scene)
    for scenes in overpasses.values():
        scenes.sort(key=lambda scene: (scene["crs"] != GRID.crs, scene["id"]))
    return items, overpasses


def source(collection, bands):
    masks = MaskSettings(cloud_dilation_m=CLOUD_M, shadow_dilation_m=SHADOW_M)
    requests = {collection: CollectionRequest(bands=bands)}
    return ImagerySource(
        catalogue="embedded", collections=requests, max_cloud_share=1.0, min_aoi_cover=0, masks=masks, harmonise=False
    )


def composed(items, imagery, folder):
    scenes = assess_scenes(items, GRID, GRID.outline(), imagery)
    assert scenes["kept"].to_pylist() == [True] * len(items)
    made = build_composites(scenes, GRID, NOVEMBER, imagery, folder, tile_rows=20, tile_cols=33)
    with rasterio.open(made.files[0]) as dataset:
        return dataset.read(), made.layers.to_pylist(), scenes


def require_equal(found, expected, count, row):
    """Stored medians are those of the reference, but for a unit where an observation lies at a half of one."""
    assert ((found != 0) == (count > 0)).all()
    apart = np.abs(found - expected)[count > 0]
    assert apart.max() <= 1
    assert apart.mean() < 0.01
    assert row["observations_mean"] == pytest.approx(count.mean())
    assert row["valid_share"] == pytest.approx((count > 0).mean())


@pytest.mark.parametrize("slanted_cols", [2048, 8])
def test_sentinel_2_of_two_zones_two_sizes_and_two_baselines(slanted_cols, observed, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SLANTED_COLS", slanted_cols)
    items, overpasses = observed
    pixels, rows, _scenes = composed(items, source("sentinel-2-l2a", ("B04", "B11")), tmp_path / "made")
    for position, band in enumerate(("B04", "B11")):
        expected, count = reference(
            overpasses, GRID, band, 1e-4, lambda scene: BASELINES[scene["baseline"]], 1e-4
        )  # fmt: skip
        assert len(np.unique(count)) >= 4
        require_equal(pixels[position].astype(int), expected, count, rows[position])


def test_the_clear_sky_is_the_references_pixel_by_pixel(observed):
    """14 scenes: bits of two planes; each place of an overpass is taken from one tile, also where that one is cloudy."""
    items, overpasses = observed
    table, rows = collection_table("sentinel-2-l2a"), slice(5, 47)
    masks = MaskSettings(cloud_dilation_m=CLOUD_M, shadow_dilation_m=SHADOW_M)
    with SceneReader(GRID, cols=slice(7, 50), masks=masks) as reader:
        sky = clear_sky(reader, overpasses_of(items, GRID), table, rows)
        for scenes in overpasses.values():
            taken = np.zeros(GRID.shape, bool)
            for scene in scenes:
                expected = ~taken & (scene["sky"] == CLEAR)
                taken |= scene["sky"] != MISSING
                item = next(item for item in items if item.id == scene["id"])
                marks = sky.marks(item, slice(0, 42))
                found = (marks.planes[marks.plane] >> marks.bit) & 1
                np.testing.assert_array_equal(found == 1, expected[5:47, 7:50])
                assert found.sum() > 0


def test_landsat_in_its_own_pixels(make_item, write_raster, tmp_path):
    """30 m pixels on a 10 m grid: weights of thirds and sixths, and places beyond the scene's first and last centres."""
    overpasses, items = defaultdict(list), []
    for day, (left, top), (height, width) in ((4, (249_585, 4_610_415), (17, 22)), (12, (249_705, 4_610_205), (9, 12)),
                                              (20, (249_600, 4_610_397), (13, 15))):  # fmt: skip
        rng = np.random.default_rng(day)
        transform = Affine(30, 0, left, 0, -30, top)
        red = rng.integers(7300, 40_000, (height, width)).astype(np.uint16)
        red[rng.random(red.shape) < 0.08] = 0
        red[0, 1], red[1, 0] = 7000, 65_535  # −0.0075, and above 1.6
        heat = rng.integers(35_000, 60_000, (height, width)).astype(np.uint16)
        qa = rng.choice([21_824, 22_280, 23_888, 1], (height, width), p=[0.92, 0.03, 0.02, 0.03]).astype(np.uint16)
        files = {
            name: write_raster(tmp_path / f"{day}_{name}.tif", values, transform)
            for name, values in (("red", red), ("lwir11", heat), ("qa_pixel", qa))
        }
        about = {"landsat:wrs_path": "203", "landsat:wrs_row": "31", "platform": "landsat-8"}
        items.append(make_item(f"L{day}", "landsat-c2-l2", files, when=f"2023-11-{day:02d}T11:00:00Z", **about))
        classes = np.select([qa == 1, qa == 21_824, qa == 22_280], [0, 4, 9], 3)  # fill, clear, cloud, shadow
        sky = sky_of(classes, *positions(GRID, GRID.crs, transform), 30)
        overpasses[day].append({"crs": GRID.crs, "red": (red, transform), "heat": (heat, transform), "sky": sky})
    pixels, rows, _ = composed(items, source("landsat-c2-l2", ("red", "lwir11")), tmp_path / "made")
    expected, count = reference(overpasses, GRID, "red", 2.75e-5, lambda _: -0.2, 1e-4)
    require_equal(pixels[0].astype(int), expected, count, rows[0])
    expected, count = reference(overpasses, GRID, "heat", 0.00341802, lambda _: 149.0, 0.01)
    require_equal(pixels[1].astype(int), expected, count, rows[1])
