"""Columns of the wide table on disk: the table they are, by portions, joined, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import DICTIONARY_SCHEMA, FeatureColumns, FeatureError, SegmentMismatchError
from agristat_platform.features.wide_table.dictionary import Feature, dictionary_table, feature_table

IDS = np.array([7, 2, 9, 4], np.uint32)


def feature(name, values):
    return Feature(name, "sentinel-2-l2a", "B04", 1, "mean", "mean(B04)", "reflectance", np.asarray(values, float))


FIRST = feature("b04_t01_mean", [0.1, np.nan, 0.3, np.inf])
SECOND = feature("b08_t01_mean", [1, 2, 3, 4])


def test_the_table_is_that_of_columns_held(tmp_path):
    with FeatureColumns(IDS, tmp_path) as columns:
        columns.add(FIRST)
        columns.add(SECOND)
        whole = feature_table(IDS, [FIRST, SECOND])
        assert columns.table().equals(whole, check_metadata=True)
        assert columns.schema.equals(whole.schema, check_metadata=True)
        assert columns.dictionary.equals(dictionary_table([FIRST, SECOND]))
        assert columns.names == ["b04_t01_mean", "b08_t01_mean"]
        assert columns.missing == {"b04_t01_mean": 2, "b08_t01_mean": 0}
        portions = list(columns.portions(3))
        assert [portion.num_rows for portion in portions] == [3, 1]
        assert pa.concat_tables(portions).equals(whole, check_metadata=True)
        assert list(tmp_path.iterdir()) == []  # the file has no name that could stay behind


def test_tables_are_joined_by_segment(tmp_path):
    joined = pa.table(
        {"segment_id": pa.array([2, 4, 7, 9], pa.uint32()), "days": pa.array([20, 40, None, 90], pa.int32())}
    )
    described = dictionary_table([Feature("days", "series", "ndvi", None, None, "days", "day", np.zeros(0))])
    with FeatureColumns(IDS, tmp_path) as columns:
        columns.join(joined, described)
        assert columns.table()["days"].to_pylist() == [None, 20.0, 90.0, 40.0]
        assert columns.dictionary.equals(described)
        assert columns.schema.field("days").metadata[b"unit"] == b"day"
        with pytest.raises(FeatureError, match="two columns days"):
            columns.join(joined, described)
        with pytest.raises(FeatureError, match="days is not described"):
            columns.join(joined, DICTIONARY_SCHEMA.empty_table())
        with pytest.raises(SegmentMismatchError, match="4 segments, what is joined 3"):
            columns.join(joined.slice(1), described)
        with pytest.raises(SegmentMismatchError, match="not the same"):
            columns.join(pa.table({"segment_id": pa.array([2, 4, 7, 8], pa.uint32())}), described)


def test_no_segments_and_no_columns():
    with FeatureColumns(np.zeros(0, np.uint32)) as columns:
        columns.add(feature("b04_t01_mean", []))
        assert [portion.num_rows for portion in columns.portions()] == [0]
        assert columns.table().column_names == ["segment_id", "b04_t01_mean"]
    with FeatureColumns(IDS) as columns:
        assert columns.table()["segment_id"].to_pylist() == IDS.tolist()
        assert columns.dictionary.num_rows == 0


def test_bad_input(tmp_path):
    with FeatureColumns(IDS, tmp_path) as columns, pytest.raises(SegmentMismatchError, match=r"\(3,\) for 4 segments"):
        columns.add(feature("b04_t01_mean", [1, 2, 3]))
    with pytest.raises(FeatureError, match="cannot be kept on disk") as refused:
        FeatureColumns(IDS, tmp_path / "absent")
    assert "absent" in str(refused.value)
