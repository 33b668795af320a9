"""Finished columns of the wide table on disk, so that what is held does not grow with their number.

Belongs here: keeping columns and handing them out again by rows. What they are is in `dictionary`, how they are made in
`segment_features`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.features.errors import FeatureError, SegmentMismatchError
from agristat_platform.features.wide_table.dictionary import DICTIONARY_SCHEMA, Feature, dictionary_table

PORTION_ROWS = 65_536
"""Rows that are handed out at once: 250 KiB a column."""

_ITEM = np.dtype(np.float32).itemsize
_NO_VALUES = np.zeros(0, np.float32)


class FeatureColumns:
    """Columns of the wide table in a file without a name, 4 bytes a segment and column; one portion of rows is held.

    Used as a context manager, or closed with `close`: the file goes then, and in any case when the process ends.

    Parameters
    ----------
    segment_ids:
        (n,) of the rows, in their order.
    folder:
        Where the file lies; None: the system's folder for temporary files.

    Attributes
    ----------
    segment_ids:
        (n,) uint32.
    missing:
        Number of null values by column.

    Raises
    ------
    FeatureError
        The folder cannot be written to, or is full.
    """

    def __init__(self, segment_ids: npt.NDArray[np.uint32], folder: Path | None = None) -> None:
        self.segment_ids = np.asarray(segment_ids, np.uint32)
        self.missing: dict[str, int] = {}
        self._folder = folder
        self._features: list[Feature] = []
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def add(self, feature: Feature) -> None:
        """Take a column, (n,) in the order of the rows; NaN and infinity are missing.

        Raises
        ------
        SegmentMismatchError
            It has another number of values.
        FeatureError
            There is a column of that name, or the folder is full.
        """
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(feature.values, np.float32)
        if values.shape != self.segment_ids.shape:
            raise SegmentMismatchError(
                f"{feature.name} has values of shape {values.shape} for {len(self.segment_ids)} segments",
                remedy="Give one value per segment",
            )
        if feature.name in self.missing:
            raise FeatureError(f"there are two columns {feature.name}", remedy="Give each a name of its own")
        data = values.view(np.uint8).data
        place = len(self._features) * values.nbytes
        try:
            while data:
                written = os.pwrite(self._file.fileno(), data, place)
                data, place = data[written:], place + written
        except OSError as error:
            raise self._failed(error) from error
        self.missing[feature.name] = int(np.count_nonzero(~np.isfinite(values)))
        self._features.append(replace(feature, values=_NO_VALUES))

    def join(self, table: pa.Table, dictionary: pa.Table) -> None:
        """Take the columns of a table about the same segments.

        Parameters
        ----------
        table:
            segment_id, in any order, and numbers; null is missing.
        dictionary:
            A row of each of its columns but segment_id (DICTIONARY_SCHEMA).

        Raises
        ------
        SegmentMismatchError
            The table has other segments, or one twice.
        FeatureError
            A column is not described, or there is one of its name.
        """
        found = table["segment_id"].to_numpy()
        order = np.argsort(found, kind="stable")
        places = np.searchsorted(found[order], self.segment_ids)
        if (
            len(found) != len(self.segment_ids)
            or (found[order][np.minimum(places, len(found) - 1)] != self.segment_ids).any()
        ):
            raise SegmentMismatchError(
                f"the features have {len(self.segment_ids)} segments, what is joined {len(found)}, not the same",
                remedy="Make both of the same version of `segments`",
            )
        described = {row["name"]: row for row in dictionary.to_pylist()}
        for name in table.column_names:
            if name == "segment_id":
                continue
            if name not in described:
                raise FeatureError(f"the column {name} is not described", remedy="Give a row of the dictionary for it")
            values = table[name].cast(pa.float32()).to_numpy()
            self.add(Feature(**described[name], values=values[order[places]]))

    @property
    def names(self) -> list[str]:
        """Names of the columns but segment_id, in their order."""
        return list(self.missing)

    @property
    def schema(self) -> pa.Schema:
        """segment_id and the columns, with unit, formula and source of each."""
        return pa.schema(
            [pa.field("segment_id", pa.uint32(), nullable=False), *(feature.field() for feature in self._features)]
        )

    @property
    def dictionary(self) -> pa.Table:
        """The dictionary of the columns (DICTIONARY_SCHEMA)."""
        return dictionary_table(self._features) if self._features else DICTIONARY_SCHEMA.empty_table()

    def portions(self, rows: int = PORTION_ROWS) -> Iterator[pa.Table]:
        """The table, some rows after the other; one portion without rows where there are no segments."""
        n = len(self.segment_ids)
        for first in range(0, max(n, 1), rows):
            last = min(n, first + rows)
            arrays = [pa.array(self.segment_ids[first:last], pa.uint32())]
            for k in range(len(self._features)):
                values = self._values(k * n + first, last - first)
                arrays.append(pa.array(values, mask=~np.isfinite(values)))
            yield pa.Table.from_arrays(arrays, schema=self.schema)

    def table(self) -> pa.Table:
        """The whole table."""
        return next(self.portions(max(len(self.segment_ids), 1)))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _values(self, first: int, count: int) -> npt.NDArray[np.float32]:
        values = np.empty(count, np.float32)
        data = values.view(np.uint8).data
        place = first * _ITEM
        try:
            while data:
                read = os.preadv(self._file.fileno(), [data], place)
                if read == 0:
                    raise OSError("the file of columns is shorter than it was written")
                data, place = data[read:], place + read
        except OSError as error:
            raise self._failed(error) from error
        return values

    def _failed(self, error: OSError) -> FeatureError:
        return FeatureError(
            f"columns of features cannot be kept on disk: {error.strerror or error}",
            where=str(self._folder or tempfile.gettempdir()),
            remedy="Make room there: 4 bytes a segment and column are needed",
        )
