"""Series of observations on a season's regular grid: smoothing, gap filling, even sampling and phenology.

Belongs here: mathematics over the time axis. Composites are made in `imagery`, features in `features`.
"""

from agristat_platform.timeseries.degree_days import cumulative_degree_days, daily_degree_days
from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError, TimeSeriesError
from agristat_platform.timeseries.phenology import (
    PHENOLOGY_FLAGS,
    PHENOLOGY_SCHEMA,
    Phenology,
    phenology,
    phenology_table,
)
from agristat_platform.timeseries.pixels import PixelSeries, smooth_pixels
from agristat_platform.timeseries.season import SeasonGrid, season_grid
from agristat_platform.timeseries.series import MAX_GAP_DAYS, SERIES_FLAGS, SeasonSeries, smooth_to_grid
from agristat_platform.timeseries.whittaker import DEFAULT_SMOOTHINGS, whittaker_smooth, whittaker_vcurve

__all__ = [
    "DEFAULT_SMOOTHINGS",
    "MAX_GAP_DAYS",
    "PHENOLOGY_FLAGS",
    "PHENOLOGY_SCHEMA",
    "SERIES_FLAGS",
    "Phenology",
    "PixelSeries",
    "SeasonGrid",
    "SeasonSeries",
    "SeriesShapeError",
    "SeriesValueError",
    "TimeSeriesError",
    "cumulative_degree_days",
    "daily_degree_days",
    "phenology",
    "phenology_table",
    "season_grid",
    "smooth_pixels",
    "smooth_to_grid",
    "whittaker_smooth",
    "whittaker_vcurve",
]
