"""What can go wrong between classified segments and the accuracy of a crop map."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class MappingError(AgristatError):
    """Any error of this package."""


class UnmappableClassError(MappingError):
    """A model or a raster has classes that the crop nomenclature doesn't have."""


class ProbabilityTableError(MappingError):
    """A table of class probabilities lacks its segments or its classes, or holds something else."""


class SegmentWithoutClassError(MappingError):
    """The segment raster has segments that were not classified."""


class RasterUnreadableError(MappingError):
    """A raster is missing, damaged, or not what this step needs."""


class UnitGeometryError(MappingError):
    """A unit or parcel has no usable polygon."""


class SampleMismatchError(MappingError):
    """Field data, sample and strata don't belong together."""
