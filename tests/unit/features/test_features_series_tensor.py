"""The tensor of series: written by portions beside the table, read as an array, and what does not fit."""

import json
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import (
    TENSOR_INDICES,
    LayerTableError,
    TensorWriter,
    UnknownIndexError,
    observations_schema,
    read_tensor,
    read_tensors,
    tensor_channels,
    tensor_schema,
    write_series,
)
from agristat_platform.features.series import segment_observations
from agristat_platform.timeseries import SERIES_FLAGS, SeasonSeries, season_grid

DATES = [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]
GRID = season_grid(date(2024, 1, 1), date(2024, 7, 1))


def season_series(*rows):
    """Rows of three samples; None is a series with too few dates."""
    values = np.array([[np.nan] * 3 if row is None else row for row in rows], np.float32)
    few = np.array([row is None for row in rows])
    return SeasonSeries(
        values=values,
        clear_dates=np.where(few, 0, 9),
        too_few=few,
        smoothing=np.where(few, np.nan, 10.0),
        longest_gap_days=np.full(len(rows), 20),
        supported=~few[:, None] & np.array([True, True, False]),
    )


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "tensor.parquet"
    with TensorWriter(target, ["lwir11", "ndvi"], DATES) as writer:
        writer.take("ndvi", season_series([0.1, 0.2, 0.3], None))
        writer.take("lwir11", season_series([290, 295, 300], [280, 281, 282]))
        writer.write(np.array([2, 7], np.uint32))
        writer.take("lwir11", season_series(None))
        writer.take("ndvi", season_series([0.7, 0.8, 0.9]))
        writer.write(np.array([9], np.uint32))
    return target


def test_by_hand(path):
    tensor = read_tensor(path)
    assert tensor.ids.tolist() == [2, 7, 9]
    assert (tensor.channels, tensor.units, tensor.dates) == (("lwir11", "ndvi"), ("kelvin", "1"), tuple(DATES))
    assert tensor.values.shape == (3, 3, 2)
    assert tensor.values.dtype == np.float32
    assert tensor.values[0].T.tolist() == [[290, 295, 300], pytest.approx([0.1, 0.2, 0.3])]
    assert np.isnan(tensor.values[1, :, 1]).all()
    assert tensor.values[1, :, 0].tolist() == [280, 281, 282]
    assert tensor.supported[1].T.tolist() == [[True, True, False], [False, False, False]]
    assert tensor.too_few.tolist() == [[False, False], [False, True], [True, False]]
    assert [[SERIES_FLAGS[code] for code in row] for row in tensor.flags.tolist()][1] == ["long_gap", "too_few"]
    assert tensor.clear_dates.tolist() == [[9, 9], [9, 0], [0, 9]]


def test_missing_is_null_in_the_file_and_its_columns_say_what_they_are(path):
    table = pq.read_table(path)
    assert table["samples"][1].as_py() == [[280, None], [281, None], [282, None]]
    metadata = table.schema.field("samples").metadata
    assert json.loads(metadata[b"channels"]) == ["lwir11", "ndvi"]
    assert json.loads(metadata[b"units"]) == ["kelvin", "1"]
    assert json.loads(metadata[b"dates"]) == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert table.schema.field("flag").metadata[b"1"] == b"too_few"
    assert table.schema.equals(tensor_schema(["lwir11", "ndvi"], DATES))


def test_some_channels_in_another_order_and_portion_by_portion(path):
    whole = read_tensor(path)
    parts = list(read_tensors(path, ["ndvi"]))
    assert [part.ids.tolist() for part in parts] == [[2, 7], [9]]
    assert np.array_equal(np.concatenate([p.values for p in parts])[..., 0], whole.values[..., 1], equal_nan=True)
    turned = read_tensor(path, ["ndvi", "lwir11"])
    assert np.array_equal(turned.values, whole.values[..., ::-1], equal_nan=True)
    assert turned.units == ("1", "kelvin")
    assert turned.flags.tolist() == whole.flags[:, ::-1].tolist()


def write_observations(target, ids, names, days):
    rng = np.random.default_rng(3)
    schema = observations_schema(names)
    with pq.ParquetWriter(target, schema) as writer:
        for day in days:
            seen = ids[rng.random(len(ids)) < 0.6]
            columns = {
                "segment_id": seen,
                "date": [day] * len(seen),
                "collection": ["sentinel-2-l2a"] * len(seen),
                "platform": [""] * len(seen),
                "clear_pixels": [9] * len(seen),
                "clear_share": [1.0] * len(seen),
                "weight": [1.0] * len(seen),
                **{name: rng.random(len(seen)).astype(np.float32) for name in names},
            }
            table = pa.table({k: pa.array(v, schema.field(k).type) for k, v in columns.items()}, schema=schema)
            for first in range(0, len(ids), 4):
                part = table.filter(np.isin(table["segment_id"], ids[first : first + 4]))
                if part.num_rows:
                    writer.write_table(part)


def test_the_tensor_holds_what_the_table_of_series_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(segment_observations, "SEGMENTS_AT_ONCE", 4)
    ids, names = np.arange(3, 13, dtype=np.uint32), ["ndvi", "swir16", "evi"]
    days = [date(2023, 12, 20) + timedelta(days=25 * k) for k in range(9)]
    write_observations(tmp_path / "o.parquet", ids, names, days)
    told = []
    with TensorWriter(tmp_path / "tensor.parquet", ["swir16", "ndvi"], GRID.sample_dates.tolist()) as tensor:
        write_series(
            tmp_path / "o.parquet", ids, names, GRID, TimeSeriesSettings(), tmp_path / "s.parquet",
            tmp_path / "p.parquet", tensor=tensor, progress=told.append,
        )  # fmt: skip
    found, series = read_tensor(tmp_path / "tensor.parquet"), pq.read_table(tmp_path / "s.parquet")
    assert told == [4, 8, 10]
    assert found.ids.tolist() == ids.tolist()
    assert found.too_few.any()
    assert not found.too_few.all()
    rows = {(row["segment_id"], row["index"]): row for row in series.to_pylist()}
    for place, segment in enumerate(found.ids.tolist()):
        for number, name in enumerate(found.channels):
            row = rows[segment, name]
            expected = [np.nan] * 23 if row["samples"] is None else row["samples"]
            assert np.array_equal(found.values[place, :, number], np.array(expected, np.float32), equal_nan=True)
            assert found.supported[place, :, number].tolist() == row["supported"]
            assert SERIES_FLAGS[found.flags[place, number]] == row["flag"]
            assert found.clear_dates[place, number] == row["clear_dates"]


def test_a_season_is_23_by_8_in_the_order_of_the_tensor():
    assert tensor_channels(TimeSeriesSettings()) == TENSOR_INDICES
    assert len(TENSOR_INDICES) == 8
    assert TimeSeriesSettings().samples == 23
    assert tensor_channels(TimeSeriesSettings(indices=("ndti", "evi", "ndvi"))) == ("ndvi", "evi", "ndti")
    assert tensor_channels(TimeSeriesSettings(channels=("lwir11", "ndvi"))) == ("lwir11", "ndvi")


def test_bad_files_and_channels(path, tmp_path):
    with pytest.raises(UnknownIndexError, match="no channel gcvi") as raised:
        read_tensor(path, ["ndvi", "gcvi"])
    assert "lwir11, ndvi" in raised.value.remedy
    with pytest.raises(UnknownIndexError, match="none was asked for"):
        read_tensor(path, [])
    pq.write_table(pa.table({"segment_id": [1]}), tmp_path / "other.parquet")
    with pytest.raises(LayerTableError, match="no tensor of series"):
        read_tensor(tmp_path / "other.parquet")
    with pytest.raises(UnknownIndexError, match="B11"):
        tensor_schema(["B11"], DATES)


def test_a_portion_that_lacks_a_channel_is_refused_and_no_file_stays(tmp_path):
    target = tmp_path / "tensor.parquet"
    with TensorWriter(target, ["ndvi"], DATES) as writer:
        writer.take("ndvi", season_series(None))
        writer.write(np.array([1], np.uint32))
        with pytest.raises(ValueError, match="lacks ndvi"):  # that of the portion before does not count
            writer.write(np.array([2], np.uint32))
    assert target.exists()
    with pytest.raises(LayerTableError), TensorWriter(target, ["ndvi"], DATES):
        raise LayerTableError("something else went wrong")
    assert not target.exists()
