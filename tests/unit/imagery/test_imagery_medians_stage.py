"""Scenes on the grid's own lattice are composited in their own numbers: the same as by sampling, pixel for pixel."""

import numpy as np
import pytest
from affine import Affine

from agristat_platform.imagery import UnreadableSceneError
from agristat_platform.imagery.collections import collection_table
from agristat_platform.imagery.layers import STORAGE, stored
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.resampling import LatticePlaces, curved, sample_bilinear
from agristat_platform.imagery.resampling_kernels import bilinear_curved

SENTINEL2 = collection_table("sentinel-2-l2a")
RED = SENTINEL2.band("B04")
ROWS = slice(16, 48)


def both(grid, item, collection, band, rows=ROWS):
    with SceneReader(grid) as reader:
        direct = reader.composite_pixels(item, collection, band, rows)
        sampled = stored(reader.values(item, collection, band, rows), STORAGE[band.kind])
        on_lattice = [place for place in reader._lattices.values() if place is not None]
    return direct, sampled, on_lattice


@pytest.mark.parametrize("baseline", ["03.01", "05.09"])
def test_numbers_of_a_file_are_stored_as_by_sampling(sentinel2, grid, baseline):
    numbers = np.random.default_rng(1).permutation(1 << 16)[: 300 * 240].reshape(-1, 256)
    for start in range(0, 256 - 60, 49):
        pixels = numbers[start : start + 48, :60]
        item = sentinel2(f"n{start}", red=pixels, **{"s2:processing_baseline": baseline})
        direct, sampled, places = both(grid, item, SENTINEL2, RED)
        assert places == [(0, 0)]
        assert direct.dtype == sampled.dtype
        np.testing.assert_array_equal(direct, sampled)


@pytest.mark.parametrize(("columns", "rows"), [(-7, 5), (13, -20), (0, 40), (61, 0), (-60, 0)])
def test_scenes_that_begin_elsewhere_on_the_lattice(sentinel2, grid, columns, rows):
    red = np.random.default_rng(2).integers(0, 3000, (48, 60))
    red[red < 600] = 0
    item = sentinel2("shifted", red=red, transform=grid.transform * Affine.translation(columns, rows))
    direct, sampled, places = both(grid, item, SENTINEL2, RED)
    assert places == [(-rows, -columns)]
    np.testing.assert_array_equal(direct, sampled)


@pytest.mark.parametrize("shift", [Affine.translation(0.5, 0), Affine.translation(1e-5, 0), Affine.scale(2)])
def test_scenes_off_the_lattice_are_sampled(sentinel2, grid, shift):
    item = sentinel2("off", red=np.random.default_rng(3).integers(0, 3000, (48, 60)), transform=grid.transform * shift)
    direct, sampled, places = both(grid, item, SENTINEL2, RED)
    assert places == []
    assert ((direct == 0) == (sampled == 0)).all()
    apart = np.abs(direct.astype(int) - sampled)  # whole numbers round halves up, floating point to even
    assert apart.max() <= 1


def test_signed_indices_and_radar(make_item, write_raster, tmp_path, grid):
    index = np.random.default_rng(4).integers(-9999, 10_000, (48, 60)).astype(np.int16)
    power = np.random.default_rng(5).gamma(1, 0.1, (48, 60)).astype(np.float32)
    power[3] = 0
    for name, band, values, nodata in (
        ("cbers-4-awfi-16d", "ndvi", index, -9999),
        ("sentinel-1-rtc", "VV", power, None),
    ):
        path = write_raster(tmp_path / f"{band}.tif", values, grid.transform, nodata=nodata)
        collection = collection_table(name)
        direct, sampled, _ = both(grid, make_item(band, name, {band: path}), collection, collection.band(band))
        np.testing.assert_array_equal(direct, sampled)


def test_damaged_file_on_the_lattice_is_named(sentinel2, grid):
    item = sentinel2("torn", red=np.random.default_rng(6).integers(1000, 9000, (48, 60)))
    with open(item.assets["B04"].href, "r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    with SceneReader(grid) as reader, pytest.raises(UnreadableSceneError, match="band B04 of scene torn"):
        reader.composite_pixels(item, SENTINEL2, RED, ROWS)


@pytest.mark.parametrize("seed", range(40))
def test_a_lattice_is_sampled_as_scattered_places_are(seed):
    rng = np.random.default_rng(seed)
    source = rng.normal(size=rng.integers(1, 40, 2)).astype(np.float32)
    nodata = float(rng.choice([np.nan, 0.0, 5.0]))
    source[rng.random(source.shape) < 0.2] = nodata
    source[rng.random(source.shape) < 0.1] = np.nan
    cell = rng.choice([10.0, 20.0, 30.0, 13.7])
    transform = Affine(cell, 0, 499_980, 0, -cell, 4_600_020)
    x = 499_980 + rng.choice([-20.0, 0.0, 5.0, 1e-6, 3.3]) + 10 * (np.arange(60) + 0.5)
    y = 4_600_020 - rng.choice([-35.0, 0.0, 5.0, 3.3]) - 10 * (np.arange(50) + 0.5)
    lattice = LatticePlaces(x, y)
    expected = bilinear_curved(source, *curved(lattice), np.array(tuple(~transform)[:6]), np.float32(nodata))
    np.testing.assert_allclose(sample_bilinear(source, transform, lattice, nodata), expected, rtol=0, atol=1e-5)
    assert (np.isnan(expected) == np.isnan(sample_bilinear(source, transform, lattice, nodata))).all()
