"""Landsat's band-pass adjustment to Sentinel-2: the published coefficients, inverted exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.imagery import COLLECTIONS, UnknownBandError
from agristat_platform.imagery.harmonisation import MSI_TO_OLI, adjustment, oli_adjustment, to_landsat, to_sentinel_2

OPTICAL = ("blue", "green", "red", "nir08", "swir16", "swir22")


def test_red_by_hand():
    # Sentinel-2A red of 0.20 is 0.9765 * 0.20 + 0.0009 = 0.1962 to OLI (HLS v2.0), and back
    assert to_landsat(np.array([0.20]), "red")[0] == pytest.approx(0.1962, abs=1e-7)
    assert to_sentinel_2(np.array([0.1962]), "red")[0] == pytest.approx(0.20, abs=1e-7)
    slope, offset = adjustment("red")
    assert (slope, offset) == pytest.approx((1.0240655, -0.00092166), abs=1e-7)


def test_every_optical_landsat_band_has_coefficients_for_both_satellites():
    optical = {name for name, band in COLLECTIONS["landsat-c2-l2"].bands.items() if band.kind == "optical"}
    assert optical == set(OPTICAL) == set(MSI_TO_OLI["sentinel-2a"]) == set(MSI_TO_OLI["sentinel-2b"])
    assert adjustment("swir22", "sentinel-2b").slope == pytest.approx(1 / 0.9867)


@given(
    st.sampled_from(OPTICAL),
    st.sampled_from(["sentinel-2a", "sentinel-2b"]),
    st.floats(-0.1, 1.5, allow_nan=False),
)
def test_there_and_back_is_the_identity(band, satellite, reflectance):
    there = to_landsat(np.array([reflectance]), band, satellite)
    assert to_sentinel_2(there, band, satellite)[0] == pytest.approx(reflectance, abs=3e-7)
    # the adjustments are small: no band moves by more than its published slope and offset allow
    assert there[0] == pytest.approx(reflectance, abs=0.025 * abs(reflectance) + 0.0041)


def test_folds_into_an_encoding():
    slope, offset = adjustment("blue")
    dn = np.array([7273, 9000, 43_636])
    folded = dn * (slope * 2.75e-5) + (slope * -0.2 + offset)
    assert to_sentinel_2(dn * 2.75e-5 - 0.2, "blue") == pytest.approx(folded, abs=1e-7)


def test_temperature_and_masks_stay_as_they_are():
    assert adjustment("lwir11") == oli_adjustment("qa_pixel") == (1.0, 0.0)
    kelvin = np.array([[293.15, np.nan]], np.float32)
    np.testing.assert_array_equal(to_sentinel_2(kelvin, "lwir11"), kelvin)


def test_missing_stays_missing_and_shape_and_type_hold():
    found = to_sentinel_2(np.array([[np.nan, 0.1], [0.2, 0.3]], np.float32), "green")
    assert found.dtype == np.float32
    assert found.shape == (2, 2)
    assert np.isnan(found[0, 0])
    assert np.isfinite(found.ravel()[1:]).all()


def test_an_unknown_band_is_named():
    with pytest.raises(UnknownBandError, match="B04"):
        adjustment("B04")
