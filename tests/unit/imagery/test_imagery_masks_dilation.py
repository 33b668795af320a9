"""Cloud and shadow grow by discs: against drawn squares and an exact distance transform."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from agristat_platform.imagery import dilate_sky
from agristat_platform.imagery.masks import CLEAR, CLOUD, DATA_MISSING, SATURATED, SHADOW, SNOW

SKIES = arrays(
    np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.sampled_from([1] * 9 + [0, 2, 3, 4, 5])
)
RADII = st.sampled_from([0.0, 0.7, 1.0, 1.5, 2.0, math.sqrt(5), 3.3, 6.0, 40.0])


def drawn(text):
    """Classes from a drawing: . clear, C cloud, S shadow, n snow, x saturated, blank (_) no data."""
    codes = {".": CLEAR, "C": CLOUD, "S": SHADOW, "n": SNOW, "x": SATURATED, "_": DATA_MISSING}
    return np.array([[codes[sign] for sign in line] for line in text.split()], np.uint8)


def expected(sky, cloud_px, shadow_px):
    """The definition, by Euclidean distances to the nearest pixel of a class."""

    def near(what, radius):
        if not (sky == what).any():
            return np.zeros(sky.shape, bool)
        return distance_transform_edt(sky != what) <= radius + 1e-9

    grown = sky.copy()
    grown[near(SHADOW, shadow_px) & (sky == CLEAR)] = SHADOW
    grown[near(CLOUD, cloud_px) & np.isin(sky, (CLEAR, SHADOW))] = CLOUD
    return grown


def test_a_disc_of_two_pixels():
    sky = drawn("....... ....... ....... ...C... ....... ....... .......")
    grown = drawn("....... ...C... ..CCC.. .CCCCC. ..CCC.. ...C... .......")
    assert (dilate_sky(sky, 2, 0) == grown).all()


def test_cloud_over_shadow_over_clear_and_nothing_over_the_rest():
    sky = drawn("_n.C.S.x.")
    assert (dilate_sky(sky, 2, 2) == drawn("_nCCCCSx.")).all()
    assert (dilate_sky(sky, 0, 2) == drawn("_n.CSSSx.")).all()
    assert (dilate_sky(drawn("C.S.."), 0, 1) == drawn("CSSS.")).all()
    assert (dilate_sky(drawn("C.S.."), 1, 2) == drawn("CCSSS")).all()
    assert (dilate_sky(drawn("C_n.."), 4, 0) == drawn("C_nCC")).all()


def test_the_mask_given_is_left_as_it_was():
    sky = drawn("..C..")
    dilate_sky(sky, 2, 2)
    assert (sky == drawn("..C..")).all()


@given(SKIES, RADII, RADII)
@settings(max_examples=80, deadline=None)
def test_it_is_what_distances_say(sky, cloud_px, shadow_px):
    assert (dilate_sky(sky, cloud_px, shadow_px) == expected(sky, cloud_px, shadow_px)).all()


@given(SKIES, RADII.filter(lambda r: r < 7), RADII.filter(lambda r: r < 7), st.data())
@settings(max_examples=60, deadline=None)
def test_a_window_with_margin_gives_what_the_whole_gives(sky, cloud_px, shadow_px, data):
    height, width = sky.shape
    row0, col0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    row1, col1 = data.draw(st.integers(row0 + 1, height)), data.draw(st.integers(col0 + 1, width))
    margin = math.ceil(max(cloud_px, shadow_px))
    top, left = max(0, row0 - margin), max(0, col0 - margin)
    window = dilate_sky(sky[top : row1 + margin, left : col1 + margin], cloud_px, shadow_px)
    inside = window[row0 - top : row1 - top, col0 - left : col1 - left]
    assert (inside == dilate_sky(sky, cloud_px, shadow_px)[row0:row1, col0:col1]).all()


@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_radii_that_are_none(radius):
    with pytest.raises(ValueError, match=f"radius of {radius} pixels"):
        dilate_sky(drawn("."), radius, 0)
