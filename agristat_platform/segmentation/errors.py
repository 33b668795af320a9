"""What can go wrong when an image is cut into segments or segments become polygons."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class SegmentationError(AgristatError):
    """The root of errors about segmentation."""


class ImageShapeError(SegmentationError):
    """The image or label raster has the wrong number of dimensions, no pixel, or a type that cannot be segmented."""


class EmptyImageError(SegmentationError):
    """Every pixel of the image is nodata."""


class TooManySegmentsError(SegmentationError):
    """More segments or pixels than a 32-bit segment number can tell apart."""


class SegmentationOptionError(SegmentationError):
    """An option is outside its range."""


class SegmentCrsError(SegmentationError):
    """Areas and perimeters were asked for in a CRS that has no linear unit."""


class LabelGridError(SegmentationError):
    """Two label rasters do not lie on the same grid, or one marks nodata otherwise than by 0."""


class SegmentLinksError(SegmentationError):
    """A table of links, or one to be brought over them, is not what it must be."""


class ParcelRegisterError(SegmentationError):
    """A register of parcels cannot be read, or holds what cannot become segments."""


class ImageSourceError(SegmentationError):
    """A raster in a file cannot be read, or one to be segmented does not lie on the grid of the others."""


class LabelTargetError(SegmentationError):
    """A label raster cannot be written where it should be."""


class FieldBoundariesError(SegmentationError):
    """Polygons cannot be written as a file of field boundaries."""
