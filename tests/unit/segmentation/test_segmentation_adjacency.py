"""Neighbours of segments: by hand, the same by strips, and as scipy finds them."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agristat_platform.segmentation import ImageShapeError, file_neighbours, neighbours

LABELS = np.array([[1, 1, 2, 0], [1, 5, 2, 2], [0, 5, 5, 7]], np.uint32)


def rows(found):
    return list(zip(*(column.tolist() for column in found), strict=True))


def test_by_hand():
    # 1|2 above; 1|5 beside and below; 5|2 beside and below; 2|7 below; 5|7 beside; 0 is nobody's neighbour
    assert rows(neighbours(LABELS)) == [(1, 2, 1), (1, 5, 2), (2, 5, 2), (2, 7, 1), (5, 7, 1)]


def test_touching_at_a_corner_is_no_neighbour_and_one_segment_has_none():
    assert rows(neighbours(np.array([[1, 0], [0, 2]]))) == []
    assert rows(neighbours(np.ones((3, 3), int))) == []


@given(hnp.arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 30)))
def test_as_counted_pixel_by_pixel(labels):
    expected = {}
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            if a and b and a != b:
                expected[min(a, b), max(a, b)] = expected.get((min(a, b), max(a, b)), 0) + 1
    assert rows(neighbours(labels)) == [(*pair, expected[pair]) for pair in sorted(expected)]


def test_many_pairs_and_strips_of_a_file(tmp_path):
    labels = np.random.default_rng(1).integers(0, 20_000, (90, 300)).astype(np.uint32)
    path = tmp_path / "labels.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=90, width=300, count=1, dtype="uint32", crs="EPSG:32630", nodata=0,
        transform=Affine(10, 0, 0, 0, -10, 0), tiled=True, blockxsize=16, blockysize=16,
    ) as raster:  # fmt: skip
        raster.write(labels, 1)
    whole = neighbours(labels)
    assert len(whole[0]) > 40_000
    for strip_pixels in (1, 300 * 40, 10**9):
        assert rows(file_neighbours(path, strip_pixels=strip_pixels)) == rows(whole)


def test_no_label_raster():
    with pytest.raises(ImageShapeError):
        neighbours(np.ones((2, 2)))
