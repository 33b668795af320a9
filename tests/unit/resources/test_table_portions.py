"""Tables read some rows at a time: nothing lost, whatever the file's row groups."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.table_portions import PORTION_ROWS, read_portions

ROWS = 2 * PORTION_ROWS + 5


@pytest.fixture(scope="module")
def table():
    values = pa.array([None if i % 5 == 0 else i / 8 for i in range(ROWS)], pa.float32())
    schema = pa.schema([("n", pa.uint32()), ("value", pa.float32()), ("name", pa.string())], metadata={"unit": "ha"})
    return pa.table([pa.array(range(ROWS), pa.uint32()), values, [str(i % 3) for i in range(ROWS)]], schema=schema)


@pytest.mark.parametrize(("group", "rows"), [(ROWS, PORTION_ROWS), (1000, PORTION_ROWS), (ROWS, 7000), (30_000, 999)])
def test_portions_are_the_table_and_no_longer_than_asked(table, tmp_path, group, rows):
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=group)
    parts = list(read_portions(tmp_path / "t.parquet", rows=rows))
    assert max(part.num_rows for part in parts) <= rows
    assert pa.concat_tables(parts).combine_chunks().equals(table)
    assert parts[0].schema.metadata == {b"unit": b"ha"}


def test_columns_come_in_the_order_asked_for_and_absent_ones_are_left_out(table, tmp_path):
    pq.write_table(table, tmp_path / "t.parquet")
    (first, *_) = read_portions(tmp_path / "t.parquet", ["name", "nothing", "n"])
    assert first.column_names == ["name", "n"]
    assert first.slice(0, 2).to_pylist() == [{"name": "0", "n": 0}, {"name": "1", "n": 1}]


def test_a_table_without_rows_is_one_portion_without_rows(table, tmp_path):
    pq.write_table(table.slice(0, 0), tmp_path / "t.parquet")
    (part,) = read_portions(tmp_path / "t.parquet", ["n"])
    assert (part.num_rows, part.column_names) == (0, ["n"])
