"""The wide feature table of a small season: columns, values by hand, dictionary, and what is refused."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import (
    DICTIONARY_SCHEMA,
    LabelGridError,
    LayerTableError,
    SegmentMismatchError,
    segment_features,
)
from agristat_platform.imagery import LAYERS_SCHEMA, UnknownBandError

LABELS = np.array([[1, 1, 2], [1, 1, 2]], dtype=np.uint32)
SEGMENTS = pa.table({"segment_id": pa.array([2, 1], pa.uint32()), "area_ha": [0.02, 0.04], "compactness": [0.5, 0.78]})


def row(collection, band, interval):
    return {
        "file": f"{collection}.tif",
        "band_index": 1,
        "collection": collection,
        "band": band,
        "interval": interval,
        "interval_start": date(2024, interval, 1),
        "interval_end": date(2024, interval + 1, 1),
        "scale": 1.0,
        "offset": 0.0,
        "nodata": 0.0,
        "unit": "",
        "valid_share": 1.0,
        "observations_mean": 1.0,
    }


def layers_of(*rows):
    return pa.Table.from_pylist([row(*r) for r in rows], schema=LAYERS_SCHEMA)


S2 = [("sentinel-2-l2a", band, 1) for band in ("B02", "B03", "B04", "B08", "B11")]
RADAR = [("sentinel-1-rtc", band, 1) for band in ("VV", "VH")]
LANDSAT = [("landsat-c2-l2", band, 1) for band in ("red", "nir08", "swir16", "lwir11")]
FLAT = {"B02": 0.04, "B03": 0.08, "B04": 0.06, "B08": 0.40, "B11": 0.20, "red": 0.1, "nir08": 0.3, "swir16": 0.2}
FLAT |= {"lwir11": 300.0, "VV": 0.1, "VH": 0.02}


def read_flat(layer):
    return np.full(LABELS.shape, FLAT[layer["band"]], dtype=np.float32)


def columns_of(table, segment_id):
    return next(r for r in table.to_pylist() if r["segment_id"] == segment_id)


def test_every_layer_and_index_has_its_columns():
    features, dictionary = segment_features(LABELS, layers_of(*S2, *RADAR, *LANDSAT), read_flat, SEGMENTS)
    assert features["segment_id"].to_pylist() == [2, 1]
    values = columns_of(features, 1)
    assert values["area_ha"] == pytest.approx(0.04)
    assert values["compactness"] == pytest.approx(0.78)
    assert values["clear_share_t01"] == 1.0
    assert values["b08_t01_mean"] == pytest.approx(0.40)
    assert values["b08_t01_std"] == pytest.approx(0.0)
    assert values["ndvi_t01_mean"] == pytest.approx(0.34 / 0.46)
    assert values["evi_t01_p90"] == pytest.approx(0.85 / 1.46)
    assert values["gcvi_t01_p10"] == pytest.approx(4.0)
    assert values["lswi_t01_mean"] == pytest.approx(1 / 3)
    assert values["red_t01_mean"] == pytest.approx(0.1)
    assert values["lwir11_t01_mean"] == pytest.approx(300.0)
    assert values["vv_t01_mean"] == pytest.approx(-10.0)
    assert values["vh_vv_t01_mean"] == pytest.approx(0.2)
    assert values["rvi_t01_mean"] == pytest.approx(0.08 / 0.12)
    assert {str(features.schema.field(name).type) for name in features.column_names[1:]} == {"float"}
    assert dictionary.schema.equals(DICTIONARY_SCHEMA)
    assert dictionary["name"].to_pylist() == features.column_names[1:]
    described = {r["name"]: r for r in dictionary.to_pylist()}
    assert described["ndvi_t01_mean"]["source"] == "sentinel-2-l2a"  # finer than Landsat
    assert described["ndvi_t01_mean"]["formula"] == "mean((nir - red) / (nir + red))"
    assert described["lwir11_t01_mean"]["unit"] == "K"
    assert described["area_ha"]["interval"] is None
    assert features.schema.field("vv_t01_mean").metadata[b"unit"] == b"dB"


def test_statistics_and_shares_of_mixed_pixels():
    nan = np.nan
    arrays = {
        "VV": np.array([[0.1, 0.3, 0.0], [0.2, 0.2, nan]]),
        "VH": np.array([[0.02, 0.02, 0.1], [0.02, 0.02, 0.1]]),
        "B04": np.array([[0.1, 0.2, nan], [nan, 0.3, nan]]),
        "B08": np.array([[0.3, 0.6, nan], [nan, 0.3, nan]]),
    }
    layers = layers_of(*RADAR, ("sentinel-2-l2a", "B04", 1), ("sentinel-2-l2a", "B08", 1))
    features, _ = segment_features(LABELS, layers, lambda layer: arrays[layer["band"]], SEGMENTS)
    first, second = columns_of(features, 1), columns_of(features, 2)
    # dB of the mean power 0.2, not the mean of the pixels' dB
    assert first["vv_t01_mean"] == pytest.approx(10 * np.log10(0.2), abs=1e-5)
    assert first["vv_t01_std"] == pytest.approx(np.std([0.1, 0.3, 0.2, 0.2]), abs=1e-6)
    assert first["vh_vv_t01_mean"] == pytest.approx(0.1)
    assert first["clear_share_t01"] == 0.75
    assert first["ndvi_t01_mean"] == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert first["ndvi_t01_p10"] == pytest.approx(0.1)
    assert second["clear_share_t01"] == 0.0
    for name in ("b04_t01_mean", "ndvi_t01_mean", "ndvi_t01_p10", "vv_t01_mean", "vh_vv_t01_mean"):
        assert second[name] is None, name


def test_indices_of_the_composite_are_used_as_they_are():
    layers = layers_of(("cbers-4-awfi-16d", "ndvi", 1), ("cbers-4-awfi-16d", "evi", 1), ("cbers-4-awfi-16d", "ndvi", 2))
    values = {("ndvi", 1): 0.5, ("evi", 1): 0.4, ("ndvi", 2): 0.7}
    features, dictionary = segment_features(
        LABELS, layers, lambda r: np.full(LABELS.shape, values[r["band"], r["interval"]]), SEGMENTS
    )
    expected = ["area_ha", "compactness", "clear_share_t01"]
    expected += [f"{name}_t01_{stat}" for name in ("ndvi", "evi") for stat in ("mean", "std", "p10", "p90")]
    expected += ["clear_share_t02", *(f"ndvi_t02_{stat}" for stat in ("mean", "std", "p10", "p90"))]
    assert features.column_names[1:] == expected
    assert columns_of(features, 2)["ndvi_t02_mean"] == pytest.approx(0.7)
    assert set(dictionary["source"].to_pylist()) == {"segments", "cbers-4-awfi-16d"}


def test_landsat_gives_the_indices_where_it_is_alone():
    features, _ = segment_features(LABELS, layers_of(*LANDSAT), read_flat, SEGMENTS, indices=("ndvi", "evi"))
    assert columns_of(features, 1)["ndvi_t01_mean"] == pytest.approx(0.5)
    assert not any(name.startswith("evi") for name in features.column_names)


def test_layers_are_read_once_and_interval_by_interval():
    asked = []

    def read(layer):
        asked.append((layer["interval"], layer["band"]))
        return read_flat(layer)

    layers = layers_of(*[(c, b, i) for i in (2, 1) for c, b, _ in (*S2, *RADAR)])
    segment_features(LABELS, layers, read, SEGMENTS)
    assert len(asked) == len(set(asked)) == 14
    assert [interval for interval, _ in asked] == sorted(interval for interval, _ in asked)


def test_bad_input_is_named():
    with pytest.raises(LayerTableError, match="empty"):
        segment_features(LABELS, LAYERS_SCHEMA.empty_table(), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match="interval"):
        segment_features(LABELS, pa.table({"collection": ["a"], "band": ["b"]}), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match="VV of interval 1"):
        segment_features(LABELS, layers_of(*RADAR, ("sentinel-1-grd", "VV", 1)), read_flat, SEGMENTS)
    with pytest.raises(UnknownBandError, match="B99"):
        segment_features(LABELS, layers_of(("sentinel-2-l2a", "B99", 1)), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match=r"uint16.*sentinel-2-l2a\.tif"):
        segment_features(LABELS, layers_of(*S2), lambda _: np.ones(LABELS.shape, np.uint16), SEGMENTS)
    with pytest.raises(LabelGridError, match=r"\(4, 4\)"):
        segment_features(LABELS, layers_of(*S2), lambda _: np.ones((4, 4)), SEGMENTS)
    with pytest.raises(SegmentMismatchError, match="segment 2"):
        segment_features(LABELS, layers_of(*S2), read_flat, SEGMENTS.slice(1))
