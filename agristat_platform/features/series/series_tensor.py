"""Series of segments as one array: (segments, samples, channels) for models that read curves, with what is missing as NaN.

Belongs here: the file `tensor.parquet`, its writing while series are smoothed and its reading. The curves are made in
`segment_series`, what a channel is in `series_channels`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.features.errors import LayerTableError, UnknownIndexError
from agristat_platform.features.series.row_group_files import RowGroupFile
from agristat_platform.features.series.series_channels import series_channel
from agristat_platform.timeseries import SERIES_FLAGS, SeasonSeries

_LISTS = ("samples", "supported", "flag", "clear_dates")
_COLUMNS = ("segment_id", *_LISTS)


@dataclass(frozen=True)
class SeriesTensor:
    """Curves of segments: what models of curves take.

    Attributes
    ----------
    ids: (segments,) uint32, ascending.
    channels: names along the last axis.
    units: of the channels.
    dates: of the samples.
    values: (segments, samples, channels) float32; NaN where the series is flagged `too_few` and has no values.
    supported: (segments, samples, channels) bool, a clear date lies near the sample; False where there is no value.
    flags: (segments, channels) uint8, positions in `timeseries.SERIES_FLAGS`.
    clear_dates: (segments, channels) int32, within the season.
    """

    ids: npt.NDArray[np.uint32]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    dates: tuple[date, ...]
    values: npt.NDArray[np.float32]
    supported: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.uint8]
    clear_dates: npt.NDArray[np.int32]

    @property
    def too_few(self) -> npt.NDArray[np.bool_]:
        """(segments, channels) the series has too few clear dates and is NaN throughout."""
        return np.asarray(self.flags == SERIES_FLAGS.index("too_few"))


def tensor_schema(channels: Sequence[str], dates: Sequence[date]) -> pa.Schema:
    """Columns of `tensor.parquet`: a row a segment, lists of samples × channels.

    The metadata of `samples` name channels, units and dates, each as JSON; those of `flag` the meaning of its codes.

    Raises
    ------
    UnknownIndexError
        A channel is no index and no band.
    """
    samples, width = len(dates), len(channels)
    described = {
        "shape": f"{samples} samples × {width} channels",
        "channels": json.dumps(list(channels)),
        "units": json.dumps([series_channel(name).unit for name in channels], ensure_ascii=False),
        "dates": json.dumps([str(day) for day in dates]),
    }
    return pa.schema(
        [
            pa.field("segment_id", pa.uint32(), nullable=False),
            pa.field("samples", pa.list_(pa.list_(pa.float32(), width), samples), nullable=False, metadata=described),
            pa.field(
                "supported",
                pa.list_(pa.list_(pa.bool_(), width), samples),
                nullable=False,
                metadata={"description": "a clear date lies near the sample"},
            ),
            pa.field(
                "flag",
                pa.list_(pa.uint8(), width),
                nullable=False,
                metadata={str(code): meaning for code, meaning in enumerate(SERIES_FLAGS)},
            ),
            pa.field(
                "clear_dates", pa.list_(pa.int32(), width), nullable=False, metadata={"unit": "days within the season"}
            ),
        ]
    )


class TensorWriter(RowGroupFile):
    """Writes `tensor.parquet`, a row group a portion of segments; memory is that of a portion.

    Use as a context manager; leaving it with an error leaves no file.

    Parameters
    ----------
    target:
        The file to write.
    channels:
        Along the last axis; at least one.
    dates:
        (samples,) dates of the samples.
    """

    def __init__(self, target: Path, channels: Sequence[str], dates: Sequence[date]) -> None:
        self.channels = tuple(channels)
        super().__init__(target, tensor_schema(self.channels, dates))
        self._taken: dict[str, SeasonSeries] = {}

    def take(self, channel: str, series: SeasonSeries) -> None:
        """Keep a channel's series of the portion."""
        self._taken[channel] = series

    def write(self, ids: npt.NDArray[np.uint32]) -> None:
        """Write the portion's segments, of which every channel has been taken."""
        lacking = [name for name in self.channels if name not in self._taken]
        if lacking:
            raise ValueError(f"the tensor lacks {', '.join(lacking)}")
        taken = [self._taken[name] for name in self.channels]
        values = np.stack([series.values for series in taken], axis=-1).astype(np.float32, copy=False)
        lists = {
            "samples": pa.array(values.reshape(-1), mask=np.isnan(values).reshape(-1)),
            "supported": pa.array(np.stack([series.supported for series in taken], axis=-1).reshape(-1)),
            "flag": pa.array(np.stack([series.flag for series in taken], axis=-1).reshape(-1)),
            "clear_dates": pa.array(
                np.stack([series.clear_dates for series in taken], axis=-1).astype(np.int32).reshape(-1)
            ),
        }
        arrays = [pa.array(ids, pa.uint32())]
        for name in _LISTS:
            arrays.append(_nested(lists[name], self._schema.field(name).type))
        self._add(pa.Table.from_arrays(arrays, schema=self._schema))
        self._taken = {}


def read_tensor(path: Path, channels: Sequence[str] | None = None) -> SeriesTensor:
    """The whole tensor; memory 5 bytes a segment, sample and channel, and while reading twice that. See `read_tensors`."""
    parts = list(read_tensors(path, channels))
    first = parts[0]
    return SeriesTensor(
        np.concatenate([part.ids for part in parts]),
        first.channels,
        first.units,
        first.dates,
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.supported for part in parts]),
        np.concatenate([part.flags for part in parts]),
        np.concatenate([part.clear_dates for part in parts]),
    )


def read_tensors(path: Path, channels: Sequence[str] | None = None) -> Iterator[SeriesTensor]:
    """The tensor portion by portion (at most 32,768 segments), so that a season of any size is read in bounded memory.

    Nothing is filled: a series with too few clear dates is NaN, and a sample without a clear date near it keeps the
    curve's value and is False in `supported`.

    Parameters
    ----------
    path:
        `tensor.parquet` of the asset `time_series`.
    channels:
        Which, in the order of the last axis; None: all, as the file has them.

    Raises
    ------
    LayerTableError
        The file is no tensor.
    UnknownIndexError
        The file lacks a channel.
    """
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        absent = [name for name in _COLUMNS if name not in schema.names]
        metadata = {} if absent else schema.field("samples").metadata or {}
        if absent or b"channels" not in metadata:
            raise LayerTableError(
                "the file is no tensor of series", where=str(path), remedy="Use tensor.parquet of time_series"
            )
        own, units, days = (json.loads(metadata[key]) for key in (b"channels", b"units", b"dates"))
        wanted = own if channels is None else list(channels)
        lacking = [name for name in wanted if name not in own]
        if lacking or not wanted:
            raise UnknownIndexError(
                f"the tensor has no channel {', '.join(lacking) or '(none was asked for)'}",
                where=str(path),
                remedy=f"Ask for some of {', '.join(own)}, or add it to time_series.channels",
            )
        order = [own.index(name) for name in wanted]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            shape = (table.num_rows, len(days), len(own))
            arrays = [_flat(table[name]).reshape(shape if name in _LISTS[:2] else shape[::2]) for name in _LISTS]
            if order != list(range(len(own))):
                arrays = [array[..., order] for array in arrays]
            yield SeriesTensor(
                table["segment_id"].to_numpy(),
                tuple(wanted),
                tuple(units[place] for place in order),
                tuple(date.fromisoformat(day) for day in days),
                *arrays,
            )


def _nested(flat: pa.Array, kind: pa.DataType) -> pa.Array:
    """Lists of one length, or lists of lists, of flat values in C order."""
    inner = kind.value_type
    return pa.FixedSizeListArray.from_arrays(
        _nested(flat, inner) if pa.types.is_fixed_size_list(inner) else flat, type=kind
    )


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """All values of a column of lists without null lists, in C order; null values are NaN."""
    array = column.combine_chunks()
    while pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False))
