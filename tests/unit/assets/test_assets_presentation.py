"""What the UI shows of a table."""

from __future__ import annotations

import pyarrow as pa

from assets.presentation import column_schema, preview


def test_long_lists_are_shown_by_their_ends_and_short_ones_in_full():
    series = pa.array([[0.207177378, *([0.5] * 21), 0.41147]], pa.list_(pa.float32(), 23))
    table = pa.table({"samples": series, "pair": [[1, 2]], "none": pa.array([None], pa.list_(pa.int8()))})
    (record,) = preview(table).records
    assert record.data == {"samples": "23 values: 0.207177 … 0.41147", "pair": "[1, 2]", "none": None}


def test_a_column_is_described_by_its_own_metadata_first():
    fields = [
        pa.field("confidence", pa.float32(), metadata={"meaning": "of the review", "unit": "1"}),
        pa.field("confidence", pa.float32(), metadata={"null": "no class"}),
        pa.field("unheard_of", pa.int8()),
    ]
    own, shared, none = (column_schema(pa.schema([field])).columns[0].description for field in fields)
    assert own == "of the review; unit: 1"
    assert shared == "probability of the class, 0 to 1, as the model gives it; null: no class"
    assert none is None
