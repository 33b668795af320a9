"""Texture of segments: worked by hand on 4 × 4 pixels, and against matrices counted pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.features import (
    LabelGridError,
    LayerTexture,
    SegmentStrips,
    StatisticError,
    grey_levels,
    segment_texture,
)

# the worked example of Haralick et al. 1973, figure 3
GREY = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 2, 2, 2], [2, 2, 3, 3]])
# horizontal, vertical, both diagonals (figure 3c-f), each counted both ways
MATRIX = (
    np.array([[4, 2, 1, 0], [2, 4, 0, 0], [1, 0, 6, 1], [0, 0, 1, 2]])
    + np.array([[6, 0, 2, 0], [0, 4, 2, 0], [2, 2, 2, 2], [0, 0, 2, 0]])
    + np.array([[2, 1, 3, 0], [1, 2, 1, 0], [3, 1, 0, 2], [0, 0, 2, 0]])
    + np.array([[4, 1, 0, 0], [1, 2, 2, 0], [0, 2, 4, 1], [0, 0, 1, 0]])
)


def measures(matrix):
    share = matrix / matrix.sum()
    i, j = np.indices(share.shape)
    present = share[share > 0]
    return float((share * (i - j) ** 2).sum()), float(-(present * np.log(present)).sum())


def by_pairs(labels, grey, levels, segment):
    matrix = np.zeros((levels, levels), int)
    rows, cols = labels.shape
    for r in range(rows):
        for c in range(cols):
            for dr, dc in ((0, 1), (1, 1), (1, 0), (1, -1)):
                r2, c2 = r + dr, c + dc
                if r2 < rows and 0 <= c2 < cols and labels[r, c] == labels[r2, c2] == segment:
                    i, j = grey[r, c], grey[r2, c2]
                    if i >= 0 and j >= 0:
                        matrix[i, j] += 1
                        matrix[j, i] += 1
    return matrix


def test_haralicks_example():
    found = segment_texture(np.ones((4, 4), np.uint32), GREY.astype(float), 0, 4, levels=4)
    assert MATRIX.sum() == 2 * 42
    contrast, entropy = measures(MATRIX)
    assert found.pairs.tolist() == [42]
    assert found.contrast[0] == pytest.approx(contrast, rel=1e-12)
    # unlike levels 0-1, 0-2, 1-2 and 2-3 are 4, 6, 5 and 6 pairs apart by 1, 2, 1 and 1
    assert contrast == pytest.approx((4 * 1 + 6 * 4 + 5 * 1 + 6 * 1) / 42)
    assert found.entropy[0] == pytest.approx(entropy, rel=1e-12)


def test_pairs_across_segments_do_not_count():
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 3]], np.uint32)
    band = np.array([[0, 0, 9, 9], [0, 0, 9, 5]], float)
    found = segment_texture(labels, band, 0, 10, levels=10)
    assert found.pairs.tolist() == [6, 3, 0]
    assert found.contrast.tolist()[:2] == [0, 0]
    assert found.entropy.tolist()[:2] == [0, 0]
    assert np.isnan([found.contrast[2], found.entropy[2]]).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equal_to_matrices_counted_pair_by_pair(data):
    shape = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    labels = data.draw(arrays(np.uint32, shape, elements=st.sampled_from([0, 2, 3, 40])))
    grey = data.draw(arrays(np.int64, shape, elements=st.integers(-1, 4)))
    band = np.where(grey < 0, np.nan, grey + 0.5)
    found = segment_texture(labels, band, 0, 5, levels=5)
    assert found.ids.tolist() == np.unique(labels[labels > 0]).tolist()
    for k, segment in enumerate(found.ids):
        matrix = by_pairs(labels, grey, 5, segment)
        assert found.pairs[k] * 2 == matrix.sum()
        if matrix.sum():
            assert [found.contrast[k], found.entropy[k]] == pytest.approx(measures(matrix), abs=1e-12)
        else:
            assert np.isnan(found.contrast[k])


def test_equal_to_scikit_image():
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    grey = np.random.default_rng(2).integers(0, 16, (30, 40))
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrix = feature.graycomatrix(grey.astype(np.uint8), [1], angles, 16, symmetric=True).sum(axis=(2, 3))
    found = segment_texture(np.ones(grey.shape, np.uint32), grey.astype(float), 0, 16, levels=16)
    assert [found.contrast[0], found.entropy[0]] == pytest.approx(measures(matrix), rel=1e-12)
    shares = (matrix / matrix.sum())[:, :, np.newaxis, np.newaxis]
    assert found.contrast[0] == pytest.approx(float(feature.graycoprops(shares, "contrast")[0, 0]), rel=1e-12)


def test_grey_levels():
    band = np.ma.array([[-1.0, 0.0, 0.24, 0.25], [0.99, 1.0, np.nan, 0.5]], mask=[[0] * 4, [0, 0, 0, 1]])
    assert grey_levels(band, 0, 1, levels=4).tolist() == [[0, 0, 0, 1], [3, 3, 255, 255]]
    assert grey_levels(np.array([[0, 7]], np.uint16), 0, 8, levels=8, nodata=0).tolist() == [[255, 7]]


def test_bad_input():
    labels = np.ones((2, 2), np.uint32)
    with pytest.raises(LabelGridError, match=r"\(2, 3\)"):
        segment_texture(labels, np.ones((2, 3)), 0, 1)
    with pytest.raises(StatisticError, match="from 1 to 1"):
        segment_texture(labels, np.ones((2, 2)), 1, 1)
    with pytest.raises(StatisticError, match="256 grey levels"):
        segment_texture(labels, np.ones((2, 2)), 0, 1, levels=256)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bytes_do_not_depend_on_the_strips(data):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 6)))
    labels = data.draw(arrays(np.uint32, shape, elements=st.sampled_from([0, 1, 5, 2**31])))
    grey = data.draw(arrays(np.int64, shape, elements=st.integers(-1, 3)))
    band = np.where(grey < 0, np.nan, grey + 0.5).astype(np.float32)
    whole = segment_texture(labels, band, 0, 4, levels=4)
    strips = SegmentStrips.of_raster(labels, data.draw(st.integers(1, 9)))
    texture = LayerTexture(len(strips.ids), 0, 4, levels=4)
    for strip in strips.strips():
        texture.add(strip, band[strip.rows])
    found = texture.result()
    assert found["contrast"].tobytes() == whole.contrast.tobytes()
    assert found["entropy"].tobytes() == whole.entropy.tobytes()
    assert texture.pairs.tolist() == whole.pairs.tolist()


def test_entries_that_occur_hundreds_of_times():
    # 40 × 40 pixels of two levels in halves: 1521 + 1560 … pairs, nearly all of two entries
    grey = np.repeat([0, 1], 20)[np.newaxis].repeat(40, axis=0)
    labels = np.ones(grey.shape, np.uint32)
    matrix = by_pairs(labels, grey, 2, 1)
    assert matrix.max() > 1000
    for rows in (1, 7, 40):
        strips = SegmentStrips.of_raster(labels, rows)
        texture = LayerTexture(1, 0, 2, levels=2)
        for strip in strips.strips():
            texture.add(strip, grey[strip.rows])
        found = texture.result()
        assert [found["contrast"][0], found["entropy"][0]] == pytest.approx(measures(matrix), rel=1e-12)


def test_infinity_is_missing():
    band = np.array([[1.0, np.inf], [-np.inf, 2.0]])
    assert grey_levels(band, 0, 4, levels=4).tolist() == [[1, 255], [255, 2]]
    assert segment_texture(np.ones((2, 2), np.uint32), band, 0, 4, levels=4).pairs.tolist() == [1]
    with pytest.raises(StatisticError, match="complex128"):
        grey_levels(band.astype(complex), 0, 4)
