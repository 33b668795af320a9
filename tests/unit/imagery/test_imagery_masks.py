"""SCL and QA_PIXEL become no data, obscured or clear."""

import numpy as np
import pytest
import rasterio

from agristat_platform.imagery import qa_pixel_mask, scl_mask
from agristat_platform.imagery.masks import CLEAR, DATA_MISSING, OBSCURED


def test_every_scene_class():
    expected = [
        DATA_MISSING,
        OBSCURED,
        CLEAR,
        OBSCURED,
        CLEAR,
        CLEAR,
        CLEAR,
        CLEAR,
        OBSCURED,
        OBSCURED,
        OBSCURED,
        OBSCURED,
    ]
    assert scl_mask(np.arange(12, dtype=np.uint8)).tolist() == expected
    assert scl_mask(np.array([np.nan, 4.0, 12.0])).tolist() == [DATA_MISSING, CLEAR, OBSCURED]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, DATA_MISSING),
        (1, DATA_MISSING),  # fill
        (21824, CLEAR),  # clear with lows set: the usual clear land value of Collection 2
        (21952, CLEAR),  # clear, water
        (22280, OBSCURED),  # high-confidence cloud
        (23888, OBSCURED),  # cloud shadow
        (30048, OBSCURED),  # snow
        (54596, OBSCURED),  # cirrus
        (21826, OBSCURED),  # dilated cloud
    ],
)
def test_qa_pixel_values_of_the_guide(value, expected):
    assert qa_pixel_mask(np.array([value], np.uint16)).tolist() == [expected]


@pytest.mark.real_data
def test_real_landsat_scene_is_all_cloud_and_fill(real_data):
    """The scene's metadata say 100 % cloud."""
    path = real_data / "landsat8_l2sp" / "LC08_L2SP_017036_20130419_20200913_02_T2_QA_PIXEL.TIF"
    with rasterio.open(path) as dataset:
        qa = dataset.read(1)
    mask = qa_pixel_mask(qa)
    assert (mask[qa == 1] == DATA_MISSING).all()
    assert np.count_nonzero(mask == CLEAR) / np.count_nonzero(mask != DATA_MISSING) < 0.01
