"""The wide feature table of a small season: columns, values by hand, dictionary, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import (
    DICTIONARY_SCHEMA,
    INDICES,
    LabelGridError,
    LayerTableError,
    SegmentMismatchError,
    UnknownIndexError,
    left_out_indices,
    segment_features,
)
from agristat_platform.imagery import UnknownBandError

LABELS = np.array([[1, 1, 2], [1, 1, 2]], dtype=np.uint32)
SEGMENTS = pa.table({"segment_id": pa.array([2, 1], pa.uint32()), "area_ha": [0.02, 0.04], "compactness": [0.5, 0.78]})


S2 = [("sentinel-2-l2a", band, 1) for band in ("B02", "B03", "B04", "B08", "B11")]
RADAR = [("sentinel-1-rtc", band, 1) for band in ("VV", "VH")]
LANDSAT = [("landsat-c2-l2", band, 1) for band in ("red", "nir08", "swir16", "lwir11")]
FLAT = {"B02": 0.04, "B03": 0.08, "B04": 0.06, "B08": 0.40, "B11": 0.20, "red": 0.1, "nir08": 0.3, "swir16": 0.2}
FLAT |= {"lwir11": 300.0, "VV": 0.1, "VH": 0.02}


def read_flat(layer):
    return np.full(LABELS.shape, FLAT[layer["band"]], dtype=np.float32)


def columns_of(table, segment_id):
    return next(r for r in table.to_pylist() if r["segment_id"] == segment_id)


def test_every_layer_and_index_has_its_columns(layers_of):
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


def test_statistics_and_shares_of_mixed_pixels(layers_of):
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


def test_indices_of_the_composite_are_used_as_they_are(layers_of):
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


def test_landsat_gives_the_indices_where_it_is_alone(layers_of):
    features, _ = segment_features(LABELS, layers_of(*LANDSAT), read_flat, SEGMENTS, indices=("ndvi", "evi"))
    assert columns_of(features, 1)["ndvi_t01_mean"] == pytest.approx(0.5)
    assert not any(name.startswith("evi") for name in features.column_names)


ASCENDING = [("sentinel-1-rtc", band, 1, f"{band}_asc", "mean", "ascending") for band in ("VV", "VH")]
DESCENDING = [("sentinel-1-rtc", band, 1, f"{band}_des", "mean", "descending") for band in ("VV", "VH")]
SEASON = [("sentinel-2-l2a", band, 0, f"{band}_{p}", p, None) for band in ("B04", "B08") for p in ("p10", "p90")]


def test_radar_ratios_are_those_of_one_direction(layers_of):
    power = {"VV_asc": 0.2, "VH_asc": 0.02, "VV_des": 0.1, "VH_des": 0.05}
    features, dictionary = segment_features(
        LABELS, layers_of(*ASCENDING, *DESCENDING), lambda r: np.full(LABELS.shape, power[r["layer"]]), SEGMENTS
    )
    values = columns_of(features, 1)
    assert values["vv_des_t01_mean"] == pytest.approx(-10.0)
    assert values["vh_vv_asc_t01_mean"] == pytest.approx(0.1)  # 0.02 / 0.2
    assert values["vh_vv_des_t01_mean"] == pytest.approx(0.5)  # 0.05 / 0.1
    assert values["rvi_asc_t01_mean"] == pytest.approx(0.08 / 0.22, rel=1e-6)  # 4 × 0.02 / (0.2 + 0.02)
    assert values["rvi_des_t01_mean"] == pytest.approx(0.20 / 0.15, rel=1e-6)  # 4 × 0.05 / (0.1 + 0.05)
    described = {r["name"]: r for r in dictionary.to_pylist()}
    assert described["rvi_des_t01_mean"]["formula"] == "4 mean(VH_des) / (mean(VV_des) + mean(VH_des))"
    assert described["vv_asc_t01_std"]["band_or_index"] == "VV_asc"
    assert len(features.column_names) == 3 + 2 * 6


def test_a_direction_with_one_polarisation_has_no_ratio(layers_of):
    features, _ = segment_features(
        LABELS, layers_of(ASCENDING[0], DESCENDING[1]), lambda _: np.full(LABELS.shape, 0.1), SEGMENTS
    )
    assert not any(name.startswith(("rvi", "vh_vv")) for name in features.column_names)


def test_percentiles_of_the_season_describe_themselves_alone(layers_of):
    value = {"B04": 0.06, "B08": 0.40, "B04_p10": 0.02, "B04_p90": 0.2, "B08_p10": 0.1, "B08_p90": 0.5}
    features, dictionary = segment_features(
        LABELS, layers_of(*SEASON, *S2[2:4]), lambda r: np.full(LABELS.shape, value[r["layer"]]), SEGMENTS
    )
    values = columns_of(features, 1)
    assert values["b04_p10_season_mean"] == pytest.approx(0.02)
    assert values["b08_p90_season_std"] == pytest.approx(0.0)
    assert values["ndvi_t01_mean"] == pytest.approx(0.34 / 0.46)  # of the composite, not of a percentile
    assert not any(name.startswith("clear_share_season") or "ndvi_season" in name for name in features.column_names)
    entry = next(r for r in dictionary.to_pylist() if r["name"] == "b04_p10_season_mean")
    assert (entry["interval"], entry["formula"]) == (0, "mean(B04, p10 of the season)")
    alone, _ = segment_features(LABELS, layers_of(*SEASON), lambda _: np.full(LABELS.shape, 0.1), SEGMENTS)
    assert [name for name in alone.column_names if "season" not in name] == ["segment_id", "area_ha", "compactness"]


def test_the_tasselled_cap_takes_the_coefficients_of_its_sensor(layers_of):
    wanted = ["tc_wetness", "msavi2"]
    value = {"blue": 0.04, "green": 0.08, "red": 0.06, "nir08": 0.40, "swir16": 0.20, "swir22": 0.10}
    value |= dict(zip(("B02", "B03", "B04", "B08", "B11", "B12"), value.values(), strict=True))
    tables = {
        "sentinel-2-l2a": [("sentinel-2-l2a", band, 1) for band in value if band[0] == "B"],
        "landsat-c2-l2": [("landsat-c2-l2", band, 1) for band in value if band[0] != "B"],
    }

    def wetness(collection, **options):
        table, dictionary = segment_features(
            LABELS,
            layers_of(*tables[collection]),
            lambda r: np.full(LABELS.shape, value[r["band"]]),
            SEGMENTS,
            indices=wanted,
            **options,
        )
        entry = next(r for r in dictionary.to_pylist() if r["name"] == "tc_wetness_t01_mean")
        return columns_of(table, 1)["tc_wetness_t01_mean"], entry["formula"]

    # sums by hand in test_features_tasselled_cap
    assert wetness("sentinel-2-l2a")[0] == pytest.approx(-0.12841, abs=1e-6)
    assert wetness("landsat-c2-l2") == (
        pytest.approx(-0.05503, abs=1e-6),
        "mean(0.0382 blue + 0.2137 green + 0.3536 red + 0.2270 nir - 0.6108 swir16 - 0.6351 swir22)",
    )
    assert wetness("landsat-c2-l2", harmonised=True)[0] == pytest.approx(-0.12841, abs=1e-6)


def test_indices_left_out_are_told(layers_of):
    assert left_out_indices(layers_of(*S2)) == {}
    assert left_out_indices(layers_of(*S2, *RADAR), ["ndvi", "ndti", "ndre"]) == {
        "ndti": ("swir22",),
        "ndre": ("rededge071",),
    }
    # a percentile is no band for an index
    assert left_out_indices(layers_of(*SEASON), ["ndvi"]) == {"ndvi": ("nir", "red")}
    with pytest.raises(UnknownIndexError, match="savi"):
        left_out_indices(layers_of(*S2), ["savi"])


def test_every_index_can_be_a_feature(layers_of):
    bands = [("sentinel-2-l2a", b, 1) for b in ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")]
    rng = np.random.default_rng(2)
    features, dictionary = segment_features(
        LABELS, layers_of(*bands), lambda _: rng.uniform(0.05, 0.4, LABELS.shape), SEGMENTS, indices=tuple(INDICES)
    )
    assert {f"{name}_t01_mean" for name in INDICES} <= set(features.column_names)
    units = {r["name"]: r["unit"] for r in dictionary.to_pylist()}
    assert (units["s2rep_t01_mean"], units["lai_t01_p90"], units["ndvi_t01_std"]) == ("nm", "m²/m²", "1")


def test_layers_are_read_once_and_interval_by_interval(layers_of):
    asked = []

    def read(layer):
        asked.append((layer["interval"], layer["band"]))
        return read_flat(layer)

    layers = layers_of(*[(c, b, i) for i in (2, 1) for c, b, _ in (*S2, *RADAR)])
    segment_features(LABELS, layers, read, SEGMENTS)
    assert len(asked) == len(set(asked)) == 14
    assert [interval for interval, _ in asked] == sorted(interval for interval, _ in asked)


def test_bad_input_is_named(layers_of):
    with pytest.raises(LayerTableError, match="empty"):
        segment_features(LABELS, layers_of(*S2).slice(0, 0), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match="layer, statistic, orbit, interval"):
        segment_features(LABELS, pa.table({"collection": ["a"], "band": ["b"]}), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match="VV of interval 1"):
        segment_features(LABELS, layers_of(*RADAR, ("sentinel-1-grd", "VV", 1)), read_flat, SEGMENTS)
    with pytest.raises(UnknownBandError, match="B99"):
        segment_features(LABELS, layers_of(("sentinel-2-l2a", "B99", 1)), read_flat, SEGMENTS)
    with pytest.raises(LayerTableError, match=r"uint16.*sentinel-2-l2a_t01\.tif"):
        segment_features(LABELS, layers_of(*S2), lambda _: np.ones(LABELS.shape, np.uint16), SEGMENTS)
    with pytest.raises(LabelGridError, match=r"\(4, 4\)"):
        segment_features(LABELS, layers_of(*S2), lambda _: np.ones((4, 4)), SEGMENTS)
    with pytest.raises(SegmentMismatchError, match="segment 2"):
        segment_features(LABELS, layers_of(*S2), read_flat, SEGMENTS.slice(1))
