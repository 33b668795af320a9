"""The search for nearest centres against plain double precision, also where single precision fails."""

import numpy as np
import pytest

from agristat_platform.segmentation.shepherd.nearest_centres import number_nearest


def plain_numbers(image, centres):
    """Squared distances in double precision, band after band; the first of the smallest wins."""
    distances = np.zeros((len(centres), image.shape[1]))
    with np.errstate(over="ignore"):
        for band, values in enumerate(image.astype(np.float64)):
            distances += (values - centres[:, band : band + 1]) ** 2
    return 1 + distances.argmin(axis=0)


@pytest.mark.parametrize("bands", [1, 3, 4, 10])
@pytest.mark.parametrize(
    ("scale", "shift"),
    [(1000.0, 3000.0), (1e-4, 0.3), (1.0, 1e9), (1e18, 0.0), (3e19, 0.0), (1e-28, 0.0)],
)
def test_equal_to_double_precision(bands, scale, shift):
    rng = np.random.default_rng(bands)
    centres = rng.normal(0, 1, (20, bands)) * scale + shift
    image = rng.normal(0, 1, (bands, 2_000)) * scale + shift
    image[:, :300] = (centres[rng.integers(0, 20, 300)] + centres[rng.integers(0, 20, 300)]).T / 2  # all but ties
    numbers = np.ones(2_000, dtype=np.uint16)
    number_nearest(image, numbers, centres)
    assert numbers.tolist() == plain_numbers(image, centres).tolist()


def test_ties_go_to_the_lower_number():
    centres = np.array([[40.0], [10.0], [20.0], [10.0]])
    image = np.array([[15, 30, 10, 9, 65_535]], dtype=np.uint16)
    numbers = np.ones(5, dtype=np.uint8)
    number_nearest(image, numbers, centres)
    assert numbers.tolist() == [2, 1, 2, 2, 1]


def test_pixels_numbered_zero_are_left_alone():
    numbers = np.array([0, 1, 0], dtype=np.uint8)
    number_nearest(np.array([[np.nan, 5.0, np.inf]]), numbers, np.array([[0.0], [6.0]]))
    assert numbers.tolist() == [0, 2, 0]
    nothing = np.zeros(600, dtype=np.uint8)
    number_nearest(np.full((2, 600), np.nan), nothing, np.zeros((3, 2)))
    assert not nothing.any()
