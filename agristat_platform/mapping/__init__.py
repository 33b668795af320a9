"""Crop maps: classes of segments, rasters, mapped areas by unit, and the map's design-based accuracy.

Not here: the crop model (`classification`) and official estimates (`estimation`).
"""

from agristat_platform.mapping.class_probabilities import (
    ProbabilityFaults,
    check_mappable,
    class_columns,
    class_probabilities,
    probabilities_schema,
    probability_faults,
    recognised_probabilities,
)
from agristat_platform.mapping.crop_layers import CropMapFiles
from agristat_platform.mapping.crop_rasters import (
    PIXEL_COUNTS_SCHEMA,
    pixel_counts,
    write_crop_map,
)
from agristat_platform.mapping.errors import (
    MappingError,
    ProbabilityTableError,
    RasterUnreadableError,
    SampleMismatchError,
    SegmentWithoutClassError,
    UnitGeometryError,
    UnmappableClassError,
)
from agristat_platform.mapping.figures import crop_map_png
from agristat_platform.mapping.map_accuracy import (
    ACCURACY_SCHEMA,
    ADJUSTED_AREAS_SCHEMA,
    MapAccuracy,
    map_accuracy,
)
from agristat_platform.mapping.map_items import ITEM_FILE, NOT_AN_ESTIMATE, crop_map_document, crop_map_item
from agristat_platform.mapping.segment_classes import CLASSIFIED_SCHEMA, classify_segments, likeliest_classes
from agristat_platform.mapping.unit_areas import UNIT_AREAS_SCHEMA, areas_by_unit, cover_shares, fill_unmapped_units

__all__ = [
    "ACCURACY_SCHEMA",
    "ADJUSTED_AREAS_SCHEMA",
    "CLASSIFIED_SCHEMA",
    "ITEM_FILE",
    "NOT_AN_ESTIMATE",
    "PIXEL_COUNTS_SCHEMA",
    "UNIT_AREAS_SCHEMA",
    "CropMapFiles",
    "MapAccuracy",
    "MappingError",
    "ProbabilityFaults",
    "ProbabilityTableError",
    "RasterUnreadableError",
    "SampleMismatchError",
    "SegmentWithoutClassError",
    "UnitGeometryError",
    "UnmappableClassError",
    "areas_by_unit",
    "check_mappable",
    "class_columns",
    "class_probabilities",
    "classify_segments",
    "cover_shares",
    "crop_map_document",
    "crop_map_item",
    "crop_map_png",
    "fill_unmapped_units",
    "likeliest_classes",
    "map_accuracy",
    "pixel_counts",
    "probabilities_schema",
    "probability_faults",
    "recognised_probabilities",
    "write_crop_map",
]
