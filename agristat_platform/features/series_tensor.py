"""Series of segments as one array: (segments, samples, indices) for models that read curves, with what is flagged as NaN.

Belongs here: the array and its flags, from the table of series. The curves are made in `segment_series`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.features.errors import LayerTableError, SegmentMismatchError, UnknownIndexError

TENSOR_INDICES = ("ndvi", "evi", "ndwi", "gcvi", "lai", "tc_wetness", "tc_greenness", "tc_brightness")
"""The eight indices of the tensor; with 23 samples of a season it is 23 × 8."""

_COLUMNS = ("segment_id", "index", "samples", "too_few", "supported", "flag", "clear_dates")


@dataclass(frozen=True)
class SeriesTensor:
    """Curves of segments.

    Attributes
    ----------
    ids: (segments,) uint32, ascending.
    indices: names along the last axis.
    values: (segments, samples, indices) float32; NaN where the series is flagged and has no values.
    too_few: (segments, indices) bool, the series has too few clear dates and is NaN throughout.
    supported: (segments, samples, indices) bool, a clear date lies near the sample.
    flags: (segments, indices) str, `timeseries.SERIES_FLAGS`.
    clear_dates: (segments, indices) int32, within the season.
    """

    ids: npt.NDArray[np.uint32]
    indices: tuple[str, ...]
    values: npt.NDArray[np.float32]
    too_few: npt.NDArray[np.bool_]
    supported: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.str_]
    clear_dates: npt.NDArray[np.int32]


def series_tensor(series: pa.Table, indices: Sequence[str] = TENSOR_INDICES) -> SeriesTensor:
    """The table of series as an array.

    Nothing is filled: a series flagged for too few clear dates is NaN, and a sample without a clear date near it keeps the
    curve's value and is False in `supported`.

    Parameters
    ----------
    series:
        `series_schema(samples)`, as the asset `time_series` writes it; rows in any order.
    indices:
        Which, in the order of the last axis.

    Raises
    ------
    LayerTableError
        The table lacks a column, is empty, or has a segment twice for an index.
    UnknownIndexError
        An index has no series in the table.
    SegmentMismatchError
        Indices have different segments.
    """
    absent = [name for name in _COLUMNS if name not in series.column_names]
    if absent:
        raise LayerTableError(
            f"the table of series has no column {', '.join(absent)}", remedy="Use the series of time_series"
        )
    if series.num_rows == 0 or not indices:
        raise LayerTableError(
            "there are no series to put into a tensor", remedy="Check time_series and the indices asked for"
        )
    have = sorted(pc.unique(series["index"]).to_pylist())
    lacking = [name for name in indices if name not in have]
    if lacking:
        raise UnknownIndexError(
            f"no series of {', '.join(lacking)}", remedy=f"Ask for some of {', '.join(have)}, or add it to time_series"
        )
    ids = np.unique(series["segment_id"].to_numpy())
    samples = series.schema.field("samples").type.list_size
    shape = (len(ids), samples, len(indices))
    tensor = SeriesTensor(
        ids,
        tuple(indices),
        np.full(shape, np.nan, np.float32),
        np.ones((len(ids), len(indices)), np.bool_),
        np.zeros(shape, np.bool_),
        np.empty((len(ids), len(indices)), "U16"),
        np.zeros((len(ids), len(indices)), np.int32),
    )
    for number, name in enumerate(indices):
        own = series.filter(pc.equal(series["index"], name)).combine_chunks()
        places = _places(own, ids, name)
        tensor.values[places, :, number] = _lists(own["samples"], np.nan, samples)
        tensor.supported[places, :, number] = _lists(own["supported"], False, samples)
        tensor.too_few[places, number] = own["too_few"].to_numpy()
        tensor.values[tensor.too_few[:, number], :, number] = np.nan
        tensor.flags[places, number] = own["flag"].to_pylist()
        tensor.clear_dates[places, number] = own["clear_dates"].to_numpy()
    return tensor


def _places(own: pa.Table, ids: npt.NDArray[np.uint32], name: str) -> npt.NDArray[np.intp]:
    found = own["segment_id"].to_numpy()
    places = np.searchsorted(ids, found)
    if len(np.unique(found)) != len(found):
        raise LayerTableError(f"a segment has two series of {name}", remedy="Use the series of one season")
    if len(found) != len(ids):
        raise SegmentMismatchError(
            f"{len(found)} of {len(ids)} segments have a series of {name}",
            remedy="Materialise time_series for the current segments",
        )
    return places


def _lists(column: pa.ChunkedArray, missing: float | bool, samples: int) -> npt.NDArray[Any]:
    """(rows, samples) of a column of lists of one length; `missing` in the rows that are null."""
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    flat = column.drop_null().combine_chunks()
    values = pc.list_flatten(flat).to_numpy(zero_copy_only=False)
    dtype = np.float32 if isinstance(missing, float) else np.bool_
    filled: npt.NDArray[Any] = np.full((len(column), samples), missing, dtype)
    filled[rows] = values.reshape(len(rows), samples)
    return filled
