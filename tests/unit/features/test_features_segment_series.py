"""Series of segments from a table of observations: samples, flags, gaps, phenology, and portions."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import observations_schema, series_schema, write_series
from agristat_platform.features.series import segment_observations
from agristat_platform.timeseries import PHENOLOGY_SCHEMA, season_grid, smooth_to_grid

START, END = date(2024, 1, 1), date(2024, 7, 1)
GRID = season_grid(START, END)
IDS = np.array([2, 3, 5], np.uint32)
DAYS = [START + timedelta(days=k) for k in range(-24, 206, 10)]
SETTINGS = TimeSeriesSettings(indices=("ndvi", "ndwi"))


def curve(day):
    """Bare until March, green in April, bare again in June."""
    return 0.2 + 0.6 * np.exp(-(((day - date(2024, 4, 5)).days / 45) ** 2))


def write_observations(path, portion=None):
    """Segment 2 in full, 3 on four dates, 5 never; segment 2 with a cloudy outlier of weight 0."""
    schema = observations_schema(["ndvi", "ndwi"])
    with pq.ParquetWriter(path, schema) as writer:
        for number, day in enumerate(DAYS):
            seen = [2, 3] if number in (5, 9, 12, 15) else [2]
            cloudy = number == 7
            columns = {
                "segment_id": seen,
                "date": [day] * len(seen),
                "collection": ["sentinel-2-l2a"] * len(seen),
                "platform": [""] * len(seen),
                "clear_pixels": [10] * len(seen),
                "clear_share": [0.2 if cloudy else 1.0] * len(seen),
                "weight": [0.0 if cloudy else 1.0] * len(seen),
                "ndvi": [-0.9 if cloudy else curve(day)] * len(seen),
                "ndwi": [None if number < 18 else 0.1] * len(seen),
            }
            table = pa.table({k: pa.array(v, schema.field(k).type) for k, v in columns.items()}, schema=schema)
            for first in range(0, len(seen), portion or len(seen)):
                writer.write_table(table.slice(first, portion or len(seen)))


@pytest.fixture
def written(tmp_path):
    write_observations(tmp_path / "o.parquet")
    paths = tmp_path / "series.parquet", tmp_path / "phenology.parquet"
    summary = write_series(tmp_path / "o.parquet", IDS, ["ndvi", "ndwi"], GRID, SETTINGS, *paths)
    return summary, *(pq.read_table(path) for path in paths)


def test_every_segment_has_a_series_of_every_index(written):
    _, series, _ = written
    assert series.schema.equals(series_schema(23))
    assert sorted(zip(series["segment_id"].to_pylist(), series["index"].to_pylist(), strict=True)) == [
        (segment, index) for segment in (2, 3, 5) for index in ("ndvi", "ndwi")
    ]


def test_samples_are_the_smoothed_observations_and_weight_zero_does_not_count(written):
    _, series, _ = written
    row = next(row for row in series.to_pylist() if (row["segment_id"], row["index"]) == (2, "ndvi"))
    kept = [day for day in DAYS if day != DAYS[7]]
    expected = smooth_to_grid(kept, np.array([[curve(day) for day in kept]], np.float32), None, GRID).values[0]
    assert np.allclose(row["samples"], expected, atol=1e-6)
    assert np.abs(np.array(row["samples"]) - [curve(day.astype(date)) for day in GRID.sample_dates]).max() < 0.08
    assert row["clear_dates"] == sum(START <= day < END for day in kept)
    assert row["too_few"] is False
    assert row["smoothing"] == 10.0
    assert row["longest_gap_days"] == 20  # around the cloudy date
    assert row["flag"] == "ok"
    assert all(row["supported"])


def test_too_few_clear_dates_are_flagged_and_nothing_is_invented(written):
    summary, series, phenology = written
    rows = {(row["segment_id"], row["index"]): row for row in series.to_pylist()}
    for key, dates, gap in (((3, "ndvi"), 4, 56), ((5, "ndvi"), 0, 181), ((2, "ndwi"), 3, 156)):
        row = rows[key]
        assert row["too_few"] is True
        assert row["samples"] is None
        assert row["smoothing"] is None
        assert row["clear_dates"] == dates
        assert row["flag"] == "too_few"
        assert not any(row["supported"])
        assert row["longest_gap_days"] == pytest.approx(gap, abs=1)
    assert summary.flagged == {"ndvi": 2, "ndwi": 3}
    assert summary.flagged_share == pytest.approx(5 / 6)
    seasons = {row["segment_id"]: row for row in phenology.to_pylist()}
    assert {row["flag"] for segment, row in seasons.items() if segment != 2} == {"no_data"}
    assert seasons[5]["peak_day"] is None


def test_phenology_of_greenness_only(written):
    _, _, phenology = written
    assert phenology.schema.equals(PHENOLOGY_SCHEMA)
    assert set(phenology["index"].to_pylist()) == {"ndvi"}
    row = phenology.to_pylist()[0]
    assert row["flag"] == "ok"
    assert row["peak_day"] == pytest.approx((date(2024, 4, 5) - START).days, abs=5)
    assert row["start_day"] < row["peak_day"] < row["end_day"]


def test_portions_change_no_value(tmp_path, monkeypatch, written):
    _, series, phenology = written
    monkeypatch.setattr(segment_observations, "SEGMENTS_AT_ONCE", 1)
    write_observations(tmp_path / "p.parquet", portion=1)
    paths = tmp_path / "s1.parquet", tmp_path / "p1.parquet"
    summary = write_series(tmp_path / "p.parquet", IDS, ["ndvi", "ndwi"], GRID, SETTINGS, *paths)
    assert summary.flagged == {"ndvi": 2, "ndwi": 3}
    for before, path in ((series, paths[0]), (phenology, paths[1])):
        by = [("index", "ascending"), ("segment_id", "ascending")]
        assert pq.read_table(path).sort_by(by).equals(before.sort_by(by))


def test_implausible_samples_are_counted(tmp_path):
    write_observations(tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet")
    wrong = table.set_column(
        table.schema.get_field_index("ndvi"),
        table.schema.field("ndvi"),
        pa.array(table["ndvi"].to_numpy() * 3, pa.float32()),
    )
    with pq.ParquetWriter(tmp_path / "w.parquet", table.schema) as writer:
        for day in DAYS:
            writer.write_table(wrong.filter(pa.compute.equal(wrong["date"], pa.scalar(day))))
    paths = tmp_path / "s.parquet", tmp_path / "p.parquet"
    summary = write_series(tmp_path / "w.parquet", IDS, ["ndvi", "ndwi"], GRID, SETTINGS, *paths)
    assert summary.implausible == {"ndvi": 1, "ndwi": 0}


def test_a_season_that_is_all_cloud_flags_everything(tmp_path):
    with pq.ParquetWriter(tmp_path / "o.parquet", observations_schema(["ndvi"])):
        pass
    paths = tmp_path / "s.parquet", tmp_path / "p.parquet"
    summary = write_series(tmp_path / "o.parquet", IDS, ["ndvi"], GRID, SETTINGS, *paths)
    assert summary.flagged_share == 1.0
    assert pq.read_table(paths[0])["samples"].null_count == 3
