"""The tasselled cap: a pixel by hand for each sensor, coefficients that are a rotation, missing bands and sensors."""

import numpy as np
import pytest

from agristat_platform.features import (
    TASSELLED_CAP_BANDS,
    TASSELLED_CAP_COEFFICIENTS,
    ReflectanceScaleError,
    UnknownIndexError,
    spectral_index,
    tasselled_cap,
)

PIXEL = np.array([0.04, 0.08, 0.06, 0.40, 0.20, 0.10], dtype=np.float32)


def test_sentinel_2_by_hand():
    brightness, greenness, wetness = tasselled_cap(PIXEL, collection="sentinel-2-l2a")
    # 0.01404 + 0.030504 + 0.020622 + 0.28784 + 0.04792 + 0.01949
    assert brightness == pytest.approx(0.420416, abs=1e-6)
    # -0.014396 - 0.028264 - 0.028404 + 0.26532 + 0.00174 - 0.02856
    assert greenness == pytest.approx(0.167436, abs=1e-6)
    # 0.010312 + 0.01844 + 0.005298 + 0.04284 - 0.15222 - 0.05308
    assert wetness == pytest.approx(-0.12841, abs=1e-6)


def test_landsat_by_hand():
    brightness, greenness, wetness = tasselled_cap(PIXEL, collection="landsat-c2-l2")
    # 0.01476 + 0.034168 + 0.028134 + 0.20292 + 0.07648 + 0.02406
    assert brightness == pytest.approx(0.380522, abs=1e-6)
    # -0.01148 - 0.02148 - 0.024522 + 0.3258 + 0.01274 - 0.01052
    assert greenness == pytest.approx(0.270538, abs=1e-6)
    # 0.001528 + 0.017096 + 0.021216 + 0.0908 - 0.12216 - 0.06351
    assert wetness == pytest.approx(-0.05503, abs=1e-6)


@pytest.mark.parametrize("collection", TASSELLED_CAP_COEFFICIENTS)
def test_coefficients_are_a_rotation(collection):
    # A mistyped digit would break it: published sets are orthonormal to their four digits.
    weights = TASSELLED_CAP_COEFFICIENTS[collection]
    np.testing.assert_allclose(weights @ weights.T, np.eye(3), atol=3e-4)


@pytest.mark.parametrize("collection", TASSELLED_CAP_COEFFICIENTS)
def test_stack_and_registry_agree_to_the_bit_in_any_shape(collection):
    rng = np.random.default_rng(5)
    stack = rng.uniform(0, 0.6, (6, 7, 11)).astype(np.float32)
    stack[4, 2, 3] = np.nan
    whole = tasselled_cap(stack, collection=collection)
    assert whole.shape == (3, 7, 11)
    assert whole.dtype == np.float32
    assert np.isnan(whole[:, 2, 3]).all()
    assert np.isnan(whole).sum() == 3
    np.testing.assert_array_equal(whole[:, 3:4, 5:], tasselled_cap(stack[:, 3:4, 5:], collection=collection))
    bands = dict(zip(TASSELLED_CAP_BANDS, stack, strict=True))
    for name, expected in zip(("tc_brightness", "tc_greenness", "tc_wetness"), whole, strict=True):
        np.testing.assert_array_equal(spectral_index(name).compute(bands, collection), expected)


def test_formula_names_the_coefficients_of_the_sensor():
    wetness = spectral_index("tc_wetness")
    assert wetness.formula_for("sentinel-2-l2a") == (
        "0.2578 blue + 0.2305 green + 0.0883 red + 0.1071 nir - 0.7611 swir16 - 0.5308 swir22"
    )
    assert wetness.formula_for("landsat-c2-l2").startswith("0.0382 blue + 0.2137 green")


def test_bad_input_is_named():
    with pytest.raises(UnknownIndexError, match="cbers"):
        tasselled_cap(PIXEL, collection="cbers-4-awfi-16d")
    with pytest.raises(UnknownIndexError, match=r"six bands.*\(5,\)"):
        tasselled_cap(PIXEL[:5], collection="sentinel-2-l2a")
    with pytest.raises(ReflectanceScaleError, match="uint16"):
        tasselled_cap((PIXEL * 10_000).astype(np.uint16), collection="sentinel-2-l2a")
    with pytest.raises(UnknownIndexError, match="tc_wetness needs swir22"):
        spectral_index("tc_wetness").compute(dict(zip(TASSELLED_CAP_BANDS[:5], PIXEL, strict=False)), "sentinel-2-l2a")
