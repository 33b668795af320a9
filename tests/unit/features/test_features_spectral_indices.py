"""Spectral indices and radar ratios by hand, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.features import (
    INDICES,
    ReflectanceScaleError,
    UnknownIndexError,
    evi,
    gcvi,
    lswi,
    ndvi,
    ndwi,
    radar_vegetation_index,
    spectral_indices,
    to_db,
    vh_vv_ratio,
)


def one(value):
    return np.array([value], dtype=np.float32)


BLUE, GREEN, RED, NIR, SWIR16 = one(0.04), one(0.08), one(0.06), one(0.40), one(0.20)


def test_indices_by_hand():
    assert ndvi(nir=NIR, red=RED)[0] == pytest.approx(0.34 / 0.46)
    # 2.5 × 0.34 / (0.40 + 0.36 - 0.30 + 1) = 0.85 / 1.46
    assert evi(nir=NIR, red=RED, blue=BLUE)[0] == pytest.approx(0.85 / 1.46)
    assert ndwi(green=GREEN, nir=NIR)[0] == pytest.approx(-0.32 / 0.48)
    assert gcvi(nir=NIR, green=GREEN)[0] == pytest.approx(4.0)
    assert lswi(nir=NIR, swir16=SWIR16)[0] == pytest.approx(1 / 3)
    assert all(values.dtype == np.float32 for values in spectral_indices({"nir": NIR, "red": RED}).values())


def test_evi_on_stored_integers_is_refused():
    # On integers the 1 of the denominator vanishes: 2.5 × 3400 / 4601 = 1.847 instead of 0.582.
    stored = {
        name: (value * 10_000).astype(np.uint16) for name, value in {"nir": NIR, "red": RED, "blue": BLUE}.items()
    }
    with pytest.raises(ReflectanceScaleError, match="uint16"):
        evi(**stored)
    with pytest.raises(ReflectanceScaleError, match="4000"):
        evi(**{name: value.astype(np.float32) for name, value in stored.items()})
    right = evi(**{name: value.astype(np.float32) * np.float32(1e-4) for name, value in stored.items()})
    assert right[0] == pytest.approx(0.85 / 1.46, abs=1e-5)


def test_missing_and_zero_denominators_are_missing():
    nan = one(np.nan)
    for index in INDICES.values():
        for absent in index.bands:
            bands = {"blue": BLUE, "green": GREEN, "red": RED, "nir": NIR, "swir16": SWIR16, absent: nan}
            assert np.isnan(index.function(**{band: bands[band] for band in index.bands})[0]), (index.name, absent)
    zero = one(0)
    assert np.isnan(ndvi(nir=zero, red=zero)[0])
    assert np.isnan(gcvi(nir=NIR, green=zero)[0])
    assert np.isnan(ndvi(nir=one(0.01), red=one(-0.02))[0])
    assert np.isnan(evi(nir=one(0.5), red=one(0.1), blue=one(0.4))[0])  # denominator 0.5 + 0.6 - 3 + 1 < 0


@given(st.floats(0, 1.5, width=32), st.floats(0, 1.5, width=32))
def test_normalised_differences_stay_in_their_range(a, b):
    for values in (ndvi(nir=one(a), red=one(b)), ndwi(green=one(a), nir=one(b)), lswi(nir=one(a), swir16=one(b))):
        assert np.isnan(values[0]) == (np.float32(a) + np.float32(b) == 0)
        assert np.isnan(values[0]) or -1 <= values[0] <= 1


def test_indices_that_the_bands_allow():
    assert set(spectral_indices({"red": RED, "nir": NIR})) == {"ndvi"}
    assert set(spectral_indices({"red": RED, "nir": NIR, "green": GREEN}, ["gcvi"])) == {"gcvi"}
    with pytest.raises(UnknownIndexError, match="evi needs blue"):
        spectral_indices({"red": RED, "nir": NIR}, ["evi"])
    with pytest.raises(UnknownIndexError, match="savi"):
        spectral_indices({"red": RED, "nir": NIR}, ["savi"])


def test_radar_by_hand():
    vv, vh = np.array([0.10, 0.0, np.nan]), np.array([0.02, 0.02, 0.02])
    assert vh_vv_ratio(vh, vv)[0] == pytest.approx(0.2)
    assert radar_vegetation_index(vh, vv)[0] == pytest.approx(0.08 / 0.12)
    assert to_db(vv)[0] == pytest.approx(-10.0)
    for values in (vh_vv_ratio(vh, vv), radar_vegetation_index(vh, vv), to_db(vv)):
        assert np.isnan(values[1:]).all()
