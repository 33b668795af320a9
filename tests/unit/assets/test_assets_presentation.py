"""What the UI shows of a table."""

from __future__ import annotations

import pyarrow as pa

from assets.presentation import preview


def test_long_lists_are_shown_by_their_ends_and_short_ones_in_full():
    series = pa.array([[0.207177378, *([0.5] * 21), 0.41147]], pa.list_(pa.float32(), 23))
    table = pa.table({"samples": series, "pair": [[1, 2]], "none": pa.array([None], pa.list_(pa.int8()))})
    (record,) = preview(table).records
    assert record.data == {"samples": "23 values: 0.207177 … 0.41147", "pair": "[1, 2]", "none": None}
