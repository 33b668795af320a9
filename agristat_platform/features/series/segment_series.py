"""Season series of segments: curves through the observations at even positions, flags where there are too few, phenology.

Belongs here: going from the table of observations to the tables of series and phenology, so many segments at a time. The
mathematics are in `timeseries`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features.series.observation_portions import read_observations
from agristat_platform.features.series.series_channels import BAND_CHANNELS, is_thermal
from agristat_platform.features.series.series_tensor import TensorWriter
from agristat_platform.timeseries import (
    MAX_GAP_DAYS,
    PHENOLOGY_SCHEMA,
    SERIES_FLAGS,
    SeasonGrid,
    SeasonSeries,
    phenology,
    phenology_table,
    smooth_to_grid,
)

GREENNESS = {
    "ndvi": 0.1, "evi": 0.1, "msavi2": 0.1, "gcvi": 0.5, "lai": 0.35, "tc_greenness": 0.05, "ndre": 0.08, "cire": 0.4,
    "ireci": 0.15,
}  # fmt: skip
"""Indices that rise with green leaves, which have an envelope and a phenology, and the amplitude that makes a season."""

ENVELOPE = 0.9
"""Asymmetry of the upper envelope: what lies above the curve counts nine times what lies below."""

PLAUSIBLE = {"evi": (-1.0, 1.5), "gcvi": (-1.0, 30.0), "lai": (-1.0, 10.0), "cire": (-1.0, 20.0), "mtci": (-5.0, 15.0),
             "ireci": (-1.0, 5.0), "s2rep": (690.0, 760.0), "psri": (-1.5, 1.5), "tc_brightness": (0.0, 2.5)}  # fmt: skip
"""Range of an index on land; −1 to 1 where nothing else is said."""
REFLECTANCE_RANGE, KELVIN_RANGE = (0.0, 1.0), (220.0, 350.0)
"""Of bands that have a series of their own; no land surface has been seen above 350 K (Mildrexler et al. 2011: 344 K)."""


def plausible_range(index: str) -> tuple[float, float]:
    """Least and greatest value that a smoothed index or band can have on land."""
    if index in BAND_CHANNELS:
        return KELVIN_RANGE if is_thermal(index) else REFLECTANCE_RANGE
    return PLAUSIBLE.get(index, (-1.0, 1.0))


def series_schema(samples: int) -> pa.Schema:
    """Columns of the table of series: one row per segment and index."""
    return pa.schema(
        [
            pa.field("segment_id", pa.uint32(), nullable=False),
            pa.field("index", pa.string(), nullable=False),
            pa.field(
                "samples",
                pa.list_(pa.float32(), samples),
                metadata={"unit": "index", "description": "even positions from the season's first to its last day"},
            ),
            pa.field("clear_dates", pa.int32(), nullable=False, metadata={"unit": "days within the season"}),
            pa.field("too_few", pa.bool_(), nullable=False),
            pa.field("longest_gap_days", pa.int32(), nullable=False, metadata={"unit": "day"}),
            pa.field(
                "supported",
                pa.list_(pa.bool_(), samples),
                nullable=False,
                metadata={"description": f"a clear date lies within {MAX_GAP_DAYS / 2:.0f} days of the sample"},
            ),
            pa.field("flag", pa.string(), nullable=False, metadata={"description": ", ".join(SERIES_FLAGS)}),
            pa.field("smoothing", pa.float32(), metadata={"description": "λ of the Whittaker smoother"}),
        ]
    )


@dataclass(frozen=True)
class SeriesExample:
    """One segment's observations of an index with the curve through them, for a picture."""

    segment_id: int
    index: str
    days: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    samples: npt.NDArray[np.float32]
    clear_dates: int
    longest_gap_days: int
    too_few: bool
    flag: str = "ok"


@dataclass
class SeriesSummary:
    """What was written: how many series have too few dates, a long gap, or implausible samples, by index; and examples."""

    segments: int
    flagged: dict[str, int]
    with_long_gap: dict[str, int]
    implausible: dict[str, int]
    examples: list[SeriesExample] = field(default_factory=list)

    @property
    def flagged_share(self) -> float:
        """Share of all series that are flagged and have no values."""
        return sum(self.flagged.values()) / max(1, self.segments * len(self.flagged))

    @property
    def implausible_share(self) -> float:
        """Share of all series with a sample outside the index's plausible range."""
        return sum(self.implausible.values()) / max(1, self.segments * len(self.implausible))


def write_series(
    observations: Path,
    segment_ids: npt.NDArray[np.uint32],
    indices: Sequence[str],
    grid: SeasonGrid,
    settings: TimeSeriesSettings,
    series_target: Path,
    phenology_target: Path,
    tensor: TensorWriter | None = None,
    progress: Callable[[int], None] | None = None,
) -> SeriesSummary:
    """Smooth the observations of every segment and index, and write the tables as Parquet.

    An observation counts with its `weight`; the value of one with weight 0 does not matter. A series with fewer clear
    dates than `settings.min_clear_dates` has no samples and no phenology, and says so. Memory is that of one portion of
    segments, whatever their number.

    Parameters
    ----------
    observations:
        File of `ObservationWriter`.
    segment_ids:
        (n,) ascending: every one gets a row per index, whether it was ever seen or not.
    series_target, phenology_target:
        Files to write: `series_schema(settings.samples)`, and `timeseries.PHENOLOGY_SCHEMA` for the indices of `GREENNESS`.
    tensor:
        Opened; gets the series of its channels, which are among `indices`.
    progress:
        Told after each portion how many segments are done.
    """
    schema = series_schema(settings.samples)
    none = dict.fromkeys(indices, 0)
    summary = SeriesSummary(len(segment_ids), none, dict(none), dict(none))
    with (
        pq.ParquetWriter(series_target, schema, compression="zstd") as series_file,
        pq.ParquetWriter(phenology_target, PHENOLOGY_SCHEMA, compression="zstd") as phenology_file,
    ):
        for portion in read_observations(observations, segment_ids):
            ids = segment_ids[portion.part]
            weights = portion.column("weight", 0.0)
            for index in indices:
                values = portion.column(index, np.nan)
                used = np.where(np.isnan(values), np.float32(0), weights)
                smoothed = smooth_to_grid(
                    portion.days,
                    values,
                    used,
                    grid,
                    smoothing=settings.smoothing,
                    envelope=ENVELOPE if settings.envelope and index in GREENNESS else None,
                    min_clear_dates=settings.min_clear_dates,
                    max_gap_days=settings.max_gap_days,
                )
                series_file.write_table(_series_table(ids, index, smoothed, schema))
                if tensor is not None and index in tensor.channels:
                    tensor.take(index, smoothed)
                if index in GREENNESS:
                    found = phenology(smoothed.values, grid.sample_days, min_amplitude=GREENNESS[index])
                    phenology_file.write_table(phenology_table(found, ids, index))
                _count(summary, index, smoothed)
                if not summary.examples:
                    summary.examples = _examples(ids, index, portion.days, values, used, smoothed)
            if tensor is not None:
                tensor.write(ids)
            if progress is not None:
                progress(portion.part.stop)
    return summary


def _series_table(ids: npt.NDArray[np.uint32], index: str, smoothed: SeasonSeries, schema: pa.Schema) -> pa.Table:
    samples = schema.field("samples").type
    flat = pa.array(smoothed.values.astype(np.float32).reshape(-1), pa.float32())
    columns = {
        "segment_id": pa.array(ids, pa.uint32()),
        "index": pa.array([index] * len(ids), pa.string()),
        "samples": pa.FixedSizeListArray.from_arrays(flat, type=samples, mask=pa.array(smoothed.too_few)),
        "clear_dates": pa.array(smoothed.clear_dates.astype(np.int32)),
        "too_few": pa.array(smoothed.too_few),
        "longest_gap_days": pa.array(smoothed.longest_gap_days.astype(np.int32)),
        "supported": pa.FixedSizeListArray.from_arrays(
            pa.array(smoothed.supported.reshape(-1)), type=schema.field("supported").type
        ),
        "flag": pa.array(np.array(SERIES_FLAGS)[smoothed.flag], pa.string()),
        "smoothing": pa.array(smoothed.smoothing.astype(np.float32), mask=np.isnan(smoothed.smoothing)),
    }
    return pa.table(columns, schema=schema)


def _count(summary: SeriesSummary, index: str, smoothed: SeasonSeries) -> None:
    low, high = plausible_range(index)
    with np.errstate(invalid="ignore"):
        outside = ((smoothed.values < low) | (smoothed.values > high)).any(axis=1)
    summary.flagged[index] += smoothed.too_few_count
    summary.with_long_gap[index] += int((smoothed.flag == SERIES_FLAGS.index("long_gap")).sum())
    summary.implausible[index] += int(outside.sum())


def _examples(
    ids: npt.NDArray[np.uint32],
    index: str,
    days: npt.NDArray[np.datetime64],
    values: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32],
    smoothed: SeasonSeries,
) -> list[SeriesExample]:
    """A strong, a middling and a flat season, the longest gap, and a flagged segment where there is one."""
    swing = np.ptp(smoothed.values, axis=1)
    usable = np.flatnonzero(~smoothed.too_few)
    by_swing = usable[np.argsort(swing[usable], kind="stable")]
    places = [by_swing[at] for at in (-1, len(by_swing) // 2, 0)] if len(by_swing) else []
    if len(usable):
        places.append(usable[np.argmax(smoothed.longest_gap_days[usable])])
    places.extend(np.flatnonzero(smoothed.too_few)[:1])
    return [
        SeriesExample(
            int(ids[p]),
            index,
            days,
            values[p],
            weights[p],
            smoothed.values[p],
            int(smoothed.clear_dates[p]),
            int(smoothed.longest_gap_days[p]),
            bool(smoothed.too_few[p]),
            SERIES_FLAGS[smoothed.flag[p]],
        )
        for p in dict.fromkeys(int(place) for place in places)
    ]


def season_span(grid: SeasonGrid) -> tuple[date, date]:
    """First and last day of a season with its padding."""
    return grid.nodes[0].astype(date), grid.nodes[-1].astype(date)
