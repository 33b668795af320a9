"""Statistics of bands over segments: which there are, and the table they come in.

Belongs here: grouping pixels by segment once and describing any number of bands with it. The loops are in
`segment_kernels`; which layers become which features is in `segment_features`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.features import segment_kernels as kernels
from agristat_platform.features.errors import LabelGridError, StatisticError
from agristat_platform.segmentation import label_raster

MOMENT_STATISTICS = ("count", "sum", "mean", "std", "min", "max")

_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")


class SegmentPixels:
    """The pixels of a label raster, grouped by segment once and described for any number of bands.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata; numbers need not be contiguous.

    Attributes
    ----------
    ids:
        (n,) uint32, the segments that occur, ascending.
    pixels:
        (n,) int64, pixels of each.
    shape:
        (rows, cols).

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        From `segmentation`, where the labels are no label raster.
    """

    def __init__(self, labels: npt.NDArray[Any]) -> None:
        raster = label_raster(labels)
        self.shape: tuple[int, ...] = raster.shape
        self.ids, self.pixels, self._dense = _dense(raster.reshape(raster.size))
        self._starts = np.concatenate([np.zeros(2, np.int64), np.cumsum(self.pixels)])

    def describe(
        self, values: npt.NDArray[Any], statistics: Sequence[str], *, nodata: float | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Statistics of one band, (n,) float64 each in the order of `ids`; NaN where a segment has no value.

        NaN, `nodata` and masked pixels are left out. "std" divides by the count (a segment is a whole, no sample);
        percentiles ("p10", "p97.5") interpolate linearly between order statistics; "count" and "sum" are 0 for a
        segment without a value.

        Raises
        ------
        LabelGridError
            The band has another shape than the labels.
        StatisticError
            A statistic is unknown.
        """
        shares = _percentile_shares(statistics)
        flat = self._flat(values, nodata)
        described: dict[str, npt.NDArray[np.float64]] = {}
        if any(name in MOMENT_STATISTICS for name in statistics):
            described.update(_moment_statistics(kernels.moments(self._dense, flat, len(self.ids))[1:]))
        if shares:
            grouped, counts = kernels.grouped_values(self._dense, flat, self._starts)
            names = sorted(shares, key=lambda name: shares[name])
            found = kernels.percentiles(grouped, self._starts, counts, np.array([shares[name] for name in names]))
            described.update({name: found[1:, k] for k, name in enumerate(names)})
        return {name: described[name] for name in statistics}

    def _flat(self, values: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[Any]:
        masked = np.ma.getmask(values)
        values = np.asarray(values)
        if values.shape != self.shape:
            raise LabelGridError(
                f"a band of shape {values.shape} does not lie on the label raster's grid {self.shape}",
                remedy="Make both on the region's grid",
            )
        exact = values.dtype in (np.dtype("float32"), np.dtype("float16")) or (
            np.issubdtype(values.dtype, np.integer) and values.dtype.itemsize <= 2
        )
        flat = np.ascontiguousarray(values, dtype=np.float32 if exact else np.float64).reshape(values.size)
        missing = np.zeros(1, dtype=np.bool_) if masked is np.ma.nomask else masked.reshape(values.size)
        if nodata is not None and not np.isnan(nodata):
            missing = missing | (values.reshape(values.size) == nodata)
        return np.where(missing, flat.dtype.type(np.nan), flat) if missing.any() else flat


def segment_statistics(
    labels: npt.NDArray[Any],
    bands: npt.NDArray[Any] | Iterable[npt.NDArray[Any]],
    statistics: Sequence[str] = ("mean", "std"),
    names: Sequence[str] | None = None,
    *,
    nodata: float | None = None,
) -> pa.Table:
    """Statistics of every band over every segment, one row per segment in ascending segment_id.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata.
    bands:
        (bands, rows, cols), or any iterable of (rows, cols) arrays; taken one at a time, so that a generator keeps
        memory at one band.
    statistics:
        Of "count" (pixels with a value), "sum", "mean", "std" (divisor n), "min", "max" and percentiles "p0" … "p100",
        in the order wanted.
    names:
        Name of each band in the column names `<name>_<statistic>`; default b1, b2, ….
    nodata:
        Value that marks missing pixels, beside NaN and the mask of a masked array.

    Returns
    -------
    Table with segment_id (uint32) and one float64 column per band and statistic (int64 for "count"). Null where a
    segment has no valid pixel; "count" is 0 there.

    Raises
    ------
    LabelGridError
        A band has another shape than the labels.
    StatisticError
        A statistic is unknown or none is given, or the names do not fit the bands.
    """
    if not statistics:
        raise StatisticError("no statistic was asked for", remedy=f"Give some of {', '.join(MOMENT_STATISTICS)}, p50")
    _percentile_shares(statistics)
    segments = SegmentPixels(labels)
    if names is not None and len(set(names)) != len(names):
        raise StatisticError(f"band names repeat: {', '.join(names)}", remedy="Give each band a name of its own")
    columns: dict[str, pa.Array] = {"segment_id": pa.array(segments.ids, pa.uint32())}
    n_bands = 0
    for band in bands:
        if names is not None and n_bands >= len(names):
            raise StatisticError(f"{len(names)} names for more bands", remedy="Give one name per band")
        name = f"b{n_bands + 1}" if names is None else names[n_bands]
        # Counted always: a sum of nothing is null, not 0.
        described = segments.describe(band, ["count", *(s for s in statistics if s != "count")], nodata=nodata)
        empty = described["count"] == 0
        for statistic in statistics:
            values = described[statistic]
            columns[f"{name}_{statistic}"] = (
                pa.array(values.astype(np.int64)) if statistic == "count" else pa.array(values, mask=empty)
            )
        n_bands += 1
    if names is not None and n_bands != len(names):
        raise StatisticError(f"{len(names)} names for {n_bands} bands", remedy="Give one name per band")
    return pa.table(columns)


def _percentile_shares(statistics: Sequence[str]) -> dict[str, float]:
    """Percentile statistics as shares 0..1; raises StatisticError on a name that is no statistic at all."""
    shares = {}
    for name in statistics:
        if name in MOMENT_STATISTICS:
            continue
        found = _PERCENTILE.fullmatch(name)
        if found is None or float(found[1]) > 100:
            raise StatisticError(
                f"there is no statistic {name!r}",
                remedy=f"Give some of {', '.join(MOMENT_STATISTICS)} and percentiles p0 … p100",
            )
        shares[name] = float(found[1]) / 100
    return shares


def _moment_statistics(table: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    count, origin = table[:, kernels.COUNT], table[:, kernels.ORIGIN]
    empty = count == 0
    divisor = np.where(empty, np.nan, count)
    shift = table[:, kernels.SUM] / divisor
    variance = table[:, kernels.SQUARES] / divisor - shift**2
    return {
        "count": count,
        "sum": table[:, kernels.SUM] + count * origin,
        "mean": origin + shift,
        "std": np.sqrt(np.maximum(variance, 0.0)),
        "min": np.where(empty, np.nan, table[:, kernels.LEAST]),
        "max": np.where(empty, np.nan, table[:, kernels.MOST]),
    }


def _dense(
    labels: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Segments that occur, their pixels, and the labels as 1..n (0 = nodata)."""
    highest = int(labels.max())
    if highest > 4 * labels.size:  # a tile of a large raster: a table of all numbers would dwarf the tile
        found, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        first = int(found[0] == 0)
        return found[first:], counts[first:].astype(np.int64), (inverse + 1 - first).astype(np.uint32)
    counts = kernels.pixel_counts(labels, highest)
    counts[0] = 0
    ids = np.flatnonzero(counts).astype(np.uint32)
    if len(ids) == highest:
        return ids, counts[1:], labels
    numbers = np.zeros(highest + 1, dtype=np.uint32)
    numbers[ids] = np.arange(1, len(ids) + 1, dtype=np.uint32)
    return ids, counts[ids], numbers[labels]
