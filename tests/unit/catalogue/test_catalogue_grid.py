"""Pixel grids against numbers worked by hand."""

from __future__ import annotations

import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import Grid, InvalidGridError, reproject

UTM30 = "EPSG:32630"


def grid_5_by_6() -> Grid:
    return Grid.from_bounds((103, 207, 148, 251), UTM30, 10)


def test_bounds_snap_outwards_to_multiples_of_the_resolution() -> None:
    grid = grid_5_by_6()
    assert grid.bounds == (100, 200, 150, 260)
    assert grid.shape == (6, 5)
    assert grid.transform == Affine(10, 0, 100, 0, -10, 260)
    assert grid.pixel_area_ha == 0.01
    assert grid.resolution_m == (10, 10)


def test_edges_on_the_lattice_add_no_row() -> None:
    assert Grid.from_bounds((100, 200, 150, 260), UTM30, 10) == grid_5_by_6()


@pytest.mark.parametrize(("right", "columns"), [(150.005, 5), (149.995, 5), (150.02, 6)])
def test_rounding_of_a_thousandth_of_a_pixel_is_on_the_lattice(right: float, columns: int) -> None:
    assert Grid.from_bounds((100, 200, right, 260), UTM30, 10).width == columns


def test_an_area_smaller_than_the_rounding_still_has_a_pixel() -> None:
    assert Grid.from_bounds((1400.1, -0.2, 1400.6, 0.3), UTM30, 700).bounds == (1400, -700, 2100, 700)


def test_negative_coordinates_snap_away_from_the_area() -> None:
    assert Grid.from_bounds((-103, -207, -48, -151), UTM30, 10).bounds == (-110, -210, -40, -150)


def test_from_aoi_at_the_equator_on_the_central_meridian() -> None:
    # 0.01° from (3° W, 0°): 0.9996 × 6378137 m × π/18000 = 1112.75 m east, 0.9996 × 1105.74 m = 1105.3 m north
    grid = Grid.from_aoi(shapely.box(-3, 0, -2.99, 0.01), UTM30, 100)
    assert grid.bounds == (500_000, 0, 501_200, 1_200)


def test_a_parallel_bends_and_the_grid_covers_its_belly() -> None:
    grid = Grid.from_aoi(shapely.box(-6, 60, 0, 61), UTM30, 1000)
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", UTM30, always_xy=True)
    corner, middle = to_utm.transform(-6, 60)[1], to_utm.transform(-3, 60)[1]
    assert corner - middle > 3000
    assert grid.bounds[1] <= middle


@settings(deadline=None)  # machines that run tests are shared
@given(
    left=st.floats(-1e6, 1e6),
    bottom=st.floats(-1e6, 1e6),
    width=st.floats(0.5, 1e4),
    height=st.floats(0.5, 1e4),
    resolution=st.sampled_from([10.0, 20.0, 30.0, 64.0, 700.0]),
)
def test_grid_covers_its_box_with_less_than_a_pixel_to_spare(
    left: float, bottom: float, width: float, height: float, resolution: float
) -> None:
    box = (left, bottom, left + width, bottom + height)
    grid = Grid.from_bounds(box, UTM30, resolution)
    slack = resolution * 1.1e-3
    for edge, wanted, outwards in zip(grid.bounds, box, (-1, -1, 1, 1), strict=True):
        assert -slack <= (edge - wanted) * outwards <= resolution + slack
        assert edge / resolution == pytest.approx(round(edge / resolution), abs=1e-9)


def test_window_takes_every_pixel_that_shares_area() -> None:
    rows, cols = grid_5_by_6().window(112, 215, 131, 233)
    assert (rows, cols) == (slice(2, 5), slice(1, 4))


def test_window_on_pixel_edges_takes_no_neighbour() -> None:
    assert grid_5_by_6().window(110, 210, 130, 230) == (slice(3, 5), slice(1, 3))


def test_window_is_cut_off_at_the_grid_and_empty_outside() -> None:
    assert grid_5_by_6().window(0, 0, 1000, 1000) == (slice(0, 6), slice(0, 5))
    rows, cols = grid_5_by_6().window(500, 500, 600, 600)
    assert rows.stop == rows.start
    assert cols.stop == cols.start


def test_crop_of_a_window_lies_where_the_window_lay() -> None:
    cropped = grid_5_by_6().crop(slice(2, 5), slice(1, 4))
    assert cropped.bounds == (110, 210, 140, 240)
    assert cropped.shape == (3, 3)


def test_pixels_need_not_be_square() -> None:
    grid = Grid(UTM30, Affine(64, 0, 0, 0, -50, 0), 2, 4)
    assert grid.bounds == (0, -200, 128, 0)
    assert grid.pixel_area_ha == pytest.approx(0.32)


@pytest.mark.parametrize(
    ("crs", "transform", "size", "message"),
    [
        ("EPSG:4326", Affine(10, 0, 0, 0, -10, 0), (1, 1), "not projected"),
        ("EPSG:0", Affine(10, 0, 0, 0, -10, 0), (1, 1), "unknown"),
        ("EPSG:2264", Affine(10, 0, 0, 0, -10, 0), (1, 1), "not in metres"),  # North Carolina, US feet
        (UTM30, Affine(10, 1, 0, 0, -10, 0), (1, 1), "rotated"),
        (UTM30, Affine(10, 0, 0, 0, 10, 0), (1, 1), "not north-up"),
        (UTM30, Affine(10, 0, 0, 0, -10, 0), (0, 1), "0 columns"),
        (UTM30, Affine(10, 0, 0, 0, -10, 0), (10**6, 10**6), "more pixels than"),
    ],
)
def test_a_grid_nobody_can_work_on_is_refused(crs: str, transform: Affine, size: tuple[int, int], message: str) -> None:
    with pytest.raises(InvalidGridError, match=message):
        Grid(crs, transform, *size)


@pytest.mark.parametrize(
    ("bounds", "resolution", "message"),
    [
        ((0, 0, 0, 10), 10, "empty"),
        ((0, 0, 10, 10), 0, "resolution"),
        ((0, 0, 10, 10), float("nan"), "resolution"),
        ((0, 0, float("inf"), 10), 10, "finite"),
    ],
)
def test_bounds_without_a_grid_are_refused(
    bounds: tuple[float, float, float, float], resolution: float, message: str
) -> None:
    with pytest.raises(InvalidGridError, match=message):
        Grid.from_bounds(bounds, UTM30, resolution)


def test_reprojecting_there_and_back_is_the_same_place() -> None:
    box = shapely.box(-6.05, 41.57, -5.95, 41.63)
    back = reproject(reproject(box, "EPSG:4326", UTM30), UTM30, "EPSG:4326")
    assert shapely.hausdorff_distance(box, back) < 1e-9
