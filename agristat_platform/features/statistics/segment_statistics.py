"""Statistics of bands over segments: which there are, and the table they come in.

Belongs here: describing any number of bands over a label raster that is held whole. Rasters read by strips are in
`segment_strips`, loops in `segment_kernels`; which layers become which features is in `segment_features`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.features.errors import LabelGridError, StatisticError
from agristat_platform.features.statistics.segment_strips import (
    MOMENT_STATISTICS,
    LayerStatistics,
    SegmentStrips,
    percentile_shares,
)


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
        strips = SegmentStrips.of_raster(labels)
        self.shape: tuple[int, int] = strips.shape
        self.ids, self.pixels = strips.ids, strips.pixels
        self._whole = next(strips.strips())

    @property
    def dense(self) -> npt.NDArray[np.uint32]:
        """(rows × cols,) numbers 1..n of the segments in the order of `ids`, 0 = nodata."""
        return self._whole.labels

    def describe(
        self,
        values: npt.NDArray[Any],
        statistics: Sequence[str],
        *,
        nodata: float | None = None,
        clear: npt.NDArray[np.bool_] | None = None,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Statistics of one band, (n,) float64 each in the order of `ids`; NaN where a segment has no value.

        NaN, `nodata`, masked pixels and those that are False in `clear` are left out.
        "std" divides by the count (a segment is a whole, no sample);
        percentiles ("p10", "p97.5") interpolate linearly between order statistics; "count" and "sum" are 0 for a
        segment without a value.

        Raises
        ------
        LabelGridError
            The band or the mask has another shape than the labels.
        StatisticError
            A statistic is unknown.
        """
        layer = LayerStatistics(len(self.ids), statistics)
        layer.add(self._whole, values, nodata=nodata, clear=clear)
        return layer.result()


def segment_statistics(
    labels: npt.NDArray[Any],
    bands: npt.NDArray[Any] | Iterable[npt.NDArray[Any]],
    statistics: Sequence[str] = ("mean", "std"),
    names: Sequence[str] | None = None,
    *,
    nodata: float | None = None,
    clear: npt.NDArray[np.bool_] | None = None,
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
    clear:
        (bands, rows, cols), or (rows, cols) for all bands, of booleans or of 0 and 1: False where a pixel was not clear
        and counts as missing; "count" is then the number of clear observations.

    Returns
    -------
    Table with segment_id (uint32) and one float64 column per band and statistic (int64 for "count"). Null where a
    segment has no valid pixel; "count" is 0 there.

    Raises
    ------
    LabelGridError
        A band or its mask has another shape than the labels, or there is not a mask for each band.
    StatisticError
        A statistic is unknown or none is given, the names do not fit the bands, or the mask holds other numbers than 0
        and 1.
    """
    if not statistics:
        raise StatisticError("no statistic was asked for", remedy=f"Give some of {', '.join(MOMENT_STATISTICS)}, p50")
    percentile_shares(statistics)
    if isinstance(bands, np.ndarray) and bands.ndim != 3:
        raise LabelGridError(
            f"bands of shape {bands.shape} are not (bands, rows, cols)", remedy="Give a single one as band[np.newaxis]"
        )
    if clear is not None:
        clear = _checked_mask(clear)
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
        mask = clear
        if clear is not None and clear.ndim == 3:
            if n_bands >= len(clear):
                raise LabelGridError(f"{len(clear)} masks for more bands", remedy="Give one per band, or one for all")
            mask = clear[n_bands]
        wanted = ["count", *(s for s in statistics if s != "count")]
        described = segments.describe(band, wanted, nodata=nodata, clear=mask)
        empty = described["count"] == 0
        for statistic in statistics:
            values = described[statistic]
            columns[f"{name}_{statistic}"] = (
                pa.array(values.astype(np.int64)) if statistic == "count" else pa.array(values, mask=empty)
            )
        n_bands += 1
    if names is not None and n_bands != len(names):
        raise StatisticError(f"{len(names)} names for {n_bands} bands", remedy="Give one name per band")
    if clear is not None and clear.ndim == 3 and len(clear) != n_bands:
        raise LabelGridError(f"{len(clear)} masks for {n_bands} bands", remedy="Give one per band, or one for all")
    return pa.table(columns)


def _checked_mask(clear: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    clear = np.asarray(clear)
    if clear.dtype.kind not in "bui" or (clear.dtype.kind != "b" and not np.isin(clear, (0, 1)).all()):
        raise StatisticError(
            f"the clear mask is of type {clear.dtype} and not of 0 and 1",
            remedy="Give True where a pixel was clear, for example share >= 0.5",
        )
    return clear.astype(np.bool_, copy=False)
