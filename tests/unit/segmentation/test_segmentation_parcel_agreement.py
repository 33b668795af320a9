"""Agreement of segments with parcels: worked by hand, its limits, and bad input."""

import numpy as np
import pytest

from agristat_platform.segmentation.errors import EmptyImageError, ImageShapeError
from agristat_platform.segmentation.parcels.agreement import PARCEL_AGREEMENT_SCHEMA, parcel_agreement


def test_measures_worked_by_hand():
    parcels = np.array([[1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 0]], dtype=np.uint32)
    labels = np.array([[7, 7, 7, 3, 3, 3], [7, 7, 0, 3, 3, 3]], dtype=np.uint32)
    # Pixels with both: parcel 1 has five of segment 7 and two of 3, parcel 2 three of 3.
    agreement = parcel_agreement(labels, parcels)
    assert agreement.pixels == 10
    assert (agreement.pixels_without_segment, agreement.pixels_without_parcel) == (1, 1)
    assert (agreement.n_parcels, agreement.n_segments) == (2, 2)
    assert agreement.purity == pytest.approx((5 + 3) / 10)
    assert agreement.completeness == pytest.approx((5 + 3) / 10)
    assert agreement.f == pytest.approx(0.8)
    assert agreement.over_segmentation == pytest.approx((2 / 7 + 0) / 2)
    assert agreement.under_segmentation == pytest.approx((0 + 2 / 5) / 2)
    assert agreement.distance == pytest.approx((2 / 7 + 2 / 5) / np.sqrt(2) / 2)
    assert agreement.parcels.schema == PARCEL_AGREEMENT_SCHEMA
    assert agreement.parcels["segment"].to_pylist() == [7, 3]
    assert agreement.parcels["shared_pixels"].to_pylist() == [5, 3]
    assert agreement.parcels["over_segmentation"].to_pylist() == pytest.approx([2 / 7, 0])


def test_the_extremes():
    parcels = np.kron(np.array([[1, 2], [3, 4]]), np.ones((5, 5), dtype=int))
    same = parcel_agreement(parcels[::-1, ::-1] * 9, parcels)
    assert (same.purity, same.completeness, same.f, same.distance) == (1, 1, 1, 0)
    one = parcel_agreement(np.ones_like(parcels), parcels)
    assert (one.purity, one.completeness) == (0.25, 1)
    assert (one.over_segmentation, one.under_segmentation) == (0, 0.75)
    every = parcel_agreement(np.arange(1, 101).reshape(10, 10), parcels)
    assert (every.purity, every.completeness) == (1, 0.04)
    assert (every.over_segmentation, every.under_segmentation) == (pytest.approx(0.96), 0)


def test_a_tie_goes_to_the_smaller_segment_number():
    agreement = parcel_agreement(np.array([[5, 2]]), np.array([[1, 1]]))
    assert agreement.parcels["segment"].to_pylist() == [2]


def test_numbers_up_to_32_bits():
    top = np.array([[2**32 - 1, 2**32 - 2]], dtype=np.uint32)
    agreement = parcel_agreement(top, top)
    assert agreement.f == 1
    assert agreement.parcels["parcel"].to_pylist() == [2**32 - 2, 2**32 - 1]


def test_bad_input_is_named():
    with pytest.raises(ImageShapeError, match=r"segments \(2, 3\) and parcels \(3, 2\) have different grids"):
        parcel_agreement(np.ones((2, 3), int), np.ones((3, 2), int))
    with pytest.raises(ImageShapeError, match=r"segments has shape .* float64"):
        parcel_agreement(np.ones((2, 3)), np.ones((2, 3), int))
    with pytest.raises(ImageShapeError, match="parcels holds -1 to 1"):
        parcel_agreement(np.ones((1, 2), int), np.array([[-1, 1]]))
    with pytest.raises(EmptyImageError, match="no pixel has both"):
        parcel_agreement(np.array([[0, 1]]), np.array([[1, 0]]))
