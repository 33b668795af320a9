"""Columns that series add to the features, their dictionary, and the picture of a few series."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.features import (
    DICTIONARY_SCHEMA,
    SegmentMismatchError,
    SeriesExample,
    series_png,
    series_schema,
    with_series_features,
)
from agristat_platform.timeseries import PHENOLOGY_SCHEMA, season_grid

GRID = season_grid(date(2024, 1, 1), date(2024, 7, 1))
FEATURES = pa.table({"segment_id": pa.array([9, 4], pa.uint32()), "area_ha": pa.array([1.0, 2.0], pa.float32())})
DICTIONARY = pa.table(
    [["area_ha"], ["segments"], ["area_ha"], [None], [None], ["pixels × pixel area"], ["ha"]], schema=DICTIONARY_SCHEMA
)


def series_of(*ids, index="ndvi"):
    rows = [
        {
            "segment_id": i,
            "index": index,
            "samples": None if i == 9 else [0.5] * 23,
            "clear_dates": 2 if i == 9 else 11,
            "too_few": i == 9,
            "longest_gap_days": 90 if i == 9 else 20,
            "supported": [i != 9] * 23,
            "flag": "too_few" if i == 9 else "ok",
            "smoothing": None if i == 9 else 30.0,
        }
        for i in ids
    ]
    return pa.Table.from_pylist(rows, schema=series_schema(23))


def phenology_of(*ids):
    known = {"start_day": 40.0, "peak_day": 90.0, "end_day": None, "length_days": None, "amplitude": 0.6}
    rows = [
        {"segment_id": i, "index": "ndvi", "flag": "no_data" if i == 9 else "up_at_end", **({} if i == 9 else known)}
        for i in ids
    ]
    return pa.Table.from_pylist(rows, schema=PHENOLOGY_SCHEMA)


def test_flags_and_phenology_go_to_the_right_segment_and_the_unknown_stays_null():
    table, dictionary = with_series_features(FEATURES, DICTIONARY, series_of(4, 9), phenology_of(4, 9))
    nine, four = table.to_pylist()
    assert (nine["segment_id"], nine["area_ha"]) == (9, 1.0)
    assert (nine["series_clear_dates"], nine["series_too_few"], nine["series_longest_gap_days"]) == (2.0, 1.0, 90.0)
    assert {nine[name] for name in nine if name.startswith("ndvi_season_")} == {None}
    assert (four["series_clear_dates"], four["series_too_few"]) == (11.0, 0.0)
    assert (four["ndvi_season_start_day"], four["ndvi_season_peak_day"]) == (40.0, 90.0)
    assert four["ndvi_season_end_day"] is None
    assert four["ndvi_season_amplitude"] == pytest.approx(0.6)
    assert {str(table.schema.field(name).type) for name in table.column_names[1:]} == {"float"}
    assert dictionary.schema.equals(DICTIONARY_SCHEMA)
    assert dictionary["name"].to_pylist() == table.column_names[1:]
    assert set(dictionary["source"].to_pylist()) == {"segments", "time_series"}
    assert "ndvi" in table.schema.field("ndvi_season_peak_day").metadata[b"formula"].decode()


def test_an_index_without_series_adds_nothing():
    table, dictionary = with_series_features(FEATURES, DICTIONARY, series_of(4, 9, index="evi"), phenology_of())
    assert table is FEATURES
    assert dictionary is DICTIONARY


@pytest.mark.parametrize("ids", [(4,), (4, 7), (4, 9, 11)])
def test_series_of_other_segments_are_refused(ids):
    with pytest.raises(SegmentMismatchError, match=f"2 segments, the series {len(ids)}"):
        with_series_features(FEATURES, DICTIONARY, series_of(*ids), phenology_of(*ids))


def test_the_picture_is_the_same_every_time_and_shows_flags():
    days = np.arange("2023-12-10", "2024-07-20", 10, dtype="datetime64[D]")
    values = np.linspace(0.2, 0.8, len(days)).astype(np.float32)
    weights = np.where(np.arange(len(days)) % 4 == 0, 0, 1).astype(np.float32)
    fine = SeriesExample(3, "ndvi", days, values, weights, np.full(23, 0.5, np.float32), 12, 20, False)
    flagged = SeriesExample(
        5, "ndvi", days, values, weights * 0, np.full(23, np.nan, np.float32), 0, 181, True, "too_few"
    )
    picture = series_png([fine, flagged], GRID, simulated=True)
    assert picture.startswith(b"\x89PNG")
    assert picture == series_png([fine, flagged], GRID, simulated=True)
    assert picture != series_png([fine], GRID)
    assert series_png([], GRID).startswith(b"\x89PNG")
