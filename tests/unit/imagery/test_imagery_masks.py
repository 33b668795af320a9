"""SCL, QA_PIXEL and QA_RADSAT become classes of what stood between sensor and ground."""

import numpy as np
import pytest
import rasterio

from agristat_platform.imagery import qa_pixel_mask, radsat_saturated, scl_mask
from agristat_platform.imagery.masks import (
    CLEAR,
    CLOUD,
    DATA_MISSING,
    SATURATED,
    SHADOW,
    SNOW,
    sky_mask,
    with_saturation,
)


def test_every_scene_class():
    expected = [
        DATA_MISSING,
        SATURATED,
        CLEAR,  # topographic shadow
        SHADOW,
        CLEAR,
        CLEAR,
        CLEAR,
        CLEAR,  # unclassified
        CLOUD,
        CLOUD,
        CLOUD,  # cirrus
        SNOW,
    ]
    assert scl_mask(np.arange(12, dtype=np.uint8)).tolist() == expected
    assert sky_mask(np.arange(12, dtype=np.uint8), "scl").dtype == np.uint8
    assert scl_mask(np.array([12, 255], np.uint8)).tolist() == [SATURATED, SATURATED]


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int64, np.float32, np.float64])
def test_numbers_of_other_types_give_the_same_classes(dtype):
    codes = np.arange(24).reshape(2, 12)
    assert scl_mask(codes.astype(dtype)).tolist() == scl_mask(codes.astype(np.uint8)).tolist()
    bits = np.array([[0, 1, 21824], [22280, 23888, 30048]])
    assert qa_pixel_mask(bits.astype(dtype)).tolist() == qa_pixel_mask(bits.astype(np.uint16)).tolist()


def test_what_is_no_class_is_no_data():
    assert scl_mask(np.array([np.nan, 4.0, 12.0, 300.0])).tolist() == [DATA_MISSING, CLEAR, SATURATED, SATURATED]
    assert scl_mask(np.array([-1, 4])).tolist() == [DATA_MISSING, CLEAR]
    assert qa_pixel_mask(np.array([np.nan, 21824.0])).tolist() == [DATA_MISSING, CLEAR]
    assert qa_pixel_mask(np.array([-9999, 1 << 16, 21824])).tolist() == [DATA_MISSING, DATA_MISSING, CLEAR]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, DATA_MISSING),
        (1, DATA_MISSING),  # fill
        (21824, CLEAR),  # clear with lows set: the usual clear land value of Collection 2
        (21952, CLEAR),  # clear, water
        (22280, CLOUD),  # high-confidence cloud
        (23888, SHADOW),
        (30048, SNOW),
        (54596, CLOUD),  # cirrus
        (21826, CLOUD),  # dilated cloud
        (1 << 3 | 1 << 4 | 1 << 5, CLOUD),
        (1 << 4 | 1 << 5, SHADOW),
        (1 | 1 << 3, DATA_MISSING),
    ],
)
def test_qa_pixel_values_of_the_guide(value, expected):
    assert qa_pixel_mask(np.array([value], np.uint16)).tolist() == [expected]


def test_saturation_of_the_bands_we_use_and_hidden_ground():
    bits = np.array([0, 1 << 0, 1 << 6, 1 << 7, 1 << 8, 1 << 11, 1 << 12], np.uint16)
    assert radsat_saturated(bits).tolist() == [False, True, True, False, False, True, False]


def test_saturation_changes_clear_pixels_alone():
    sky = np.array([DATA_MISSING, CLEAR, CLOUD, SHADOW, SNOW, CLEAR], np.uint8)
    marked = with_saturation(sky, np.array([1, 1, 1, 1, 1, 0], np.uint16))
    assert marked.tolist() == [DATA_MISSING, SATURATED, CLOUD, SHADOW, SNOW, CLEAR]
    assert marked.dtype == np.uint8


@pytest.mark.real_data
def test_real_landsat_scene_is_all_cloud_and_fill(real_data):
    """The scene's metadata say 100 % cloud."""
    path = real_data / "landsat8_l2sp" / "LC08_L2SP_017036_20130419_20200913_02_T2_QA_PIXEL.TIF"
    with rasterio.open(path) as dataset:
        qa = dataset.read(1)
    mask = qa_pixel_mask(qa)
    assert (mask[qa == 1] == DATA_MISSING).all()
    cloudy = (qa >> 1 & 7) != 0  # bits 1-3
    assert ((mask == CLOUD) == (cloudy & (qa != 1))).all()
    assert np.count_nonzero(mask == CLEAR) / np.count_nonzero(mask != DATA_MISSING) < 0.01
