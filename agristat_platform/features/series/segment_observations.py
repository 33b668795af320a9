"""What each segment looked like on each date: means of its clear pixels, the clear share, and the indices of those means.

Belongs here: sums over segments and the table of observations. Reading scenes is in `overpass_reading`, the table is read again
in `observation_portions`, curves through the observations are in `segment_series`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from agristat_platform.features.errors import SegmentMismatchError
from agristat_platform.features.series.overpass_reading import Block, SeriesOverpass
from agristat_platform.features.series.row_group_files import RowGroupFile
from agristat_platform.features.series.series_channels import channel_formula, series_channel
from agristat_platform.features.series.series_plan import SeriesPlan, SeriesSource
from agristat_platform.imagery import STORAGE

LEAST_CLEAR_SHARE = 0.5
SEGMENTS_AT_ONCE = 32_768
"""Segments per row group of the observations, so that series can be made of so many at a time."""

ReadLabels = Callable[[slice, slice], npt.NDArray[Any]]


def observations_schema(indices: Sequence[str]) -> pa.Schema:
    """Columns of the table of observations; a segment that an overpass did not see has no row."""
    return pa.schema(
        [
            pa.field("segment_id", pa.uint32(), nullable=False),
            pa.field("date", pa.date32(), nullable=False, metadata={"unit": "UTC day"}),
            pa.field("collection", pa.string(), nullable=False),
            pa.field("platform", pa.string(), nullable=False),
            pa.field("clear_pixels", pa.int32(), nullable=False, metadata={"unit": "pixel"}),
            pa.field("clear_share", pa.float32(), nullable=False, metadata={"unit": "share of the segment's pixels"}),
            pa.field(
                "weight",
                pa.float32(),
                nullable=False,
                metadata={"unit": "1", "formula": f"clear_share, 0 below {LEAST_CLEAR_SHARE}"},
            ),
            *(
                pa.field(
                    name, pa.float32(), metadata={"unit": series_channel(name).unit, "formula": channel_formula(name)}
                )
                for name in indices
            ),
        ]
    )


@dataclass(frozen=True)
class SegmentLabels:
    """Segments of a label raster that is read block by block.

    Attributes
    ----------
    read:
        Gives (rows, cols) segment numbers, 0 = nodata, of a slice of rows and one of columns.
    ids:
        (n,) uint32, ascending: the segments of the table.
    pixels:
        (n,) int64, pixels of each.
    """

    read: ReadLabels
    ids: npt.NDArray[np.uint32]
    pixels: npt.NDArray[np.int64]

    @classmethod
    def of_table(cls, read: ReadLabels, segments: pa.Table) -> SegmentLabels:
        """Segments of a table with segment_id and pixels, in any order."""
        ids = segments["segment_id"].to_numpy().astype(np.uint32)
        order = np.argsort(ids, kind="stable")
        return cls(read, ids[order], segments["pixels"].to_numpy().astype(np.int64)[order])


class ObservationWriter(RowGroupFile):
    """Listens to overpasses and writes the observations of all segments to a Parquet file, overpass by overpass.

    Sums are of whole numbers, so that neither blocks nor the order of pixels change a bit. Memory: one block, and per
    segment 8 bytes for each band and two counts. Use as a context manager; leaving it with an error leaves no file.

    Parameters
    ----------
    target:
        The file to write.
    plan:
        Gives the columns.
    segments:
        Labels on the grid of the overpasses.

    Raises
    ------
    SegmentMismatchError
        A label is not among the segments, or a segment has more pixels than the table says.
    """

    def __init__(self, target: Path, plan: SeriesPlan, segments: SegmentLabels) -> None:
        super().__init__(target, observations_schema(plan.indices))
        self._segments = segments
        highest = int(segments.ids[-1]) if len(segments.ids) else 0
        self._place = np.zeros(highest + 1, np.uint32)
        self._place[segments.ids] = np.arange(1, len(segments.ids) + 1, dtype=np.uint32)
        self._place[0] = 0
        self._overpass: SeriesOverpass | None = None
        self.rows = 0

    def begin(self, overpass: SeriesOverpass) -> None:
        """Start the sums of an overpass."""
        size = len(self._segments.ids) + 1
        self._overpass = overpass
        self._seen, self._clear = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._sums = {band.name: np.zeros(size, np.int64) for band in overpass.source.bands}

    def take(self, block: Block) -> None:
        """Add the pixels of a block."""
        labels = np.ascontiguousarray(self._segments.read(block.rows, block.cols)).reshape(-1)
        if labels.size != block.clear.size:
            raise SegmentMismatchError(
                f"{labels.size} labels for {block.clear.size} pixels of rows {block.rows.start} to {block.rows.stop}",
                remedy="Use labels on the grid of the region",
            )
        unknown = add_counts(
            labels, self._place, block.seen.reshape(-1), block.clear.reshape(-1), self._seen, self._clear
        )
        if unknown >= 0:
            raise SegmentMismatchError(
                f"label {unknown} is not in the segment table",
                remedy="Use labels and table of one version of `segments`",
            )
        for name, sums in self._sums.items():
            add_values(labels, self._place, block.clear.reshape(-1), block.numbers[name].reshape(-1), sums)

    def end(self) -> None:
        """Write the rows of the overpass, one row group per `SEGMENTS_AT_ONCE` segments."""
        if self._overpass is None:
            raise ValueError("no overpass has begun")
        pixels, seen, clear = self._segments.pixels, self._seen[1:], self._clear[1:]
        if (seen > pixels).any():
            at = int(np.argmax(seen > pixels))
            raise SegmentMismatchError(
                f"segment {self._segments.ids[at]} has {pixels[at]} pixels in the table and at least {seen[at]} in the "
                "raster",
                remedy="Use labels and table of one version of `segments`",
            )
        for first in range(0, len(seen), SEGMENTS_AT_ONCE):
            rows = np.flatnonzero(seen[first : first + SEGMENTS_AT_ONCE]) + first
            if len(rows):
                sums = {name: total[1:][rows] for name, total in self._sums.items()}
                indices = mean_indices(self._overpass.source, sums, clear[rows])
                table = self._table(self._overpass, rows, clear[rows], indices)
                self._add(table)
                self.rows += len(rows)
        self._overpass = None

    def _table(
        self,
        overpass: SeriesOverpass,
        rows: npt.NDArray[np.intp],
        clear: npt.NDArray[np.int64],
        indices: dict[str, npt.NDArray[np.float32]],
    ) -> pa.Table:
        """Observations of some segments, whose places are `rows`."""
        share = clear / np.maximum(self._segments.pixels[rows], 1)
        columns: dict[str, Any] = {
            "segment_id": self._segments.ids[rows],
            "date": pa.array([overpass.day] * len(rows), pa.date32()),
            "collection": pa.array([overpass.source.collection.name] * len(rows)),
            "platform": pa.array([overpass.platform] * len(rows)),
            "clear_pixels": clear.astype(np.int32),
            "clear_share": share.astype(np.float32),
            "weight": np.where(share >= LEAST_CLEAR_SHARE, share, 0).astype(np.float32),
        }
        for name in self._schema.names[len(columns) :]:
            values = indices.get(name, np.full(len(rows), np.nan, np.float32))
            columns[name] = pa.array(values, pa.float32(), mask=~np.isfinite(values))
        return pa.table(columns, schema=self._schema)


def mean_indices(
    source: SeriesSource, sums: dict[str, npt.NDArray[np.int64]], clear: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.float32]]:
    """Indices of the mean of each segment's clear pixels, (segments,) float32, NaN without a clear pixel.

    Parameters
    ----------
    source:
        The collection's bands and indices.
    sums:
        By band, (segments,) sums of stored numbers over clear pixels.
    clear:
        (segments,) clear pixels.
    """
    means = {}
    for band in source.bands:
        total = np.where(clear > 0, sums[band.name], np.nan)
        means[band.name] = (total / np.maximum(clear, 1) * STORAGE[band.kind].scale).astype(np.float32)
    return indices_of(source, means)


def indices_of(
    source: SeriesSource, values: dict[str, npt.NDArray[np.float32]], only: Sequence[str] | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Indices of a collection from physical values by band, arrays of one shape, NaN where missing."""
    found = {}
    for name, bands in source.indices.items():
        if only is not None and name not in only:
            continue
        if not bands:
            found[name] = values[name]
            continue
        by_common_name = {common: values[band] for common, band in bands.items()}
        found[name] = series_channel(name).compute(by_common_name, source.coefficients)
    return found


@njit(cache=True, nogil=True)
def add_counts(labels, place, seen, clear, seen_pixels, clear_pixels):  # type: ignore[no-untyped-def]
    """Add seen and clear pixels to their segments' counts; returns a label without a place, −1 if there is none."""
    unknown = -1
    for p in range(len(labels)):
        label = labels[p]
        if label == 0:
            continue
        if label >= len(place) or place[label] == 0:
            unknown = label
            continue
        if seen[p]:
            seen_pixels[place[label]] += 1
        if clear[p]:
            clear_pixels[place[label]] += 1
    return unknown


@njit(cache=True, nogil=True)
def add_values(labels, place, clear, numbers, sums):  # type: ignore[no-untyped-def]
    """Add the numbers of clear pixels to their segments' sums."""
    for p in range(len(labels)):
        if clear[p] and labels[p] != 0:
            sums[place[labels[p]]] += numbers[p]
