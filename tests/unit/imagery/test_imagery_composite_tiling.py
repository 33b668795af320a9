"""Tiles cover the grid once, are cut where few blocks are decoded twice, and stay within memory."""

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.catalogue import Grid
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
