"""Tiles cover the grid once, are cut where few blocks are decoded twice, and stay within memory."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, season_intervals
from agristat_platform.imagery import assess_scenes, compose_unit, plan_composites
from agristat_platform.imagery.composite_tiling import (
    BLOCK,
    COARSE,
    MASK_BYTES,
    STACK_BYTES,
    block_edge,
    strip_rows,
    tile_shape,
    tiles,
)

BYTES_READ = Path("/proc/self/io")
CORNER = Affine(10, 0, 300_000, 0, -10, 4_600_000)


def placed(make_item, transform, crs="EPSG:32630"):
    item = make_item("s", "sentinel-2-l2a", {"B11": "b11.tif", "B04": "b04.tif"}, crs=crs)
    item.assets["B11"].extra_fields["proj:transform"] = [20, 0, transform.c, 0, -20, transform.f, 0, 0, 1]
    item.assets["B04"].extra_fields["proj:transform"] = list(transform)
    return item


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([7, 512, 1024, 3072]), st.integers(0, COARSE - 1))
def test_tiles_cover_the_grid_once(height, width, size, edge):
    grid = Grid("EPSG:32630", CORNER, width, height)
    height, width = min(height, 50 * size), min(width, 50 * size)
    grid = Grid("EPSG:32630", CORNER, width, height)
    cut = tiles(grid, (size, size), (edge, COARSE - 1 - edge), (None, None))
    rows = sorted({(row.start, row.stop) for row, _ in cut})
    cols = sorted({(col.start, col.stop) for _, col in cut})
    for parts, end in ((rows, height), (cols, width)):
        assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])]
        assert parts[-1][1] == end
        assert all(0 < stop - start <= size for start, stop in parts)
    assert len(cut) == len(rows) * len(cols)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (300, 200), (1500, -77), (-40, 5000)])
def test_cuts_lie_on_blocks_of_10_m_and_inside_those_of_20_m(make_item, down, right):
    grid = Grid("EPSG:32630", CORNER * Affine.translation(right, down), 7000, 9000)
    edge = block_edge([placed(make_item, CORNER, "EPSG:32629"), placed(make_item, CORNER)], grid)
    cut = tiles(grid, (3 * COARSE, 2 * COARSE), edge, (None, None))
    assert {(row.start + down) % COARSE for row, _ in cut if row.start} == {BLOCK}
    assert {(col.start + right) % COARSE for _, col in cut if col.start} == {BLOCK}
    assert block_edge([placed(make_item, CORNER, "EPSG:32629")], grid) == (0, 0)  # nothing is known of this zone


@pytest.mark.parametrize("work", ["bands", "spectra", "percentiles", "radar"])
def test_what_a_tile_holds_is_bounded_and_strips_are_whole_blocks(work):
    for scenes in (0, 1, 8, 9, 24, 60):
        rows, cols = tile_shape(work, 10, scenes)
        assert rows % COARSE == cols % COARSE == 0
        if cols > COARSE:  # the least there is
            stacked, value_bytes = scenes * (11 if work == "spectra" else 1), 4 if work == "radar" else 2
            assert stacked * value_bytes * cols * BLOCK <= STACK_BYTES
            assert strip_rows(stacked, cols, value_bytes) == BLOCK
        assert rows == COARSE or -(-scenes // 8) * rows * cols <= MASK_BYTES


@pytest.mark.parametrize("intervals", [7, 18, 43])
def test_the_speckle_filter_holds_a_strip_of_every_interval(intervals):
    _, cols = tile_shape("speckle", intervals, 60)
    assert cols == COARSE or intervals * cols * BLOCK * 12 <= 2 * STACK_BYTES


@pytest.mark.skipif(not BYTES_READ.exists(), reason="bytes read are counted by Linux alone")
@pytest.mark.parametrize(
    ("band", "most"),
    [("B04", 1.05), ("B11", 1.36)],  # 20 m, as SCL: the row of blocks at the cut is read for either tile, one of three
)
def test_a_block_of_a_scene_is_read_once(band, most, make_item, tmp_path):
    """A grid that begins anywhere in a scene, in two tiles: uncompressed blocks, so that bytes count them."""
    size, files, dates = 3072, {}, 2
    for name, cell, kind in ((band, 10 if band == "B04" else 20, "uint16"), ("SCL", 20, "uint8")):
        files[name], side = tmp_path / f"{name}.tif", size * 10 // cell
        with rasterio.open(
            files[name], "w", driver="GTiff", count=1, dtype=kind, crs="EPSG:32630", width=side, height=side, nodata=0,
            transform=Affine(cell, 0, 300_000, 0, -cell, 4_600_000), tiled=True, blockxsize=BLOCK, blockysize=BLOCK,
        ) as dataset:  # fmt: skip
            dataset.write(np.full((side, side), 4, kind), 1)
    grid = Grid("EPSG:32630", CORNER * Affine.translation(200, 300), 2700, 2600)
    items = []
    for day in range(1, dates + 1):
        own = {name: path.with_name(f"{day}_{path.name}") for name, path in files.items()}
        for name, path in own.items():
            path.hardlink_to(files[name])
        about = {"s2:processing_baseline": "03.01", "proj:transform": list(CORNER)}
        items.append(make_item(f"s{day}", "sentinel-2-l2a", own, when=f"2023-11-{day:02d}T11:00:00Z", **about))
    imagery = ImagerySource(catalogue="c", collections={"sentinel-2-l2a": CollectionRequest(bands=(band,))})
    november = season_intervals(date(2023, 11, 1), date(2023, 12, 1), "month")
    scenes = assess_scenes(items, grid, grid.outline(), imagery)
    plan = plan_composites(scenes, grid, november, imagery, tile_rows=2 * COARSE)
    before = read_so_far()
    for unit in plan.units:
        compose_unit(plan, unit, tmp_path / "work")
    blocks = sum(path.stat().st_size for path in files.values()) * dates
    assert (read_so_far() - before) / blocks < most


def read_so_far():
    return int(BYTES_READ.read_text().split("rchar:")[1].split()[0])
