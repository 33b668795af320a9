"""Segments read by strips of rows: the bytes of the whole raster, whatever the strips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.features import (
    LabelGridError,
    LayerStatistics,
    SegmentPixels,
    SegmentStrips,
    StatisticError,
    segment_features,
    segment_features_by_strips,
    segment_statistics,
)
from agristat_platform.segmentation import ImageShapeError

ALL = ("count", "sum", "mean", "std", "min", "max", "p0", "p10", "p50", "p97.5", "p100")


def by_strips(labels, band, rows, **options):
    strips = SegmentStrips.of_raster(labels, rows)
    layer = LayerStatistics(len(strips.ids), ALL)
    for strip in strips.strips():
        layer.add(strip, band[strip.rows], **options)
    return strips, layer.result()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bytes_do_not_depend_on_the_strips(data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 7)))
    numbers = data.draw(st.sampled_from([(0, 1, 2, 3), (0, 2, 9), (0, 5, 2**32 - 1)]))
    labels = data.draw(arrays(np.uint32, shape, elements=st.sampled_from(numbers)))
    value = st.one_of(st.just(np.nan), st.sampled_from([-0.0, 0.0]), st.floats(-1e4, 1e4, width=32))
    band = data.draw(arrays(data.draw(st.sampled_from([np.float32, np.float64])), shape, elements=value))
    whole = SegmentPixels(labels)
    strips, found = by_strips(labels, band, data.draw(st.integers(1, 13)))
    assert strips.ids.tolist() == whole.ids.tolist() == np.unique(labels[labels > 0]).tolist()
    assert strips.pixels.tolist() == whole.pixels.tolist()
    for name, expected in whole.describe(band, ALL).items():
        assert found[name].tobytes() == expected.tobytes(), name


def test_a_segment_that_comes_back_after_strips_without_it():
    labels = np.array([[1, 2], [3, 2], [3, 3], [1, 0]], dtype=np.uint32)
    band = np.array([[1, 5], [7, 6], [8, np.nan], [4, 99]], dtype=np.float32)
    _, found = by_strips(labels, band, 1)
    assert found["count"].tolist() == [2, 2, 2]
    assert found["mean"].tolist() == [2.5, 5.5, 7.5]
    assert found["p50"].tolist() == [2.5, 5.5, 7.5]


def test_only_values_of_open_segments_are_kept():
    labels = np.repeat(np.arange(1, 41, dtype=np.uint32), 100).reshape(40, 100)
    strips = SegmentStrips.of_raster(labels, 2)
    layer = LayerStatistics(40, ("p50",))
    for strip in strips.strips():
        layer.add(strip, np.ones(strip.shape, np.float32))
        assert len(layer._kept) == 0
    labels[:] = 1
    strips = SegmentStrips.of_raster(labels, 2)
    assert [len(strip.closing.kept) for strip in strips.strips()] == [*range(200, 4000, 200), 0]


def test_unclear_pixels_are_missing_and_counted_out():
    labels = np.array([[1, 1, 2], [1, 1, 2]], dtype=np.uint32)
    band = np.array([[1, 2, 3], [4, np.nan, 5]], dtype=np.float32)
    clear = np.array([[True, False, False], [True, True, False]])
    table = segment_statistics(labels, [band], ("count", "mean", "p50"), ["b"], clear=clear)
    assert table["b_count"].to_pylist() == [2, 0]
    assert table["b_mean"].to_pylist() == [2.5, None]
    assert table["b_p50"].to_pylist() == [2.5, None]
    each = segment_statistics(labels, [band, band], ("count",), clear=np.stack([clear, ~clear]))
    assert (each["b1_count"].to_pylist(), each["b2_count"].to_pylist()) == ([2, 0], [1, 2])
    _, found = by_strips(labels, band, 2, clear=clear)
    assert found["count"].tolist() == [2, 0]
    with pytest.raises(LabelGridError, match="a clear mask of shape"):
        segment_statistics(labels, [band], clear=clear[:1])


def test_features_by_strips_are_the_features(layers_of):
    rng = np.random.default_rng(5)
    labels = np.kron(np.arange(12).reshape(4, 3), np.ones((5, 5))).astype(np.uint32)
    layers = layers_of(
        *(("sentinel-2-l2a", band, t) for t in (1, 2) for band in ("B02", "B03", "B04", "B08", "B11")),
        *(("sentinel-1-rtc", band, t) for t in (1, 2) for band in ("VV", "VH")),
        ("sentinel-2-l2a", "B04", 0, "B04_p10", "p10"),
    )
    values = {
        (row["layer"], row["interval"]): np.where(rng.random(labels.shape) < 0.3, np.nan, rng.random(labels.shape))
        for row in layers.to_pylist()
    }
    import pyarrow as pa

    segments = pa.table({"segment_id": pa.array(range(11, 0, -1), pa.uint32()), "area_ha": [1.0] * 11})
    segments = segments.append_column("compactness", pa.array([0.5] * 11))

    def read(row):
        return values[row["layer"], row["interval"]].astype(np.float32)

    whole, dictionary = segment_features(labels, layers, read, segments)
    for rows in (1, 3, 20):
        strips = SegmentStrips.of_raster(labels, rows)
        table, described = segment_features_by_strips(
            strips, layers, lambda wanted, of: (read(row)[of] for row in wanted), segments
        )
        assert table.equals(whole)
        assert described.equals(dictionary)
    assert whole["ndvi_t02_p90"].null_count == 0


def test_bad_input():
    labels = np.ones((4, 3), dtype=np.uint32)
    strips = SegmentStrips.of_raster(labels, 2)
    with pytest.raises(StatisticError, match="median"):
        LayerStatistics(1, ("median",))
    layer = LayerStatistics(1, ("mean",))
    with pytest.raises(LabelGridError, match=r"\(4, 3\)"):
        layer.add(next(strips.strips()), np.ones((4, 3)))
    with pytest.raises(LabelGridError, match="rows 0 to 2"):
        SegmentStrips(lambda rows: labels[:1], (4, 3), 2)
    with pytest.raises(ImageShapeError, match="float"):
        SegmentStrips(lambda rows: labels[rows].astype(float), (4, 3), 2)


def test_a_raster_of_nodata_has_no_segments():
    labels = np.zeros((5, 2), dtype=np.uint32)
    strips, found = by_strips(labels, np.ones((5, 2)), 2)
    assert len(strips.ids) == 0
    assert {len(values) for values in found.values()} == {0}


def test_infinity_is_missing_and_what_is_no_number_is_refused():
    labels = np.ones((2, 2), dtype=np.uint32)
    band = np.array([[1.0, np.inf], [-np.inf, 4.0]])
    _, found = by_strips(labels, band, 1)
    assert {name: float(values[0]) for name, values in found.items() if name in ("count", "sum", "mean", "p50")} == {
        "count": 2.0,
        "sum": 5.0,
        "mean": 2.5,
        "p50": 2.5,
    }
    for wrong in (band.astype(complex), band.astype(str)):
        with pytest.raises(StatisticError, match="a band of type"):
            by_strips(labels, wrong, 2)


@pytest.mark.parametrize("n", [1, 5, 31, 47, 64, 110, 127, 130, 300, 2000])
def test_percentiles_of_any_size_are_numpys(n):
    rng = np.random.default_rng(n)
    names = ("p0", "p5", "p25", "p50", "p75", "p95", "p100")
    for values in (rng.normal(size=n), rng.integers(0, 4, n), np.full(n, 7), np.arange(n)[::-1], np.arange(n)):
        band = values[np.newaxis].astype(np.float32)
        strips = SegmentStrips.of_raster(np.ones(band.shape, np.uint32))
        for wanted in (names, ("p50",), ("p10", "p90")):
            layer = LayerStatistics(1, wanted)
            layer.add(next(strips.strips()), band)
            found = [layer.result()[name][0] for name in wanted]
            assert found == pytest.approx(np.percentile(band.astype(float), [float(name[1:]) for name in wanted]))
