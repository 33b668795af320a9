"""Series of observations on a season's regular grid: smoothing and gap filling.

Belongs here: mathematics over the time axis. Composites are made in `imagery`, features in `features`.
"""

from agristat_platform.timeseries.errors import SeriesShapeError, SeriesValueError, TimeSeriesError
from agristat_platform.timeseries.whittaker import whittaker_smooth, whittaker_vcurve

__all__ = ["SeriesShapeError", "SeriesValueError", "TimeSeriesError", "whittaker_smooth", "whittaker_vcurve"]
