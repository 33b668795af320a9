"""The table of series as an array: places, flags, and tables that do not fit."""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import (
    TENSOR_INDICES,
    LayerTableError,
    SegmentMismatchError,
    UnknownIndexError,
    series_schema,
    series_tensor,
)


def row(segment, index, samples, flag="ok"):
    return {
        "segment_id": segment,
        "index": index,
        "samples": samples,
        "clear_dates": 0 if samples is None else 9,
        "too_few": samples is None,
        "longest_gap_days": 20,
        "supported": [samples is not None] * 2 + [False],
        "flag": "too_few" if samples is None else flag,
        "smoothing": 10.0,
    }


def table(*rows):
    return pa.Table.from_pylist(list(rows), schema=series_schema(3))


SERIES = table(
    row(7, "ndvi", [0.1, 0.2, 0.3]),
    row(2, "ndvi", None),
    row(2, "evi", [4, 5, 6], "long_gap"),
    row(7, "evi", [7, 8, 9]),
)


def test_by_hand():
    tensor = series_tensor(SERIES, ("evi", "ndvi"))
    assert tensor.ids.tolist() == [2, 7]
    assert tensor.indices == ("evi", "ndvi")
    assert tensor.values.shape == (2, 3, 2)
    assert tensor.values.dtype == np.float32
    assert tensor.values[0, :, 0].tolist() == [4, 5, 6]
    assert np.isnan(tensor.values[0, :, 1]).all()
    assert tensor.values[1].T.tolist() == [[7, 8, 9], pytest.approx([0.1, 0.2, 0.3])]
    assert tensor.too_few.tolist() == [[False, True], [False, False]]
    assert tensor.flags.tolist() == [["long_gap", "too_few"], ["ok", "ok"]]
    assert tensor.supported[0].T.tolist() == [[True, True, False], [False, False, False]]
    assert tensor.clear_dates.tolist() == [[9, 0], [9, 9]]


def test_order_and_chunks_of_the_table_do_not_matter():
    whole = series_tensor(SERIES, ("evi", "ndvi"))
    turned = pa.concat_tables([SERIES.slice(k, 1) for k in (3, 0, 2, 1)])
    other = series_tensor(turned, ("evi", "ndvi"))
    assert np.array_equal(whole.values, other.values, equal_nan=True)
    assert (whole.flags == other.flags).all()


def test_an_index_without_any_values_is_missing_throughout():
    tensor = series_tensor(table(row(1, "ndvi", None), row(2, "ndvi", None)), ("ndvi",))
    assert tensor.values.shape == (2, 3, 1)
    assert np.isnan(tensor.values).all()


def test_a_season_is_23_by_8():
    rows = [row(s, index, [float(k) for k in range(23)]) for index in TENSOR_INDICES for s in (1, 2)]
    for r in rows:
        r["supported"] = [True] * 23
    tensor = series_tensor(pa.Table.from_pylist(rows, schema=series_schema(23)))
    assert tensor.values.shape == (2, 23, 8)


def test_bad_tables():
    with pytest.raises(UnknownIndexError, match="no series of gcvi"):
        series_tensor(SERIES, ("ndvi", "gcvi"))
    with pytest.raises(LayerTableError, match="no column flag"):
        series_tensor(SERIES.drop_columns(["flag"]), ("ndvi",))
    with pytest.raises(LayerTableError, match="no series"):
        series_tensor(SERIES.slice(0, 0), ("ndvi",))
    with pytest.raises(SegmentMismatchError, match="1 of 2 segments have a series of evi"):
        series_tensor(SERIES.slice(0, 3), ("ndvi", "evi"))
    with pytest.raises(LayerTableError, match="two series of ndvi"):
        series_tensor(pa.concat_tables([SERIES, SERIES]), ("ndvi",))
