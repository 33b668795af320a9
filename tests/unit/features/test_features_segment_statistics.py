"""Segment statistics against numpy on every segment's pixels."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.features import LabelGridError, SegmentPixels, StatisticError, segment_statistics
from agristat_platform.segmentation import ImageShapeError

ALL = ("count", "sum", "mean", "std", "min", "max", "p0", "p10", "p50", "p97.5", "p100")


def by_numpy(values, statistic):
    values = values[~np.isnan(values)].astype(np.float64)
    if statistic == "count":
        return len(values)
    if len(values) == 0:
        return None
    if statistic.startswith("p"):
        return np.percentile(values, float(statistic[1:]))
    return getattr(np, statistic)(values)


def test_by_hand():
    labels = np.array([[1, 1, 2], [1, 3, 0]], dtype=np.uint32)
    band = np.array([[1, 2, 7], [6, np.nan, 99]], dtype=np.float32)
    table = segment_statistics(labels, band[np.newaxis], ("count", "mean", "std", "p50"), ["red"])
    assert table.column_names == ["segment_id", "red_count", "red_mean", "red_std", "red_p50"]
    assert table["segment_id"].to_pylist() == [1, 2, 3]
    assert table["segment_id"].type == pa.uint32()
    assert table["red_count"].to_pylist() == [3, 1, 0]
    assert table["red_mean"].to_pylist() == [3.0, 7.0, None]
    assert table["red_std"].to_pylist() == [pytest.approx(np.sqrt(14 / 3)), 0.0, None]
    assert table["red_p50"].to_pylist() == [2.0, 7.0, None]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_equal_to_numpy(data):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    labels = data.draw(arrays(np.uint32, shape, elements=st.integers(0, 4)))
    value = st.one_of(st.just(np.nan), st.integers(-3, 3), st.floats(-1e4, 1e4, width=32))
    band = data.draw(arrays(data.draw(st.sampled_from([np.float32, np.float64])), shape, elements=value))
    table = segment_statistics(labels, [band], ALL)
    assert table["segment_id"].to_pylist() == np.unique(labels[labels > 0]).tolist()
    for row in table.to_pylist():
        values = band[labels == row["segment_id"]]
        for statistic in ALL:
            expected = by_numpy(values, statistic)
            found = row[f"b1_{statistic}"]
            if expected is None:
                assert found is None
            else:
                assert found == pytest.approx(expected, rel=1e-9, abs=1e-6), statistic


def test_percentiles_of_large_segments():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (150, 150)).astype(np.uint32)
    for band in (
        rng.normal(size=(150, 150)),
        rng.integers(0, 5, (150, 150)),
        np.sort(rng.random(22_500)).reshape(150, 150),
        np.arange(22_500).reshape(150, 150) % 60,
        np.full((150, 150), 0.25),
        np.where(rng.random((150, 150)) < 0.5, np.float32(-1e30), np.float32(1e30)),
    ):
        table = segment_statistics(labels, [band], ("p10", "p50", "p90"))
        for row in table.to_pylist():
            expected = np.percentile(band[labels == row["segment_id"]], [10, 50, 90])
            assert [row["b1_p10"], row["b1_p50"], row["b1_p90"]] == pytest.approx(expected.tolist())


def test_deviation_of_large_equal_values_does_not_cancel():
    labels = np.ones((1, 4), dtype=np.uint32)
    table = segment_statistics(labels, [np.array([[1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]])], ("std",))
    assert table["b1_std"][0].as_py() == pytest.approx(np.sqrt(1.25), rel=1e-12)


def test_integer_bands_and_nodata():
    labels = np.array([[1, 1, 2, 2]], dtype=np.uint32)
    for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64):
        table = segment_statistics(labels, np.array([[[0, 5, 0, 0]]], dtype=dtype), ("mean", "max"), nodata=0)
        assert table["b1_mean"].to_pylist() == [5.0, None]
        assert table["b1_max"].to_pylist() == [5.0, None]


def test_masked_pixels_are_left_out():
    labels = np.array([[1, 1, 2]], dtype=np.uint32)
    band = np.ma.array([[4, 250, 250]], mask=[[False, True, True]], dtype=np.uint8)
    table = segment_statistics(labels, [band], ("count", "mean", "p90"))
    assert table.to_pydict() == {
        "segment_id": [1, 2],
        "b1_count": [1, 0],
        "b1_mean": [4.0, None],
        "b1_p90": [4.0, None],
    }


def test_sparse_and_huge_numbers():
    labels = np.array([[7, 7, 0, 2**32 - 1]], dtype=np.uint32)
    band = np.array([[1.0, 3.0, 50.0, 9.0]])
    table = segment_statistics(labels, [band], ("mean", "p50"))
    assert table.to_pydict() == {"segment_id": [7, 2**32 - 1], "b1_mean": [2.0, 9.0], "b1_p50": [2.0, 9.0]}
    small = segment_statistics(np.array([[3, 3, 0, 5]]), [band], ("mean",))
    assert small.to_pydict() == {"segment_id": [3, 5], "b1_mean": [2.0, 9.0]}


def test_all_nodata_has_no_rows():
    table = segment_statistics(np.zeros((2, 2), np.uint32), [np.ones((2, 2))], ("mean", "p50"))
    assert table.num_rows == 0


def test_bands_are_taken_one_at_a_time():
    labels = np.ones((2, 2), dtype=np.uint32)
    alive = []

    def bands():
        for k in range(3):
            alive.append(k)
            yield np.full((2, 2), float(k))

    table = segment_statistics(labels, bands(), ("mean",), ["a", "b", "c"])
    assert table.to_pylist() == [{"segment_id": 1, "a_mean": 0.0, "b_mean": 1.0, "c_mean": 2.0}]
    assert alive == [0, 1, 2]


def test_one_grouping_serves_many_bands():
    segments = SegmentPixels(np.array([[1, 1, 2]], dtype=np.uint32))
    assert segments.describe(np.array([[1.0, 3.0, 5.0]]), ["mean"])["mean"].tolist() == [2.0, 5.0]
    assert segments.describe(np.array([[1.0, 3.0, 5.0]]), ["p100", "p0"])["p100"].tolist() == [3.0, 5.0]
    assert segments.pixels.tolist() == [2, 1]


def test_bad_input_is_named():
    labels = np.ones((2, 2), dtype=np.uint32)
    with pytest.raises(LabelGridError, match=r"\(2, 3\).*\(2, 2\)"):
        segment_statistics(labels, [np.ones((2, 3))])
    with pytest.raises(StatisticError, match="'median'"):
        segment_statistics(labels, [np.ones((2, 2))], ("median",))
    with pytest.raises(StatisticError, match="'p101'"):
        segment_statistics(labels, [np.ones((2, 2))], ("p101",))
    with pytest.raises(StatisticError, match="no statistic"):
        segment_statistics(labels, [np.ones((2, 2))], ())
    with pytest.raises(StatisticError, match="repeat: a, a"):
        segment_statistics(labels, [labels, labels], ("mean",), ["a", "a"])
    with pytest.raises(StatisticError, match="2 names for 1 bands"):
        segment_statistics(labels, [labels], ("mean",), ["a", "b"])
    with pytest.raises(StatisticError, match="1 names for more"):
        segment_statistics(labels, [labels, labels], ("mean",), ["a"])
    with pytest.raises(ImageShapeError, match="float64"):
        segment_statistics(np.ones((2, 2)), [np.ones((2, 2))])
