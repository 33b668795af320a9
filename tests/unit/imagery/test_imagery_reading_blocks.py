"""Blocks in which an overpass is read: the grid once, a stretch of columns at a time, of bounded size however wide it is."""

import pytest
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.imagery import reading_blocks
from agristat_platform.imagery.overpasses import READ_COLS, READ_ROWS

CORNER = Affine(10, 0, 300_000, 0, -10, 4_600_000)


@pytest.fixture
def overpass(make_item):
    """One scene whose corner lies 300 rows and 700 columns before that of the grid."""
    item = make_item("s", "sentinel-2-l2a", {"B04": "b04.tif"}, crs="EPSG:32630")
    item.assets["B04"].extra_fields["proj:transform"] = list(CORNER * Affine.translation(-700, -300))
    return [item]


def test_the_whole_grid_once_and_never_much_of_it(overpass):
    height, width = 3000, 20_000
    blocks = reading_blocks(overpass, Grid("EPSG:32630", CORNER, width, height))
    assert all(rows.stop - rows.start <= READ_ROWS and cols.stop - cols.start <= READ_COLS for rows, cols in blocks)
    stretches = list(dict.fromkeys((cols.start, cols.stop) for _, cols in blocks))
    assert [edge for stretch in stretches for edge in stretch][1:-1:2] == [start for start, _ in stretches[1:]]
    assert (stretches[0][0], stretches[-1][1]) == (0, width)
    for stretch in stretches:  # each from north to south before the next begins
        rows = [own for own, cols in blocks if (cols.start, cols.stop) == stretch]
        assert [own.start for own in rows] == [0, *(own.stop for own in rows[:-1])]
        assert rows[-1].stop == height
    assert [(cols.start, cols.stop) for _, cols in blocks] == sorted((cols.start, cols.stop) for _, cols in blocks)


def test_cuts_lie_where_blocks_of_the_scene_do(overpass):
    blocks = reading_blocks(overpass, Grid("EPSG:32630", CORNER, 20_000, 3000))
    assert {(rows.start + 300) % 512 for rows, _ in blocks if rows.start} == {0}
    assert {(cols.start + 700) % 512 for _, cols in blocks if cols.start} == {0}


def test_a_small_grid_is_one_block_unless_smaller_ones_are_asked_for(overpass):
    grid = Grid("EPSG:32630", CORNER, 90, 60)
    assert reading_blocks(overpass, grid) == [(slice(0, 60), slice(0, 90))]
    assert len(reading_blocks(overpass, grid, (25, 40))) == 9
