"""Scenes on the region's grid: exact places, no seams, no dependence on blocks."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.resampling import (
    coarse_grid,
    curved,
    pixel_places,
    same_crs,
    sample_bilinear,
    sample_nearest,
    source_window,
)
from agristat_platform.imagery.resampling_kernels import row_of_places
from agristat_platform.imagery.windows import cell_means

ALL = slice(0, 300)


def coordinates(places):
    """x and y of every pixel of a block, as the kernels compute them row by row."""
    node_x, node_y, row_shift, col_shift, rows, cols = curved(places)
    x, y = np.empty((rows, cols)), np.empty((rows, cols))
    for i in range(rows):
        row_of_places(node_x, i + row_shift, col_shift, x[i])
        row_of_places(node_y, i + row_shift, col_shift, y[i])
    return x, y


WIDE = Grid("EPSG:32630", Affine(10, 0, 249_600, 0, -10, 4_610_400), 300, 200)


def test_places_in_the_neighbouring_zone_are_exact_to_a_centimetre():
    places = pixel_places(WIDE, slice(0, 200), ALL, "EPSG:32629")
    x, y = np.meshgrid(249_605 + 10 * np.arange(300), 4_610_395 - 10 * np.arange(200))
    exact = pyproj.Transformer.from_crs("EPSG:32630", "EPSG:32629", always_xy=True).transform(x, y)
    found = coordinates(places)
    assert np.abs(found[0] - exact[0]).max() < 0.01
    assert np.abs(found[1] - exact[1]).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 199), st.integers(1, 60), st.integers(0, 299), st.integers(1, 90))
def test_places_do_not_depend_on_the_block(start, size, left, width):
    rows, cols = slice(start, min(200, start + size)), slice(left, min(300, left + width))
    whole = coordinates(pixel_places(WIDE, slice(0, 200), ALL, "EPSG:32629"))
    block = coordinates(pixel_places(WIDE, rows, cols, "EPSG:32629"))
    assert (block[0] == whole[0][rows, cols]).all()
    assert (block[1] == whole[1][rows, cols]).all()


def test_same_lattice_copies_and_shifted_lattice_interpolates():
    source = np.arange(12, dtype=np.uint16).reshape(3, 4) + 10
    transform = Affine(10, 0, 0, 0, -10, 30)
    grid = Grid("EPSG:32630", transform, 4, 3)
    places = pixel_places(grid, slice(0, 3), slice(0, grid.width), "EPSG:32630")
    assert (sample_bilinear(source, transform, places, 0) == source).all()
    half = Grid("EPSG:32630", Affine(10, 0, 5, 0, -10, 25), 3, 2)
    halfway = sample_bilinear(source, transform, pixel_places(half, slice(0, 2), slice(0, half.width), "EPSG:32630"), 0)
    assert halfway[0].tolist() == [12.5, 13.5, 14.5]  # (10 + 11 + 14 + 15) / 4 and so on


def test_missing_neighbours_neither_spread_nor_darken():
    source = np.array([[100, 0], [100, 100]], np.uint16)
    transform = Affine(10, 0, 0, 0, -10, 20)
    fine = Grid("EPSG:32630", Affine(5, 0, 0, 0, -5, 20), 4, 4)
    values = sample_bilinear(source, transform, pixel_places(fine, slice(0, 4), slice(0, fine.width), "EPSG:32630"), 0)
    assert np.isnan(values[:2, 2:]).all()
    assert np.nanmin(values) == 100
    assert np.isfinite(values).sum() == 12


def test_nearest_takes_the_pixel_and_nothing_outside():
    source = np.array([[4, 9]], np.uint8)
    transform = Affine(20, 0, 0, 0, -20, 20)
    fine = Grid("EPSG:32630", Affine(10, 0, -10, 0, -10, 20), 6, 2)
    values = sample_nearest(source, transform, pixel_places(fine, slice(0, 2), slice(0, fine.width), "EPSG:32630"), 255)
    assert values.tolist() == [[255, 4, 4, 9, 9, 255]] * 2


def test_window_covers_what_is_needed_and_none_outside():
    places = pixel_places(WIDE, slice(10, 20), ALL, "EPSG:32630")
    assert source_window(places, WIDE.transform, 300, 200) == (9, 21, 0, 300)
    assert source_window(places, Affine(10, 0, 900_000, 0, -10, 4_610_400), 50, 50) is None


def test_cell_means_leave_missing_out():
    pixels = np.array([[1, 3, 0, 0], [5, 7, 0, 9]], np.float32)
    assert cell_means(pixels, 2, 0).tolist() == [[4, 0]]  # the second cell has one of four pixels: missing


def test_coarse_grid_is_a_whole_multiple():
    coarse = coarse_grid(WIDE, 30)
    assert (coarse.transform.a, coarse.width, coarse.height) == (30, 100, 67)
    assert coarse_grid(WIDE, 10).transform.a == 10


def test_two_spellings_of_one_crs_are_the_same():
    albers = "+proj=aea +lat_0=0 +lon_0=-54 +lat_1=-1 +lat_2=-29 +x_0=0 +y_0=0 +ellps=GRS80 +units=m +no_defs"
    grid = Grid(albers, Affine(64, 0, 784_851, 0, -64, -1_435_954), 10, 10)
    assert same_crs(grid, pyproj.CRS(albers).to_wkt("WKT1_GDAL"))
    assert not same_crs(WIDE, "EPSG:32629")


@pytest.mark.parametrize("zone", ["EPSG:32629", "EPSG:32630"])
def test_a_smooth_field_comes_through_in_either_zone(zone):
    """A plane in longitude and latitude, rendered at 10 m in a zone, is recovered to a thousandth of its range."""
    to_zone = pyproj.Transformer.from_crs(WIDE.crs, zone, always_xy=True)
    left, bottom, right, top = WIDE.bounds
    corner_x, corner_y = to_zone.transform([left, right, left, right], [bottom, bottom, top, top])
    x0, y0 = np.floor(min(corner_x) / 10) * 10 - 20, np.ceil(max(corner_y) / 10) * 10 + 20
    width, height = int((max(corner_x) - x0) / 10) + 4, int((y0 - min(corner_y)) / 10) + 4
    transform = Affine(10, 0, x0, 0, -10, y0)
    x, y = np.meshgrid(x0 + 10 * np.arange(width) + 5, y0 - 10 * np.arange(height) - 5)
    source = plane(*pyproj.Transformer.from_crs(zone, "EPSG:4326", always_xy=True).transform(x, y))
    values = sample_bilinear(source, transform, pixel_places(WIDE, slice(0, 200), ALL, zone), float("nan"))
    x, y = np.meshgrid(249_605 + 10 * np.arange(300), 4_610_395 - 10 * np.arange(200))
    expected = plane(*pyproj.Transformer.from_crs(WIDE.crs, "EPSG:4326", always_xy=True).transform(x, y))
    assert np.abs(values - expected).max() < 1e-3


def plane(lon, lat):
    return 10 * (lon + 6) + 20 * (lat - 41.6)
