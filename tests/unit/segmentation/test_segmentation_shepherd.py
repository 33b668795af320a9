"""Shepherd segmentation: results worked by hand, and what must hold on any image."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from agristat_platform.segmentation import (
    EmptyImageError,
    ImageShapeError,
    SegmentationOptionError,
    automatic_max_distance,
    segment_clusters,
    segment_image,
)

EDGES = ndimage.generate_binary_structure(2, 1)
CORNERS = ndimage.generate_binary_structure(2, 2)


def fields(rows=60, cols=80, bands=3, noise=40, seed=5):
    """Squares of 10 × 10 pixels, each of one of six spectra, with noise."""
    rng = np.random.default_rng(seed)
    spectra = rng.integers(500, 4000, (6, bands))
    crop = np.kron(rng.integers(0, 6, (rows // 10, cols // 10)), np.ones((10, 10), dtype=int))
    image = spectra[crop].transpose(2, 0, 1) + rng.normal(0, noise, (bands, rows, cols))
    return image.clip(1, 65_000).astype(np.uint16), crop


def clusters_of(*rows):
    return np.array([[int(c) for c in row] for row in rows], dtype=np.uint8)


def test_clumps_follow_the_connectivity():
    clusters = clusters_of("1122", "1212", "0011")
    flat = np.zeros((1, 3, 4), dtype=np.uint8)
    four = segment_clusters(clusters, flat, min_pixels=1, max_distance=0.0, connectivity=4)
    eight = segment_clusters(clusters, flat, min_pixels=1, max_distance=0.0, connectivity=8)
    # The lone 2 of row 1 goes up: single pixels go to the nearest neighbouring pixel, the first on ties.
    assert four.labels.tolist() == [[1, 1, 2, 2], [1, 1, 3, 2], [0, 0, 3, 3]]
    # Over corners it belongs to the 2s, and all the 1s are one clump.
    assert eight.labels.tolist() == [[1, 1, 2, 2], [1, 2, 1, 2], [0, 0, 1, 1]]


def test_a_single_pixel_goes_to_its_nearest_neighbour_pixel():
    image = np.array([[[10, 10, 50, 50], [10, 31, 50, 50], [10, 10, 50, 50]]], dtype=np.uint16)
    clusters = clusters_of("1122", "1322", "1122")
    result = segment_clusters(clusters, image, min_pixels=1, max_distance=0.0)
    assert result.labels.tolist() == [[1, 1, 2, 2], [1, 2, 2, 2], [1, 1, 2, 2]]
    assert result.single_pixels_eliminated == 1
    assert result.pixels.tolist() == [5, 7]


def test_small_segments_go_to_the_nearest_mean_in_order_of_size():
    # Sizes 8, 11, 2 and 3. The pair (20) goes to the trio (26) at distance 6 rather than to the left block (10);
    # the five pixels have mean 23.6 then and are nearer to 10 (13.6) than to 40 (16.4).
    rows = [[10] * 4 + [40] * 4, [10, 10, 20, 26, 26, 26, 40, 40], [10, 10, 20] + [40] * 5]
    image = np.array([rows], dtype=np.uint16)
    clusters = clusters_of("11114444", "11233344", "11244444")
    untouched = segment_clusters(clusters, image, min_pixels=2)
    assert untouched.labels.tolist() == [[1] * 4 + [2] * 4, [1, 1, 3, 4, 4, 4, 2, 2], [1, 1, 3, 2, 2, 2, 2, 2]]
    three = segment_clusters(clusters, image, min_pixels=3)
    assert three.labels.tolist() == [[1] * 4 + [2] * 4, [1, 1, 3, 3, 3, 3, 2, 2], [1, 1, 3, 2, 2, 2, 2, 2]]
    six = segment_clusters(clusters, image, min_pixels=6)
    assert six.labels.tolist() == [[1] * 4 + [2] * 4, [1, 1, 1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 2, 2, 2]]
    assert six.small_segments_eliminated == 2


def test_the_distance_limit_is_kept():
    image = np.array([[[10, 10, 10, 20, 20, 90, 90]]], dtype=np.uint16)
    clusters = clusters_of("1112233")
    near = segment_clusters(clusters, image, min_pixels=3, max_distance=10.0)
    assert near.labels.tolist() == [[1, 1, 1, 1, 1, 2, 2]]  # 90 is 76 away from the mean of the rest
    none = segment_clusters(clusters, image, min_pixels=3, max_distance=9.99)
    assert none.labels.tolist() == [[1, 1, 1, 2, 2, 3, 3]]
    free = segment_clusters(clusters, image, min_pixels=3)
    assert free.n_segments == 1


def test_an_island_in_nodata_stays():
    image = np.array([[[7, 0, 5, 5, 5], [0, 0, 5, 5, 5]]], dtype=np.uint8)
    result = segment_image(image, nodata=0, min_pixels=5)
    assert result.labels.tolist() == [[1, 0, 2, 2, 2], [0, 0, 2, 2, 2]]


def test_nodata_in_any_band_is_nodata():
    image = np.ones((2, 3, 3), dtype=np.float32)
    image[0, 0, 0] = np.nan
    image[1, 1, 1] = -9999
    image[1, 2, 2] = np.inf
    labels = segment_image(image, nodata=-9999).labels
    assert np.argwhere(labels == 0).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_masked_pixels_are_nodata():
    image = np.ma.array(np.full((2, 2, 3), 7, dtype=np.uint8), mask=np.zeros((2, 2, 3), dtype=bool))
    image[1, 0, 2] = np.ma.masked
    assert segment_image(image).labels.tolist() == [[1, 1, 0], [1, 1, 1]]
    image[:] = np.ma.masked
    with pytest.raises(EmptyImageError):
        segment_image(image)


def test_fields_are_found():
    image, crop = fields()
    result = segment_image(image, min_pixels=20, n_clusters=6)
    truth, n = ndimage.label(crop == 0, EDGES)
    for value in range(1, 6):
        part, more = ndimage.label(crop == value, EDGES)
        truth = np.where(part > 0, part + n, truth)
        n += more
    assert result.n_segments == n
    pairs = np.unique(np.stack([truth.ravel(), result.labels.ravel()]), axis=1)
    assert pairs.shape[1] == n


def test_the_automatic_distance_is_the_median_between_centres():
    assert automatic_max_distance(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]])) == pytest.approx(np.sqrt(45))
    assert automatic_max_distance(np.array([[1.0]])) == 0.0
    image, _ = fields()
    result = segment_image(image)
    assert result.max_distance == pytest.approx(automatic_max_distance(result.cluster_centres))


def test_the_same_seed_gives_the_same_labels_in_any_thread():
    image, _ = fields(noise=200)
    expected = segment_image(image, seed=3)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: segment_image(image, seed=3), range(4)):
            assert np.array_equal(result.labels, expected.labels)
            assert np.array_equal(result.cluster_centres, expected.cluster_centres)
    other = segment_image(image, seed=4)
    assert not np.array_equal(other.cluster_centres, expected.cluster_centres)


def test_integer_and_floating_images_agree():
    image, _ = fields()
    whole = segment_image(image)
    for dtype in (np.int16, np.int32, np.int64, np.uint32, np.float32, np.float64):
        assert np.array_equal(segment_image(image.astype(dtype)).labels, whole.labels), dtype


def test_cluster_centres_can_be_shared():
    image, _ = fields()
    first = segment_image(image)
    again = segment_image(image, cluster_centres=first.cluster_centres, seed=99)
    assert np.array_equal(first.labels, again.labels)
    with pytest.raises(ImageShapeError, match="3 bands"):
        segment_image(image, cluster_centres=first.cluster_centres[:, :2])


def test_more_clusters_than_distinct_values():
    image = np.array([[[1, 1, 9, 9], [1, 1, 9, 9]]], dtype=np.uint8)
    result = segment_image(image, n_clusters=60, min_pixels=1)
    assert sorted(result.cluster_centres.ravel().tolist()) == [1.0, 9.0]
    assert result.labels.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 5)),
    st.integers(1, 6),
    st.sampled_from([4, 8]),
)
def test_what_holds_on_any_image(image, min_pixels, connectivity):
    empty = (image == 0).any(axis=0)
    if empty.all():
        with pytest.raises(EmptyImageError):
            segment_image(image, nodata=0)
        return
    result = segment_image(
        image, n_clusters=4, min_pixels=min_pixels, max_distance=None, nodata=0, connectivity=connectivity
    )
    labels = result.labels
    structure = EDGES if connectivity == 4 else CORNERS
    assert labels.dtype == np.uint32
    assert ((labels == 0) == empty).all()
    present, first, counts = np.unique(labels[labels > 0], return_index=True, return_counts=True)
    assert present.tolist() == list(range(1, result.n_segments + 1))
    assert (np.diff(first) > 0).all()  # numbered in raster order
    assert counts.tolist() == result.pixels.tolist()
    for segment in present:
        inside = labels == segment
        assert ndimage.label(inside, structure)[1] == 1
        if counts[segment - 1] < min_pixels:  # only where nothing larger lies beside it
            around = labels[ndimage.binary_dilation(inside, structure) & ~inside & (labels > 0)]
            assert (counts[around - 1] <= counts[segment - 1]).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"min_pixels": 0}, "min_pixels is 0"),
        ({"n_clusters": 1}, "n_clusters is 1"),
        ({"n_clusters": 2.5}, r"n_clusters is 2\.5"),
        ({"n_clusters": "many"}, "n_clusters is 'many'"),
        ({"min_pixels": 2.5}, r"min_pixels is 2\.5"),
        ({"seed": None}, "seed is None"),
        ({"seed": -1}, "seed is -1"),
        ({"connectivity": 6}, "connectivity is 6"),
        ({"max_distance": -1.0}, "max_distance is -1.0"),
        ({"max_distance": float("nan")}, "max_distance is nan"),
        ({"max_distance": "automatic"}, "automatic"),
        ({"sample_size": 0}, "sample_size is 0"),
        ({"max_clump_pixels": 0}, "max_clump_pixels is 0"),
    ],
)
def test_options_outside_their_range(options, named):
    with pytest.raises(SegmentationOptionError, match=named):
        segment_image(np.ones((1, 2, 2), dtype=np.uint8), **options)


def test_bad_images_are_named():
    with pytest.raises(ImageShapeError, match=r"\(4, 4\)"):
        segment_image(np.ones((4, 4)))
    with pytest.raises(ImageShapeError, match=r"\(1, 0, 4\)"):
        segment_image(np.ones((1, 0, 4)))
    with pytest.raises(ImageShapeError, match="bool"):
        segment_image(np.ones((1, 4, 4), dtype=bool))
    with pytest.raises(EmptyImageError, match="all 16 pixels"):
        segment_image(np.full((1, 4, 4), np.nan))
    with pytest.raises(ImageShapeError, match="different grids"):
        segment_clusters(np.ones((2, 2), np.uint8), np.ones((1, 3, 3)))


def test_limits_beyond_any_image_limit_nothing():
    image, _ = fields()
    everything = segment_image(image, max_distance=None)
    for options in ({"max_distance": 1e200}, {"max_distance": np.inf}):
        np.testing.assert_array_equal(segment_image(image, **options).labels, everything.labels)
    assert segment_image(image, max_distance=None, min_pixels=10**15).n_segments == 1


def test_values_whose_squares_are_no_numbers_are_named():
    image = np.ones((1, 4, 4))
    image[0, 0] = -np.finfo(np.float64).max
    with pytest.raises(ImageShapeError, match=r"holds 1\.79769e\+308.*nodata"):
        segment_image(image)
    assert segment_image(image, nodata=-np.finfo(np.float64).max).n_segments == 1


def test_a_cluster_image_has_no_automatic_distance():
    with pytest.raises(SegmentationOptionError, match=r"max_distance is 'auto'.*automatic_max_distance"):
        segment_clusters(clusters_of("11", "22"), np.ones((1, 2, 2)), max_distance="auto")
