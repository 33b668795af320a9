"""Places in a Sentinel-1 image by its geolocation lattice, against geodesics on the ellipsoid."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.imagery import InvalidAnnotationError
from agristat_platform.imagery.sentinel1_annotation import ImageGeometry
from agristat_platform.imagery.sentinel1_geocoding import ImagePlaces

CRS = "EPSG:32630"
GEOD = pyproj.Geod(ellps="WGS84")
LINES, PIXELS = 16_676, 26_144  # a whole IW scene


def on_the_ground(line, pixel, heading=192.0):
    """Longitude and latitude of image positions: straight on along the track, then at right angles across it."""
    shape = np.broadcast_shapes(np.shape(line), np.shape(pixel))
    line, pixel = (np.broadcast_to(value, shape).ravel().astype(float) for value in (line, pixel))
    start = np.full(line.size, -3.4), np.full(line.size, 42.6)
    lon, lat, back = GEOD.fwd(*start, np.full(line.size, heading), 10.0 * line)
    lon, lat, _ = GEOD.fwd(lon, lat, np.asarray(back) + 180.0 + 90.0, 10.0 * pixel)
    return np.reshape(lon, shape), np.reshape(lat, shape)


def geometry(height=0.0, shift_m=0.0, heading=192.0) -> ImageGeometry:
    """Lattice of 10 by 21 nodes, as in real products; the last line is nearer than the others."""
    lines = np.append(np.arange(9) * 2000.0, LINES - 1.0)
    pixels = np.append(np.arange(20) * 1308.0, PIXELS - 1.0)
    node_line, node_pixel = np.meshgrid(lines, pixels, indexing="ij")
    lon, lat = on_the_ground(node_line, node_pixel + shift_m / 10.0, heading)
    heights = np.broadcast_to(np.asarray(height, float), lon.shape)
    return ImageGeometry(LINES, PIXELS, 10.0, 10.0, False, lines, pixels, lon, lat, heights)


def in_metres(lon, lat):
    return pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(lon, lat)


@pytest.mark.parametrize("heading", [192.0, 348.0])
def test_a_twentieth_of_a_pixel_all_over_a_scene(heading):
    rng = np.random.default_rng(3)
    line, pixel = rng.uniform(0, LINES - 1, 5000), rng.uniform(0, PIXELS - 1, 5000)
    found = ImagePlaces(geometry(heading=heading), CRS, "S1").lines_pixels(
        *in_metres(*on_the_ground(line, pixel, heading))
    )
    error = np.hypot(found[0] - line, found[1] - pixel)
    assert error.max() < 0.05
    assert np.sqrt(np.mean(error**2)) < 0.02


def test_nodes_come_back_exactly():
    image = geometry()
    x, y = in_metres(image.longitude, image.latitude)
    line, pixel = ImagePlaces(image, CRS, "S1").lines_pixels(x, y)
    np.testing.assert_allclose(line, np.broadcast_to(image.lines[:, None], line.shape), atol=1e-4)
    np.testing.assert_allclose(pixel, np.broadcast_to(image.pixels, pixel.shape), atol=1e-4)


def test_rough_heights_of_the_lattice_still_tell_one_pixel_for_one_place():
    rng = np.random.default_rng(5)
    image = geometry(shift_m=rng.uniform(0, 2000, (10, 21)))
    line, pixel = rng.uniform(0, LINES - 1, 3000), rng.uniform(300, PIXELS - 300, 3000)
    x, y = in_metres(*on_the_ground(line, pixel))
    found = ImagePlaces(image, CRS, "S1").lines_pixels(x, y)
    assert np.abs(found[0] - line).max() < 30
    assert (pixel - found[1]).min() > -1
    assert (pixel - found[1]).max() < 201


def test_beyond_the_image_positions_are_beyond_it():
    places = ImagePlaces(geometry(), CRS, "S1")
    for line, pixel in [(-50, 9000), (LINES + 50, 9000), (8000, -40), (8000, PIXELS + 40), (-90_000, 8000)]:
        found_line, found_pixel = places.lines_pixels(*map(np.atleast_1d, in_metres(*on_the_ground(line, pixel))))
        outside = not (0 <= found_line[0] < LINES and 0 <= found_pixel[0] < PIXELS)
        assert outside, (line, pixel)


def test_a_pixel_has_its_place_whatever_block_is_asked_for():
    places = ImagePlaces(geometry(), CRS, "S1")
    grid = Grid(CRS, Affine(10, 0, 250_000, 0, -10, 4_620_000), 300, 200)
    whole = places.on_grid(grid, slice(0, 200), slice(0, 300))
    part = places.on_grid(grid, slice(70, 71), slice(33, 150))
    assert (part.row_shift, part.col_shift, part.shape) == (70 - 64, 33 - 32, (1, 117))
    np.testing.assert_array_equal(part.node_x, whole.node_x[4:6, 2:11])
    np.testing.assert_array_equal(part.node_y, whole.node_y[4:6, 2:11])
    centre = places.lines_pixels(np.array([250_005.0]), np.array([4_619_995.0]))
    assert whole.node_y[0, 0] == pytest.approx(centre[0][0] + 0.5)
    assert whole.node_x[0, 0] == pytest.approx(centre[1][0] + 0.5)


def test_height_span_is_that_of_the_nodes_around():
    heights = np.zeros((10, 21))
    heights[0, 0] = 900.0  # far away
    places = ImagePlaces(geometry(heights), CRS, "S1")
    x, y = in_metres(*on_the_ground(8500, 13_500))
    grid = Grid(CRS, Affine(10, 0, round(x), 0, -10, round(y)), 100, 100)
    assert places.height_span_m(grid) == 0.0
    heights[4, 10] = 250.0
    assert ImagePlaces(geometry(heights), CRS, "S1").height_span_m(grid) == 250.0
    elsewhere = Grid(CRS, Affine(10, 0, 400_000, 0, -10, 6_000_000), 100, 100)
    assert places.height_span_m(elsewhere) == 0.0


def test_a_folded_lattice_is_refused():
    image = geometry()
    folded = image.longitude.copy()
    folded[:, 10:] = folded[:, :11][:, ::-1]
    places = ImagePlaces(ImageGeometry(*[*vars(image).values()][:7], folded, image.latitude, image.height), CRS, "S1 X")
    with pytest.raises(InvalidAnnotationError, match="S1 X"):
        places.lines_pixels(*in_metres(*on_the_ground(np.linspace(0, 16_000, 300), np.linspace(0, 26_000, 300))))
