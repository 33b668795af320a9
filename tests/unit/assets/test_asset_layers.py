"""Layers of stored composites: read by rows of the grid they are what they are whole."""

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from affine import Affine

from agristat_platform import imagery
from assets.layers import layer_rows_reader


class Composites:
    """What the readers take of a stored version."""

    def __init__(self, folder, rows):
        self.folder, self.rows, self.asked = folder, rows, []

    def path(self, name):
        self.asked.append(name)
        return self.folder / name

    def table(self, name):
        assert name == "layers"
        return pa.Table.from_pylist(self.rows)


@pytest.fixture
def composites(tmp_path):
    rows = []
    for number, file in enumerate(("a.tif", "b.tif")):
        values = np.random.default_rng(number).integers(0, 9, (2, 7, 5)).astype(np.uint16)
        with rasterio.open(
            tmp_path / file, "w", driver="GTiff", height=7, width=5, count=2, dtype="uint16",
            transform=Affine(10, 0, 0, 0, -10, 0),
        ) as dataset:  # fmt: skip
            dataset.write(values)
        for band in (1, 2):
            rows.append({"file": file, "band_index": band, "interval": 1, "scale": 0.5, "offset": 1.0, "nodata": 0.0})
    return Composites(tmp_path, rows)


def test_rows_are_rows_of_the_whole(composites):
    by_rows = layer_rows_reader(composites)
    expected = [imagery.read_layer(composites.folder / row["file"], row) for row in composites.rows]
    assert any(np.isnan(values).any() for values in expected)
    for rows in (slice(0, 7), slice(0, 3), slice(3, 7), slice(6, 7)):
        found = list(by_rows(composites.rows, rows))
        assert len(found) == 4
        for values, one in zip(found, expected, strict=True):
            np.testing.assert_array_equal(values, one[rows])


def test_a_file_is_compared_with_its_hash_once(composites):
    read = layer_rows_reader(composites)
    for top in range(7):
        list(read(composites.rows, slice(top, top + 1)))
    assert composites.asked == ["a.tif", "b.tif"]
