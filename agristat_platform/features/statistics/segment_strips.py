"""Statistics of segments whose raster is read by strips of rows: one strip and the segments' sums are held, no grid.

Belongs here: going through the strips, and what one layer adds up on the way. Values of percentiles are kept until the strip
in which their segment ends. The loops are in `segment_kernels` and `percentile_kernels`, names and tables in
`segment_statistics`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import LabelGridError, StatisticError
from agristat_platform.features.statistics import segment_kernels as kernels
from agristat_platform.features.statistics.percentile_kernels import percentiles
from agristat_platform.segmentation import label_raster

MOMENT_STATISTICS = ("count", "sum", "mean", "std", "min", "max")
STRIP_ROWS = 512

ReadRows = Callable[[slice], npt.NDArray[Any]]

_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")


@dataclass(frozen=True)
class Closing:
    """The segments that end in a strip, and their pixels in the window of kept pixels followed by the strip's.

    Attributes
    ----------
    members:
        Dense numbers of the segments.
    labels:
        (window,) 1..len(members) in the order of `members`, 0 elsewhere.
    starts:
        As in `segment_kernels.grouped_values`.
    kept:
        Places in the window of pixels whose segment goes on below.
    """

    members: npt.NDArray[np.intp]
    labels: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    kept: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Strip:
    """Rows of the label raster, with (rows × cols,) dense segment numbers: 1..n in the order of the ids, 0 = nodata."""

    rows: slice
    shape: tuple[int, int]
    labels: npt.NDArray[np.uint32]
    closing: Closing


class SegmentStrips:
    """The segments of a label raster that is read by strips.

    Parameters
    ----------
    read:
        Gives rows of the raster, (rows, cols) segment numbers, 0 = nodata. Every strip is read once here, and once
        each time `strips` runs.
    shape:
        (rows, cols) of the raster.
    strip_rows:
        Rows of a strip; the results do not depend on it.

    Attributes
    ----------
    ids:
        (n,) uint32, the segments that occur, ascending.
    pixels:
        (n,) int64, pixels of each.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        From `segmentation`, where the labels are no label raster.
    """

    def __init__(self, read: ReadRows, shape: tuple[int, int], strip_rows: int = STRIP_ROWS) -> None:
        self.shape = shape
        self._read = read
        self._strips = [slice(top, min(top + strip_rows, shape[0])) for top in range(0, shape[0], strip_rows)]
        found = [_occurring(self._labels(rows)) for rows in self._strips]
        self.ids, places = np.unique(np.concatenate([ids for ids, _ in found]), return_inverse=True)
        self.pixels = np.zeros(len(self.ids), np.int64)
        np.add.at(self.pixels, places, np.concatenate([pixels for _, pixels in found]))
        # by dense number; the last strip of several wins
        self._last = np.full(len(self.ids) + 1, -1)
        self._last[places + 1] = np.repeat(np.arange(len(found)), [len(ids) for ids, _ in found])
        highest = int(self.ids[-1]) if len(self.ids) else 0
        self._is_dense = highest == len(self.ids)
        self._numbers: npt.NDArray[np.uint32] | None = None
        if not self._is_dense and highest <= 4 * shape[0] * shape[1]:
            self._numbers = np.zeros(highest + 1, np.uint32)
            self._numbers[self.ids] = np.arange(1, len(self.ids) + 1, dtype=np.uint32)

    @classmethod
    def of_raster(cls, labels: npt.NDArray[Any], strip_rows: int | None = None) -> SegmentStrips:
        """The strips of a raster that is held already; None: one strip."""
        raster = label_raster(labels)
        return cls(lambda rows: raster[rows], raster.shape, strip_rows or raster.shape[0])

    def strips(self) -> Iterator[Strip]:
        """The strips from top to bottom, each read when it is its turn."""
        kept = np.zeros(0, np.uint32)
        for number, rows in enumerate(self._strips):
            labels = self._dense(self._labels(rows))
            window = np.concatenate([kept, labels]) if len(kept) else labels
            members = np.flatnonzero(self._last == number)
            places = np.flatnonzero(self._last[window] > number)
            local = np.zeros(len(self._last), np.uint32)
            local[members] = np.arange(1, len(members) + 1, dtype=np.uint32)
            starts = np.concatenate([np.zeros(2, np.int64), np.cumsum(self.pixels[members - 1])])
            whole = len(members) == len(self.ids)
            closing = Closing(members, window if whole else local[window], starts, places)
            yield Strip(rows, (rows.stop - rows.start, self.shape[1]), labels, closing)
            kept = window[places]

    def _labels(self, rows: slice) -> npt.NDArray[np.uint32]:
        labels = label_raster(self._read(rows))
        if labels.shape != (rows.stop - rows.start, self.shape[1]):
            raise LabelGridError(
                f"rows {rows.start} to {rows.stop} of a label raster {self.shape} were read as {labels.shape}",
                remedy="Read whole rows of the raster",
            )
        return labels.reshape(labels.size)

    def _dense(self, labels: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        if self._is_dense:
            return labels
        if self._numbers is not None:
            return self._numbers[labels]
        return np.where(labels == 0, 0, np.searchsorted(self.ids, labels) + 1).astype(np.uint32)


class LayerStatistics:
    """What one layer adds up, strip by strip: 32 bytes a segment, with extremes 48.

    A percentile adds 8 bytes a segment, and the values of segments that go on below are kept for it.

    Parameters
    ----------
    n_segments:
        As `SegmentStrips.ids` has.
    statistics:
        Names as in `segment_statistics`.

    Raises
    ------
    StatisticError
        A statistic is unknown.
    """

    def __init__(self, n_segments: int, statistics: Sequence[str]) -> None:
        shares = percentile_shares(statistics)
        self._statistics = tuple(statistics)
        self._names = sorted(shares, key=lambda name: shares[name])
        self._shares = np.array([shares[name] for name in self._names])
        self._moments = (
            kernels.no_moments(n_segments, extremes="min" in statistics or "max" in statistics)
            if any(name in MOMENT_STATISTICS for name in statistics)
            else None
        )
        self._percentiles = np.full((n_segments, len(shares)), np.nan)
        self._kept: npt.NDArray[Any] | None = None

    def add(
        self,
        strip: Strip,
        values: npt.NDArray[Any],
        *,
        nodata: float | None = None,
        clear: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Add the strip's (rows, cols) values; strips come in order.

        NaN, infinity, nodata, masked and unclear pixels are left out.

        Raises
        ------
        LabelGridError
            Values or mask have another shape than the strip.
        StatisticError
            The values are no real numbers.
        """
        flat = _flat(values, strip.shape, nodata, clear)
        if self._moments is not None:
            add = kernels.add_moments if self._moments.shape[1] > kernels.LEAST else kernels.add_sums
            add(strip.labels, flat, self._moments)
        if self._names:
            closing = strip.closing
            window = flat if self._kept is None or not len(self._kept) else np.concatenate([self._kept, flat])
            grouped, counts = kernels.grouped_values(closing.labels, window, closing.starts)
            found = percentiles(grouped, closing.starts, counts, self._shares)
            self._percentiles[closing.members - 1] = found[1:]
            self._kept = window[closing.kept]

    def result(self) -> dict[str, npt.NDArray[np.float64]]:
        """Each statistic, (n,) float64 in the order of the ids; NaN where a segment has no value."""
        described: dict[str, npt.NDArray[np.float64]] = {}
        if self._moments is not None:
            described.update(_moment_statistics(self._moments[1:]))
        described.update({name: self._percentiles[:, k] for k, name in enumerate(self._names)})
        return {name: described[name] for name in self._statistics}


def percentile_shares(statistics: Sequence[str]) -> dict[str, float]:
    """Percentile statistics as shares 0..1; raises StatisticError on a name that is no statistic at all."""
    if isinstance(statistics, str):
        raise StatisticError(f"statistics are the text {statistics!r}", remedy=f"Give a list: [{statistics!r}]")
    shares = {}
    for name in statistics:
        if name in MOMENT_STATISTICS:
            continue
        found = _PERCENTILE.fullmatch(name)
        if found is None or float(found[1]) > 100:
            raise StatisticError(
                f"there is no statistic {name!r}",
                remedy=f"Give some of {', '.join(MOMENT_STATISTICS)} and percentiles p0 … p100; the median is p50",
            )
        shares[name] = float(found[1]) / 100
    return shares


def _flat(
    values: npt.NDArray[Any], shape: tuple[int, int], nodata: float | None, clear: npt.NDArray[np.bool_] | None
) -> npt.NDArray[Any]:
    masked = np.ma.getmask(values)
    values = np.asarray(values)
    for what, of in (("a band", values), ("a clear mask", clear)):
        if of is not None and of.shape != shape:
            raise LabelGridError(
                f"{what} of shape {of.shape} does not lie on the label raster's grid {shape}",
                remedy="Make both on the region's grid",
            )
    if values.dtype.kind not in "biuf":
        raise StatisticError(f"a band of type {values.dtype} has no statistics", remedy="Give integers or floats")
    exact = values.dtype in (np.dtype("float32"), np.dtype("float16")) or (
        np.issubdtype(values.dtype, np.integer) and values.dtype.itemsize <= 2
    )
    flat = np.ascontiguousarray(values, dtype=np.float32 if exact else np.float64).reshape(values.size)
    missing = np.zeros(1, dtype=np.bool_) if masked is np.ma.nomask else masked.reshape(values.size)
    if nodata is not None and not np.isnan(nodata):
        missing = missing | (values.reshape(values.size) == nodata)
    if clear is not None:
        missing = missing | ~np.asarray(clear, np.bool_).reshape(values.size)
    return np.where(missing, flat.dtype.type(np.nan), flat) if missing.any() else flat


def _moment_statistics(table: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    count, origin = table[:, kernels.COUNT], table[:, kernels.ORIGIN]
    empty = count == 0
    divisor = np.where(empty, np.nan, count)
    shift = table[:, kernels.SUM] / divisor
    variance = table[:, kernels.SQUARES] / divisor - shift**2
    described = {
        "count": count,
        "sum": table[:, kernels.SUM] + count * origin,
        "mean": origin + shift,
        "std": np.sqrt(np.maximum(variance, 0.0)),
    }
    if table.shape[1] > kernels.LEAST:
        described["min"] = np.where(empty, np.nan, table[:, kernels.LEAST])
        described["max"] = np.where(empty, np.nan, table[:, kernels.MOST])
    return described


def _occurring(labels: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Segments that occur in a strip, ascending, and their pixels."""
    highest = int(labels.max())
    if highest > 4 * labels.size:  # a tile of a large raster: a table of all numbers would dwarf the tile
        found, counts = np.unique(labels, return_counts=True)
        first = int(found[0] == 0)
        return found[first:], counts[first:].astype(np.int64)
    counts = kernels.pixel_counts(labels, highest)
    counts[0] = 0
    ids = np.flatnonzero(counts).astype(np.uint32)
    return ids, counts[ids]
