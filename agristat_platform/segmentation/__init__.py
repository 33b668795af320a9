"""Segments, the objects that are classified: cutting an image into them, and their polygons.

Belongs here: everything from a stack of bands to a label raster and a polygon table. Statistics of bands over segments
are in `features`.
"""

from agristat_platform.segmentation.errors import (
    EmptyImageError,
    ImageShapeError,
    SegmentationError,
    SegmentationOptionError,
    SegmentCrsError,
    TooManySegmentsError,
)
from agristat_platform.segmentation.label_files import outlines_over, write_labels
from agristat_platform.segmentation.polygons import SEGMENTS_SCHEMA, SMALL_PARCEL_HA, label_raster, segment_polygons
from agristat_platform.segmentation.shepherd import (
    SegmentationResult,
    automatic_max_distance,
    segment_clusters,
    segment_image,
)

__all__ = [
    "SEGMENTS_SCHEMA",
    "SMALL_PARCEL_HA",
    "EmptyImageError",
    "ImageShapeError",
    "SegmentCrsError",
    "SegmentationError",
    "SegmentationOptionError",
    "SegmentationResult",
    "TooManySegmentsError",
    "automatic_max_distance",
    "label_raster",
    "outlines_over",
    "segment_clusters",
    "segment_image",
    "segment_polygons",
    "write_labels",
]
