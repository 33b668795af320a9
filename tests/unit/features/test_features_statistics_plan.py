"""Statistics and texture that a region asks for: columns, units, values by hand, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from agristat_platform.catalogue import FeatureSettings, TextureSettings
from agristat_platform.features import (
    LayerTableError,
    SegmentStrips,
    segment_feature_columns,
    segment_features_by_strips,
    segment_texture,
)

LABELS = np.array([[1, 1, 2], [1, 1, 2]], dtype=np.uint32)
SEGMENTS = pa.table({"segment_id": pa.array([2, 1], pa.uint32()), "area_ha": [0.02, 0.04], "compactness": [0.5, 0.78]})
ROWS = [("sentinel-2-l2a", "B04", 1), ("sentinel-2-l2a", "B08", 1), ("sentinel-1-rtc", "VV", 1)]
NAN = np.nan
VALUES = {
    "B04": np.array([[0.1, 0.2, NAN], [NAN, 0.3, NAN]]),
    "B08": np.array([[0.3, 0.6, 0.4], [0.2, 0.3, 0.5]]),
    "VV": np.array([[0.1, 0.3, 0.1], [0.2, 0.2, 0.1]]),
}


def features(layers, *, labels=LABELS, segments=SEGMENTS, values=VALUES, rows=1, **settings):
    strips = SegmentStrips.of_raster(labels, rows)
    with segment_feature_columns(
        strips,
        layers,
        lambda wanted, of: (values[row["band"]][of] for row in wanted),
        segments,
        FeatureSettings(**{"indices": ("ndvi",), **settings}),
    ) as columns:
        return columns.table(), columns.dictionary


def test_the_defaults_are_those_of_the_function(layers_of):
    layers = layers_of(*ROWS)
    table, dictionary = features(layers)
    expected = segment_features_by_strips(
        SegmentStrips.of_raster(LABELS),
        layers,
        lambda wanted, of: (VALUES[row["band"]][of] for row in wanted),
        SEGMENTS,
        indices=("ndvi",),
    )
    assert table.equals(expected[0], check_metadata=True)
    assert dictionary.equals(expected[1])


def test_statistics_are_those_asked_for(layers_of):
    table, dictionary = features(
        layers_of(*ROWS),
        statistics=("count", "sum", "min", "max", "p50"),
        index_statistics=("max",),
        radar_statistics=("p50", "max", "std"),
        statistics_of={"B08": ("mean",)},
    )
    assert table.column_names[3:] == [
        "clear_share_t01",
        *(f"b04_t01_{name}" for name in ("count", "sum", "min", "max", "p50")),
        "b08_t01_mean",
        "ndvi_t01_max",
        *(f"vv_t01_{name}" for name in ("p50", "max", "std")),
    ]
    first, second = table.slice(1, 1).to_pylist()[0], table.slice(0, 1).to_pylist()[0]
    assert first["b04_t01_sum"] == pytest.approx(0.6)
    assert (first["b04_t01_count"], second["b04_t01_count"]) == (3.0, 0.0)
    # a sum of nothing is missing, a count of nothing is 0
    assert second["b04_t01_sum"] is None
    assert second["b04_t01_min"] is None
    assert first["vv_t01_max"] == pytest.approx(10 * np.log10(0.3), abs=1e-5)
    assert first["vv_t01_p50"] == pytest.approx(10 * np.log10(0.2), abs=1e-5)
    units = {row["name"]: row["unit"] for row in dictionary.to_pylist()}
    assert (units["b04_t01_count"], units["vv_t01_max"], units["vv_t01_std"]) == ("pixel", "dB", "linear power")


def test_texture_of_layers_and_indices_by_strips(layers_of):
    rng = np.random.default_rng(4)
    labels = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((6, 5))).astype(np.uint32)
    values = {band: rng.uniform(0.05, 0.5, labels.shape).astype(np.float32) for band in VALUES}
    values["B04"][rng.random(labels.shape) < 0.2] = NAN
    segments = pa.table(
        {"segment_id": pa.array(range(1, 7), pa.uint32()), "area_ha": [1.0] * 6, "compactness": [1.0] * 6}
    )
    texture = TextureSettings(layers=("b04", "ndvi", "VV"), ranges={"B04": (0.0, 0.5)}, levels=8)
    found = [
        features(layers_of(*ROWS), labels=labels, values=values, segments=segments, rows=rows, texture=texture)
        for rows in (12, 5, 1)
    ]
    assert all(table.equals(found[0][0], check_metadata=True) for table, _ in found)
    table, dictionary = found[0]
    names = [name for name in table.column_names if name.endswith(("contrast", "entropy"))]
    assert names == [f"{name}_t01_{of}" for name in ("b04", "ndvi", "vv") for of in ("contrast", "entropy")]
    by_hand = {
        "b04": segment_texture(labels, values["B04"], 0, 0.5, levels=8),
        "ndvi": segment_texture(
            labels, (values["B08"] - values["B04"]) / (values["B08"] + values["B04"]), -1, 1, levels=8
        ),
        "vv": segment_texture(labels, 10 * np.log10(values["VV"]), -35, 5, levels=8),
    }
    for name, expected in by_hand.items():
        assert table[f"{name}_t01_contrast"].to_pylist() == pytest.approx(expected.contrast.tolist(), rel=1e-6)
        assert table[f"{name}_t01_entropy"].to_pylist() == pytest.approx(expected.entropy.tolist(), rel=1e-6)
    described = {row["name"]: row for row in dictionary.to_pylist()}
    assert described["vv_t01_contrast"]["unit"] == "squared grey levels"
    assert described["vv_t01_contrast"]["formula"] == (
        "Σ p(i, j) (i − j)² of VV in 8 grey levels from -35 to 5 dB (Haralick et al. 1973)"
    )
    assert described["ndvi_t01_entropy"]["source"] == "sentinel-2-l2a"


def test_names_that_nothing_has_are_refused(layers_of):
    with pytest.raises(LayerTableError, match=r"features\.texture\.layers names b12"):
        features(layers_of(*ROWS), texture=TextureSettings(layers=("B12",)))
    with pytest.raises(LayerTableError, match=r"features\.statistics_of names evi"):
        features(layers_of(*ROWS), statistics_of={"EVI": ("mean",)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"statistics": ("median",)}, "pattern"),
        ({"statistics": ("p101",)}, "pattern"),
        ({"statistics": ("mean", "mean")}, "named twice"),
        ({"radar_statistics": ()}, "at least 1"),
        ({"texture": {"layers": ("B04",), "ranges": {"B04": (1.0, 0.0)}}}, "is no range"),
        ({"texture": {"layers": ("B04",), "ranges": {"B08": (0.0, 1.0)}}}, "not among the layers"),
        ({"texture": {"layers": ("B04",), "levels": 256}}, "255"),
        ({"texture": {"layers": ("B04",), "statistics": ("homogeneity",)}}, "contrast"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        FeatureSettings.model_validate(settings)
