"""Spectral indices by hand, what they refuse, and which of them a collection's bands allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import (
    INDICES,
    ReflectanceScaleError,
    UnknownIndexError,
    cire,
    evi,
    gcvi,
    index_bands,
    ireci,
    lai,
    lswi,
    msavi2,
    mtci,
    ndre,
    ndsvi,
    ndti,
    ndvi,
    ndwi,
    psri,
    s2rep,
    spectral_index,
    spectral_indices,
    unavailable_indices,
)


def one(value):
    return np.array([value], dtype=np.float32)


BLUE, GREEN, RED, NIR, SWIR16, SWIR22 = one(0.04), one(0.08), one(0.06), one(0.40), one(0.20), one(0.10)
BANDS = {"blue": BLUE, "green": GREEN, "red": RED, "nir": NIR, "swir16": SWIR16, "swir22": SWIR22}
BANDS |= {"rededge071": one(0.12), "rededge075": one(0.32), "rededge078": one(0.38)}
S2 = "sentinel-2-l2a"


def compute(name, bands):
    return spectral_index(name).compute(bands, S2)[0]


def test_vegetation_indices_by_hand():
    assert ndvi(nir=NIR, red=RED)[0] == pytest.approx(0.34 / 0.46)
    # 2.5 × 0.34 / (0.40 + 0.36 - 0.30 + 1) = 0.85 / 1.46
    assert evi(nir=NIR, red=RED, blue=BLUE)[0] == pytest.approx(0.85 / 1.46)
    assert gcvi(nir=NIR, green=GREEN)[0] == pytest.approx(4.0)
    # 2 × 0.40 + 1 = 1.8; 1.8² - 8 × 0.34 = 3.24 - 2.72 = 0.52; (1.8 - √0.52) / 2 = (1.8 - 0.7211103) / 2
    assert msavi2(nir=NIR, red=RED)[0] == pytest.approx(0.53944487)
    # 3.618 × 0.5821918 - 0.118 = 2.1063699 - 0.118
    assert lai(nir=NIR, red=RED, blue=BLUE)[0] == pytest.approx(1.9883699)
    # bare soil: EVI = 2.5 × 0.02 / (0.22 + 1.20 - 1.05 + 1) = 0.05 / 1.37; the line goes below zero near there
    assert lai(nir=one(0.22), red=one(0.20), blue=one(0.14))[0] == pytest.approx(3.618 * 0.05 / 1.37 - 0.118, abs=1e-6)


def test_water_and_soil_indices_by_hand():
    assert ndwi(green=GREEN, nir=NIR)[0] == pytest.approx(-0.32 / 0.48)
    assert lswi(nir=NIR, swir16=SWIR16)[0] == pytest.approx(1 / 3)
    assert ndsvi(swir16=SWIR16, red=RED)[0] == pytest.approx(0.14 / 0.26)
    assert ndti(swir16=SWIR16, swir22=SWIR22)[0] == pytest.approx(0.10 / 0.30)


def test_red_edge_indices_by_hand():
    edge = {name: BANDS[name] for name in ("rededge071", "rededge075", "rededge078")}
    assert ndre(nir=NIR, rededge071=edge["rededge071"])[0] == pytest.approx(0.28 / 0.52)
    assert cire(rededge078=edge["rededge078"], rededge071=edge["rededge071"])[0] == pytest.approx(0.38 / 0.12 - 1)
    assert mtci(rededge075=one(0.32), rededge071=one(0.12), red=RED)[0] == pytest.approx(0.20 / 0.06, rel=1e-6)
    assert ireci(red=RED, **edge)[0] == pytest.approx(0.32 / (0.12 / 0.32), rel=1e-6)
    # (0.38 + 0.06) / 2 = 0.22; 705 + 35 × (0.22 - 0.12) / (0.32 - 0.12) = 705 + 17.5
    assert s2rep(red=RED, **edge)[0] == pytest.approx(722.5)
    assert psri(red=RED, blue=BLUE, rededge075=edge["rededge075"])[0] == pytest.approx(0.02 / 0.32)


def test_evi_on_stored_integers_is_wrong_and_refused():
    # INEGI's tutorial puts reflectance × 10,000 into the formula. Right: 2.5 × 0.34 / 1.46 = 0.5821918. On integers the 1
    # of the denominator vanishes: 2.5 × (4000 - 600) / (4000 + 3600 - 3000 + 1) = 8500 / 4601 = 1.8474245.
    stored = {
        name: (value * 10_000).astype(np.uint16) for name, value in {"nir": NIR, "red": RED, "blue": BLUE}.items()
    }
    numbers = {name: float(value[0]) for name, value in stored.items()}
    on_integers = (
        2.5 * (numbers["nir"] - numbers["red"]) / (numbers["nir"] + 6 * numbers["red"] - 7.5 * numbers["blue"] + 1)
    )
    assert on_integers == pytest.approx(1.8474245)
    with pytest.raises(ReflectanceScaleError, match="uint16"):
        evi(**stored)
    with pytest.raises(ReflectanceScaleError, match="4000"):
        evi(**{name: value.astype(np.float32) for name, value in stored.items()})
    right = evi(**{name: value.astype(np.float32) * np.float32(1e-4) for name, value in stored.items()})
    assert right[0] == pytest.approx(0.5821918, abs=1e-5)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_every_index_keeps_shape_type_and_missing_values(index):
    block = {name: np.repeat(value, 6).reshape(2, 3).astype(np.float64) for name, value in BANDS.items()}
    full = index.compute(block, S2)
    assert full.dtype == np.float32
    assert full.shape == (2, 3)
    assert np.isfinite(full).all()
    for absent in index.bands:
        holed = block | {absent: np.where([[True, False, False]] * 2, np.nan, block[absent])}
        np.testing.assert_array_equal(np.isnan(index.compute(holed, S2)), [[True, False, False]] * 2, err_msg=absent)
        with pytest.raises(ReflectanceScaleError, match=absent):
            index.compute(block | {absent: (block[absent] * 10_000).astype(np.uint16)}, S2)
    assert index.source
    assert index.formula_for(S2)
    assert index.name == index.name.lower()


def test_denominators_of_zero_and_below_are_missing():
    zero = one(0)
    cases = {
        "ndvi": {"nir": zero, "red": zero},
        "ndwi": {"nir": zero, "green": zero},
        "lswi": {"nir": zero, "swir16": zero},
        "ndsvi": {"swir16": zero, "red": zero},
        "ndti": {"swir16": zero, "swir22": zero},
        "gcvi": {"green": zero},
        "ndre": {"nir": zero, "rededge071": zero},
        "cire": {"rededge071": zero},
        "mtci": {"rededge071": RED},
        "ireci": {"rededge071": zero},
        "s2rep": {"rededge075": BANDS["rededge071"]},
        "psri": {"rededge075": zero},
        "evi": {"nir": one(0.5), "red": one(0.1), "blue": one(0.4)},  # 0.5 + 0.6 - 3 + 1 < 0
        "lai": {"nir": one(0.5), "red": one(0.1), "blue": one(0.4)},
        "msavi2": {"nir": one(0.5), "red": one(-0.01)},  # radicand 4 - 4.08
    }
    for name, changed in cases.items():
        assert np.isnan(compute(name, BANDS | changed)), name
    assert set(cases) == {name for name in INDICES if not name.startswith("tc_")}
    assert np.isnan(compute("ireci", BANDS | {"rededge075": zero}))
    assert np.isnan(ndvi(nir=one(0.01), red=one(-0.02))[0])


@given(st.floats(0, 1.5, width=32), st.floats(0, 1.5, width=32))
def test_normalised_differences_stay_in_their_range(a, b):
    for values in (ndvi(nir=one(a), red=one(b)), ndwi(green=one(a), nir=one(b)), lswi(nir=one(a), swir16=one(b))):
        assert np.isnan(values[0]) == (np.float32(a) + np.float32(b) == 0)
        assert np.isnan(values[0]) or -1 <= values[0] <= 1


def test_indices_that_the_bands_allow():
    assert set(spectral_indices({"red": RED, "nir": NIR})) == {"ndvi", "msavi2"}
    assert set(spectral_indices({"red": RED, "nir": NIR, "green": GREEN}, ["gcvi"])) == {"gcvi"}
    assert set(spectral_indices(BANDS, collection=S2)) == set(INDICES)
    assert set(INDICES) - set(spectral_indices(BANDS)) == {"tc_brightness", "tc_greenness", "tc_wetness"}
    with pytest.raises(UnknownIndexError, match="evi needs blue"):
        spectral_indices({"red": RED, "nir": NIR}, ["evi"])
    with pytest.raises(UnknownIndexError, match="savi"):
        spectral_indices({"red": RED, "nir": NIR}, ["savi"])


def test_bands_of_a_collection_by_index():
    assert index_bands("ndvi", S2, ["B04", "B08", "B8A"]) == {"nir": "B08", "red": "B04"}
    assert index_bands("ndvi", S2, ["B04", "B8A"]) == {"nir": "B8A", "red": "B04"}
    assert index_bands("ndvi", "landsat-c2l2-sr", ["red", "nir08", "lwir11"]) == {"nir": "nir08", "red": "red"}
    assert index_bands("ndvi", S2, ["B04"]) is None
    assert index_bands("ndvi", "sentinel-1-rtc", ["VV", "VH"]) is None


def test_indices_left_out_are_said_with_the_bands_they_lack():
    wanted = TimeSeriesSettings().indices
    assert wanted == ("ndvi", "evi", "ndwi", "gcvi", "lai", "tc_brightness", "tc_greenness", "tc_wetness")
    five = ["B02", "B03", "B04", "B08", "B11"]
    assert unavailable_indices({S2: [*five, "B12", "SCL"]}, wanted) == {}
    assert unavailable_indices({S2: five}, wanted) == dict.fromkeys(
        ("tc_brightness", "tc_greenness", "tc_wetness"), ("swir22",)
    )
    # the collection that comes closest is the one to mend
    lacking = unavailable_indices({"landsat-c2-l2": ["red", "nir08"], S2: ["B04", "B07"]}, ["evi", "ndre", "ndvi"])
    assert lacking == {"evi": ("blue",), "ndre": ("rededge071",)}
    assert unavailable_indices({"cbers-4-awfi-16d": ["ndvi"]}, ["ndvi", "evi"]) == {"evi": ("nir", "red", "blue")}
    assert unavailable_indices({"sentinel-1-rtc": ["VV"]}, ["ndvi"]) == {"ndvi": ("nir", "red")}
