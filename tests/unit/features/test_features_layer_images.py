"""Images for segmentation: which intervals and layers they take, and what stands where a pixel is missing."""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import NODATA, LayerTableError, layer_image

OPTICAL = [("sentinel-2-l2a", band, interval) for interval in (1, 2, 3) for band in ("B04", "B08")]
SEASON = [("sentinel-2-l2a", band, 0, f"{band}_p50", "p50", None) for band in ("B04", "B08")]


def with_shares(table, shares):
    return table.set_column(
        table.column_names.index("valid_share"),
        "valid_share",
        pa.array([shares[i] for i in table["interval"].to_pylist()]),
    )


def ramp(row):
    values = np.linspace(0.05, 0.45, 12, dtype=np.float32).reshape(3, 4)
    return values if row["band"] == "B08" else values[::-1].copy()


def test_the_clearest_intervals_are_taken_and_the_season_is_not(layers_of):
    layers = with_shares(layers_of(*SEASON, *OPTICAL), {0: 1.0, 1: 0.7, 2: 0.9, 3: 0.8})
    asked = []
    made = layer_image(layers, lambda r: asked.append(r["layer"]) or ramp(r), ["ndvi", "B08"], max_intervals=2)
    assert made.names == ("ndvi_t02", "ndvi_t03", "b08_t02", "b08_t03")
    assert made.image.shape == (4, 3, 4)
    assert set(asked) == {"B04", "B08"}
    assert made.filled_share == 0.0


def test_equally_clear_intervals_are_spread_over_the_season(layers_of):
    layers = layers_of(*[("sentinel-2-l2a", "B08", interval) for interval in range(1, 8)])
    # 1, 3, 5, 7 would do best with equal shares; the third month is 2 points less clear, the others at most 1:
    # 1, 4, 5, 7 has 1 + 2·3³ + 2·1 + 2·2³ + 1 = 74, 1, 2, 4, 6 has 1 + 2 + 2·2³ + 2·2³ + 3³ = 62
    shares = {1: 0.995, 2: 0.99, 3: 0.97, 4: 0.99, 5: 0.993, 6: 0.99, 7: 1.0}
    made = layer_image(with_shares(layers, shares), ramp, ["B08"], max_intervals=4)
    assert made.names == ("b08_t01", "b08_t02", "b08_t04", "b08_t06")
    equal = layer_image(with_shares(layers, dict.fromkeys(shares, 0.9)), ramp, ["B08"], max_intervals=4)
    assert equal.names == ("b08_t01", "b08_t03", "b08_t05", "b08_t07")


def test_gaps_are_filled_from_the_other_interval(layers_of):
    def read(row):
        values = ramp(row)
        values[0, 0] = np.nan
        if row["interval"] == 1:
            values[0, 1] = np.nan
        return values

    layers = with_shares(layers_of(*OPTICAL[:4]), {1: 0.9, 2: 0.9})
    made = layer_image(layers, read, ["B08"], max_intervals=2)
    assert (made.image[:, 0, 0] == NODATA).all()
    assert (made.image[:, 0, 1] != NODATA).all()
    assert made.filled_share == pytest.approx(1 / 12)


def test_a_radar_band_is_the_direction_seen_most(layers_of):
    rows = [("sentinel-1-rtc", "VV", i, "VV_asc", "mean", "ascending") for i in (1, 2, 3)]
    rows += [("sentinel-1-rtc", "VV", i, "VV_des", "mean", "descending") for i in (1, 2)]
    read = lambda row: ramp({"band": "B08"})  # noqa: E731
    asked = []
    layer_image(layers_of(*rows), lambda r: asked.append(r["layer"]) or read(r), ["VV"], max_intervals=3)
    assert asked == ["VV_asc"] * 3
    asked.clear()
    layer_image(layers_of(*rows[1:]), lambda r: asked.append(r["layer"]) or read(r), ["VV"], max_intervals=3)
    assert set(asked) == {"VV_des"}
    asked.clear()
    layer_image(layers_of(*rows), lambda r: asked.append(r["layer"]) or read(r), ["vv_des"], max_intervals=3)
    assert asked == ["VV_des"] * 2


def test_layers_that_are_not_there_are_named(layers_of):
    with pytest.raises(LayerTableError, match="tc_wetness"):
        layer_image(layers_of(*OPTICAL), ramp, ["tc_wetness"], max_intervals=2)
    with pytest.raises(LayerTableError, match="B04_p50"):
        layer_image(layers_of(*SEASON, *OPTICAL), ramp, ["B04_p50"], max_intervals=2)
    with pytest.raises(LayerTableError, match="no interval has all"):
        layer_image(layers_of(OPTICAL[0], OPTICAL[3]), ramp, ["B04", "B08"], max_intervals=2)
