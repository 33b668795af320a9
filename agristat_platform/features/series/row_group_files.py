"""A Parquet file that grows by row groups and is there whole or not at all; what the rows are is its writers' matter."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq


class RowGroupFile:
    """Writes a Parquet file, a row group at a time. Use as a context manager; leaving it with an error leaves no file.

    Parameters
    ----------
    target:
        The file to write.
    schema:
        Of every table that is added.
    """

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        self._target, self._schema = target, schema
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._target, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        if kind is not None:
            self._target.unlink(missing_ok=True)

    def _add(self, table: pa.Table) -> None:
        """Write a table as one row group.

        Raises
        ------
        ValueError
            The file is not open.
        """
        if self._writer is None:
            raise ValueError(f"{self._target.name} is not open")
        self._writer.write_table(table, row_group_size=len(table))
