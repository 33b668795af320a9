"""What can go wrong when layers become segment features."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class FeatureError(AgristatError):
    """The root of errors about features."""


class LabelGridError(FeatureError):
    """Label raster and band lie on different grids."""


class StatisticError(FeatureError):
    """An unknown statistic, no statistic, or names that do not fit the bands."""


class ReflectanceScaleError(FeatureError):
    """Values handed to a spectral index are stored numbers, not reflectance."""


class UnknownIndexError(FeatureError):
    """A spectral index that the platform does not know."""


class LayerTableError(FeatureError):
    """The layers table is empty, lacks a column, or delivers one band twice for an interval."""


class SegmentMismatchError(FeatureError):
    """The segment table and the label raster hold different segments."""


class PolygonError(FeatureError):
    """A polygon that a raster cannot be described over, or a table of polygons without what is needed."""


class MissingPackageError(FeatureError):
    """An optional package is not installed."""
