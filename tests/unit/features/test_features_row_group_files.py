"""Files written by row groups: one group a table, nothing left after an error."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agristat_platform.features.series.row_group_files import RowGroupFile

SCHEMA = pa.schema([pa.field("segment_id", pa.uint32(), nullable=False)])


def _table(*ids: int) -> pa.Table:
    return pa.table({"segment_id": pa.array(ids, pa.uint32())}, schema=SCHEMA)


def test_each_table_is_a_row_group(tmp_path) -> None:
    with RowGroupFile(tmp_path / "ids.parquet", SCHEMA) as file:
        file._add(_table(1, 2, 3))
        file._add(_table(7))
    with pq.ParquetFile(tmp_path / "ids.parquet") as read:
        assert [read.metadata.row_group(k).num_rows for k in range(read.num_row_groups)] == [3, 1]
        assert read.read().column("segment_id").to_pylist() == [1, 2, 3, 7]


def test_an_error_leaves_no_file(tmp_path) -> None:
    def failing() -> None:
        with RowGroupFile(tmp_path / "ids.parquet", SCHEMA) as file:
            file._add(_table(1))
            raise KeyError("half of it")

    with pytest.raises(KeyError, match="half of it"):
        failing()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_open_says_so(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"ids\.parquet is not open"):
        RowGroupFile(tmp_path / "ids.parquet", SCHEMA)._add(_table(1))
