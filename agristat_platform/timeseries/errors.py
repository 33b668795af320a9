"""What can go wrong with series on a season's grid."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class TimeSeriesError(AgristatError):
    """The root of errors about time series."""


class SeriesShapeError(TimeSeriesError):
    """Series, weights or smoothing have shapes that do not fit together, or too few steps."""


class SeriesValueError(TimeSeriesError):
    """A value, weight or smoothing outside its range."""
