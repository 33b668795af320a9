"""The table of observations read again, so many segments at a time and a column at a time.

Belongs here: reading what `segment_observations` wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from agristat_platform.features.series import segment_observations


@dataclass(frozen=True)
class ObservedPortion:
    """Observations of some neighbouring segments, whose columns are read when they are asked for.

    Attributes
    ----------
    part:
        Places of the segments among all.
    days:
        (overpasses,) datetime64[D].
    """

    part: slice
    days: npt.NDArray[np.datetime64]
    _file: pq.ParquetFile
    _groups: list[int]
    _places: list[npt.NDArray[np.intp]]

    def column(self, name: str, missing: float) -> npt.NDArray[np.float32]:
        """(segments, overpasses) of a column, `missing` where a segment was not seen or has no value."""
        matrix = np.full((self.part.stop - self.part.start, len(self._groups)), missing, np.float32)
        for number, (group, places) in enumerate(zip(self._groups, self._places, strict=True)):
            matrix[places, number] = self._file.read_row_group(group, columns=[name], use_threads=False)[
                name
            ].to_numpy()
        return matrix


def read_observations(path: Path, segment_ids: npt.NDArray[np.uint32]) -> Iterator[ObservedPortion]:
    """Observations of `SEGMENTS_AT_ONCE` segments at a time, in the order of `segment_ids` (ascending).

    Memory is that of a column of one portion and its rows' places: row groups of other segments are not read, nor are
    other columns.
    """
    at_once = segment_observations.SEGMENTS_AT_ONCE
    with pq.ParquetFile(path) as file:
        column = file.schema_arrow.get_field_index("segment_id")
        spans = []
        for group in range(file.num_row_groups):
            statistics = file.metadata.row_group(group).column(column).statistics
            spans.append((statistics.min, statistics.max))
        for first in range(0, len(segment_ids), at_once):
            part = slice(first, min(first + at_once, len(segment_ids)))
            ids = segment_ids[part]
            groups = [number for number, (least, most) in enumerate(spans) if ids[0] <= least and most <= ids[-1]]
            days, places = [], []
            for group in groups:
                table = file.read_row_group(group, columns=["segment_id", "date"], use_threads=False)
                days.append(table["date"][0].as_py())
                places.append(np.searchsorted(ids, table["segment_id"].to_numpy()))
            yield ObservedPortion(part, np.array(days, dtype="datetime64[D]"), file, groups, places)
