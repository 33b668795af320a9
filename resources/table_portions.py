"""Reading a Parquet file some rows at a time, so that no more of a table is held than is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PORTION_ROWS = 16_384
_BUFFER = 65_536  # bytes read ahead in each column; without a buffer the whole column of a row group is held, and more


def read_portions(path: Path, columns: Sequence[str] | None = None, rows: int = PORTION_ROWS) -> Iterator[pa.Table]:
    """Tables of at most `rows` rows in the file's order, one at a time; a file without rows gives one without rows.

    Parameters
    ----------
    columns:
        Names of those to read, in the order in which they are wanted; None: all. Names that the file lacks are left out.
    """
    # not memory-mapped: a file that changes while it is mapped would kill the process
    with pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=_BUFFER) as file:
        known = file.schema_arrow
        names = known.names if columns is None else [name for name in columns if name in known.names]
        schema = pa.schema([known.field(name) for name in names], metadata=known.metadata)
        if not file.metadata.num_rows:
            yield schema.empty_table()
            return
        for batch in file.iter_batches(batch_size=rows, columns=names, use_threads=False):
            yield pa.Table.from_batches([batch]).select(names)
