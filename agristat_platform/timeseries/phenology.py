"""When a smoothed series greens up, peaks and comes down again, and how much it holds in between.

Belongs here: seasonality of regular, gap-free series by thresholds of the seasonal amplitude. Smoothing doesn't.

Source: Jönsson & Eklundh 2004, "TIMESAT – a program for analyzing time-series of satellite sensor data", Computers &
Geosciences 30(8), 833–845: start and end where a side of the season has risen from its minimum by a share of the distance
to the peak, base as the mean of both minima, small and large integral. TIMESAT reads several years; one season has ends, so
that a side that the season cuts off is recognised and left unknown here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.timeseries.cycles import measure_cycles
from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError

PHENOLOGY_FLAGS = ("ok", "no_data", "no_season", "up_at_start", "up_at_end", "up_at_both")
"""Meaning of the codes in `Phenology.flag`, by position."""

_DAY = {"unit": "day since the season's first day"}
_LENGTH = {"unit": "day"}
_INDEX = {"unit": "index"}
_AREA = {"unit": "index x day"}

PHENOLOGY_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("index", pa.string(), nullable=False),
        pa.field("start_day", pa.float32(), metadata=_DAY),
        pa.field("peak_day", pa.float32(), metadata=_DAY),
        pa.field("end_day", pa.float32(), metadata=_DAY),
        pa.field("length_days", pa.float32(), metadata=_LENGTH),
        pa.field("amplitude", pa.float32(), metadata=_INDEX),
        pa.field("integral", pa.float32(), metadata=_AREA),
        pa.field("integral_above_zero", pa.float32(), metadata=_AREA),
        pa.field("base", pa.float32(), metadata=_INDEX),
        pa.field("peak_value", pa.float32(), metadata=_INDEX),
        pa.field("cycles", pa.int16()),
        pa.field("flag", pa.string(), nullable=False),
    ]
)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Phenology:
    """Seasonality of each series' largest cycle; every array is (n_series,), NaN where unknown.

    Attributes
    ----------
    start_day, end_day:
        Days on which the curve rises above and falls below its threshold, from the season's first day, between samples by
        straight lines. NaN where the season cuts that side off.
    peak_day:
        Day of the highest value, the middle of a level top. NaN where it lies on an end of the series: the real peak is
        outside.
    length_days:
        end_day − start_day.
    amplitude:
        peak_value − base. A lower bound where the flag says that a side is cut off.
    integral:
        Area between curve and base from start to end (TIMESAT's small integral), index × days.
    integral_above_zero:
        Area between curve and zero from start to end (TIMESAT's large integral), index × days; parts below zero count
        negative.
    base:
        Mean of the minima before and after the peak; of the known one where a side is cut off.
    peak_value:
        The highest value.
    cycles:
        int16, rises and falls in the series, those cut off by its ends included; 0 without season, −1 without data.
    flag:
        uint8, position in `PHENOLOGY_FLAGS`: 0 ok; 1 no_data, a sample is missing and everything unknown; 2 no_season,
        amplitude (given with base and peak_value) below the minimum; 3 up_at_start, 4 up_at_end, 5 up_at_both: the
        curve's lower side before, after or on both sides of the peak is not in the series.
    """

    start_day: Doubles
    peak_day: Doubles
    end_day: Doubles
    length_days: Doubles
    amplitude: Doubles
    integral: Doubles
    integral_above_zero: Doubles
    base: Doubles
    peak_value: Doubles
    cycles: npt.NDArray[np.int16]
    flag: npt.NDArray[np.uint8]

    @property
    def flag_names(self) -> npt.NDArray[np.str_]:
        """(n_series,) the flags as words."""
        return np.array(PHENOLOGY_FLAGS)[self.flag]


def phenology(
    samples: npt.NDArray[Any],
    sample_days: npt.ArrayLike,
    *,
    threshold: float = 0.2,
    min_amplitude: float = 0.1,
    cycle_share: float = 0.25,
) -> Phenology:
    """Start, peak and end of the largest cycle of each smooth series.

    The cycle is bounded by the lowest samples between it and its neighbours, or by the ends of the series. Start is the
    last day before the peak on which the curve rises through left minimum + threshold × (peak − left minimum), the end
    likewise after it. A side without neighbour counts as seen only where the curve comes as low as the threshold above the
    lower of both minima; where the other side is not seen, also only where the curve stays low for longer than a straight
    slope over the whole side would (twice the threshold's share of it). Else its day is NaN and the flag says so.

    Parameters
    ----------
    samples:
        (n_series, n_samples) smooth values without gaps, as `SeasonSeries.values`; a series with a NaN is flagged
        no_data.
    sample_days:
        (n_samples,) increasing days since the season's first day, as `SeasonGrid.sample_days`.
    threshold:
        Share of the distance from minimum to peak, above 0 and below 0.5.
    min_amplitude:
        Least difference between highest and lowest sample that makes a season, > 0, in units of the index. 0.1 suits NDVI
        and EVI; indices of another range need their own.
    cycle_share:
        A peak is a cycle of its own if it stands so far above the valley that parts it from higher ones: this share of the
        series' whole range, and at least min_amplitude. The largest by its height over its lower valley is taken; one
        whose peak lies on an end of the series only if none inside has half its height.

    Raises
    ------
    SeriesShapeError
        Samples that are no matrix, days that do not fit, fewer than three samples.
    SeriesValueError
        Days that do not increase, infinite samples, an argument outside its range.
    """
    values = np.asarray(samples)
    days = np.asarray(sample_days, dtype=np.float64)
    _check(values, days)
    for name, given, within in (
        ("threshold", threshold, 0 < threshold < 0.5),
        ("min_amplitude", min_amplitude, 0 < min_amplitude < np.inf),
        ("cycle_share", cycle_share, 0 < cycle_share <= 1),
    ):
        if not within:
            span = {"threshold": "above 0 and below 0.5", "min_amplitude": "> 0", "cycle_share": "above 0, at most 1"}
            raise SeriesValueError(f"{name} is {given}", remedy=f"Give a number {span[name]}")
    measured = np.full((9, len(values)), np.nan)
    cycles, flag = np.empty(len(values), np.int16), np.empty(len(values), np.uint8)
    kept = np.ascontiguousarray(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)
    measure_cycles(kept, days, float(threshold), float(min_amplitude), float(cycle_share), measured, cycles, flag)
    start, peak, end, length, amplitude, above_base, above_zero, base, highest = measured
    return Phenology(start, peak, end, length, amplitude, above_base, above_zero, base, highest, cycles, flag)


def phenology_table(found: Phenology, segment_ids: npt.ArrayLike, index: str) -> pa.Table:
    """Phenology of one index as a table of `PHENOLOGY_SCHEMA`, unknown days and amounts null.

    Parameters
    ----------
    found:
        Result of `phenology` for the segments.
    segment_ids:
        (n_series,) of the same order.
    index:
        Name of the spectral index.

    Raises
    ------
    SeriesShapeError
        As many segments as series are not given.
    """
    ids = np.asarray(segment_ids)
    if ids.shape != found.flag.shape:
        raise SeriesShapeError(
            f"{ids.size} segments do not fit {found.flag.size} series", where=index, remedy="Give one id per series"
        )
    columns: dict[str, pa.Array] = {
        "segment_id": pa.array(ids.astype(np.uint32)),
        "index": pa.array(np.full(len(ids), index), pa.string()),
        "cycles": pa.array(found.cycles, mask=found.cycles < 0),
        "flag": pa.array(found.flag_names, pa.string()),
    }
    for field in PHENOLOGY_SCHEMA:
        if field.name not in columns:
            numbers = getattr(found, field.name)
            columns[field.name] = pa.array(numbers.astype(np.float32), mask=np.isnan(numbers))
    return pa.table([columns[field.name] for field in PHENOLOGY_SCHEMA], schema=PHENOLOGY_SCHEMA)


def _check(values: npt.NDArray[Any], days: Doubles) -> None:
    if values.ndim != 2 or days.shape != values.shape[1:]:
        raise SeriesShapeError(
            f"{days.size} sample days do not fit samples of shape {values.shape}",
            remedy="Give samples as (n_series, n_samples)",
        )
    if len(days) < 3:
        raise SeriesShapeError(f"{len(days)} samples show no season", remedy="Give at least 3")
    if not np.isfinite(days).all() or (np.diff(days) <= 0).any():
        at = int(np.argmin(np.isfinite(days) & (np.diff(days, prepend=-np.inf) > 0)))
        raise SeriesValueError(
            f"sample days do not increase: {days[at]} at sample {at}", remedy="Give days in rising order"
        )
    infinite = np.isinf(values)
    if infinite.any():
        row, at = np.argwhere(infinite)[0]
        raise SeriesValueError("a sample is infinite", where=f"series {row}, sample {at}", remedy="Give NaN if unknown")
