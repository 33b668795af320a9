"""Best available pixel by hand, and distances to cloud against scipy's transform."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from agristat_platform.imagery.best_pixel import best_pixel, cloud_distance
from agristat_platform.imagery.masks import CLEAR, CLOUD, DATA_MISSING, SHADOW, SNOW


def expected_distance(sky, pixel_m, most_m):
    cloud = (sky == CLOUD) | (sky == SHADOW)
    if not cloud.any():
        return np.full(sky.shape, most_m)
    return np.minimum(np.floor(pixel_m * distance_transform_edt(~cloud) + 0.5), most_m)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(10, 500), (20, 100), (30, 100), (60, 50), (13.7, 333), (10, 10), (0.5, 3)]),
    st.floats(0, 0.3),
    st.integers(0, 2**32 - 1),
)
def test_distances_are_those_of_the_euclidean_transform(shape, sizes, share, seed):
    pixel_m, most_m = sizes
    rng = np.random.default_rng(seed)
    sky = rng.choice([DATA_MISSING, CLEAR, SNOW], shape).astype(np.uint8)
    sky[rng.random(shape) < share] = rng.choice([CLOUD, SHADOW])
    found = cloud_distance(sky, pixel_m, most_m)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected_distance(sky, pixel_m, most_m))


def test_a_block_with_its_margin_has_the_distances_of_the_whole():
    rng = np.random.default_rng(2)
    sky = np.where(rng.random((120, 130)) < 0.001, CLOUD, CLEAR).astype(np.uint8)
    whole = cloud_distance(sky, 20, 250)
    margin = 13  # 250 / 20, rounded up
    part = cloud_distance(sky[40 - margin : 70 + margin, 50 - margin : 90 + margin], 20, 250)
    np.testing.assert_array_equal(part[margin:-margin, margin:-margin], whole[40:70, 50:90])
    assert (whole == 250).any()
    assert cloud_distance(sky[:0], 20, 250).shape == (0, 130)


def test_distances_asked_for_wrongly():
    sky = np.ones((2, 2), np.uint8)
    with pytest.raises(ValueError, match="a pixel of 0 m"):
        cloud_distance(sky, 0)
    with pytest.raises(ValueError, match="70000 m; it must be whole metres"):
        cloud_distance(sky, 10, 70_000)


def scene(depth):
    return np.arange(1, 2 * depth + 1, dtype=np.uint16).reshape(depth, 2, 1, 1), np.ones((depth, 1, 1), bool)


def test_the_nearest_day_is_taken_and_of_two_the_earlier():
    stack, clear = scene(4)
    days = [2, 12, 18, 29]
    assert best_pixel(stack, clear, days, 17).observation.item() == 2
    assert best_pixel(stack, clear, days, 15).observation.item() == 1  # 12 and 18 are as near
    assert best_pixel(stack[::-1].copy(), clear, days[::-1], 15).observation.item() == 2  # day 12 again
    clear[1] = False
    assert best_pixel(stack, clear, days, 15).values.ravel().tolist() == [5, 6]


def test_cloud_near_by_outweighs_days():
    stack, clear = scene(2)
    distance = np.array([0, 500], np.uint16).reshape(2, 1, 1)
    # 1 + 0.0067 against exp(-0.5 (10/15)²) + 0.9933 = 0.80 + 0.99
    assert best_pixel(stack, clear, [15, 25], 15, distance).observation.item() == 1
    # exp(-0.5 (60/15)²) = 0.0003: 1.0067 against 0.9937
    assert best_pixel(stack, clear, [15, 75], 15, distance).observation.item() == 0
    # beyond most_m distances do not differ
    far = np.array([600, 65_535], np.uint16).reshape(2, 1, 1)
    assert best_pixel(stack, clear, [15, 16], 15, far).observation.item() == 0


def test_scores_against_the_formulas():
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 5000, (12, 3, 8, 9)).astype(np.uint16)
    clear = rng.random((12, 8, 9)) < 0.6
    distance = rng.integers(0, 800, (12, 8, 9)).astype(np.uint16)
    days = np.sort(rng.integers(0, 30, 12))
    found = best_pixel(stack, clear, days, 15.5, distance, most_m=500)
    day = np.exp(-((days - 15.5) ** 2) / (2 * 15.0**2))[:, None, None]
    cloud = 1 / (1 + np.exp(-10 / 500 * (np.minimum(distance, 500.0) - 250)))
    score = np.where(clear & (stack > 0).all(axis=1), day + cloud, -1)
    assert (found.observation == np.where(score.max(axis=0) < 0, -1, score.argmax(axis=0))).all()


def test_days_and_distances_that_do_not_fit():
    stack, clear = scene(2)
    with pytest.raises(ValueError, match="1 days for 2 dates"):
        best_pixel(stack, clear, [1], 1)
    with pytest.raises(ValueError, match="float32 of shape"):
        best_pixel(stack, clear, [1, 2], 1, np.zeros((2, 1, 1), np.float32))
    with pytest.raises(ValueError, match="day spread 0"):
        best_pixel(stack, clear, [1, 2], 1, day_spread=0)
