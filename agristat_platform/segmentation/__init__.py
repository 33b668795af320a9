"""Segments, the objects that are classified: cutting an image into them, and their polygons.

Belongs here: everything from a stack of bands to a label raster and a polygon table. Statistics of bands over segments
are in `features`.
"""

from agristat_platform.segmentation.adjacency import file_neighbours, neighbours
from agristat_platform.segmentation.errors import (
    EmptyImageError,
    FieldBoundariesError,
    ImageShapeError,
    ImageSourceError,
    LabelGridError,
    LabelTargetError,
    ParcelRegisterError,
    SegmentationError,
    SegmentationOptionError,
    SegmentCrsError,
    SegmentLinksError,
    TooManySegmentsError,
)
from agristat_platform.segmentation.label_files import outlines_over, write_labels
from agristat_platform.segmentation.label_overlaps import count_file_overlaps, count_overlaps, on_one_grid
from agristat_platform.segmentation.label_rasters import label_raster
from agristat_platform.segmentation.outlines.field_boundaries import FIELD_BOUNDARIES_SCHEMA, write_field_boundaries
from agristat_platform.segmentation.outlines.polygons import (
    SEGMENTS_SCHEMA,
    SMALL_PARCEL_HA,
    PolygonPortions,
    segment_polygon_portions,
    segment_polygons,
)
from agristat_platform.segmentation.parcels.agreement import (
    PARCEL_AGREEMENT_SCHEMA,
    ParcelAgreement,
    parcel_agreement,
)
from agristat_platform.segmentation.parcels.register import (
    OVERLAPS_SCHEMA,
    PARCELS_SCHEMA,
    RegisterSegments,
    register_segments,
)
from agristat_platform.segmentation.parcels.register_files import RegisterParcels, read_polygons, read_register
from agristat_platform.segmentation.parcels.table_agreement import (
    PARCEL_SIZE_AGREEMENT_SCHEMA,
    TableAgreement,
    agreement_with_parcels,
)
from agristat_platform.segmentation.region_growing.segment import (
    RegionGrowingResult,
    region_growing_bytes,
    segment_by_region_growing,
)
from agristat_platform.segmentation.seasons.history import carry_over
from agristat_platform.segmentation.seasons.identities import PARCEL_IDENTITIES_SCHEMA, parcel_identities
from agristat_platform.segmentation.seasons.links import (
    IDENTITIES,
    IDENTITY_SCHEMA,
    LINKS_SCHEMA,
    SAME_SHARE,
    link_segment_files,
    link_segments,
    segment_identities,
)
from agristat_platform.segmentation.shepherd.segment import segment_clusters, segment_image, segment_strips
from agristat_platform.segmentation.shepherd.segment_files import RasterSegments, segment_raster
from agristat_platform.segmentation.shepherd.steps import SegmentationResult, automatic_max_distance

__all__ = [
    "FIELD_BOUNDARIES_SCHEMA",
    "IDENTITIES",
    "IDENTITY_SCHEMA",
    "LINKS_SCHEMA",
    "OVERLAPS_SCHEMA",
    "PARCELS_SCHEMA",
    "PARCEL_AGREEMENT_SCHEMA",
    "PARCEL_IDENTITIES_SCHEMA",
    "PARCEL_SIZE_AGREEMENT_SCHEMA",
    "SAME_SHARE",
    "SEGMENTS_SCHEMA",
    "SMALL_PARCEL_HA",
    "EmptyImageError",
    "FieldBoundariesError",
    "ImageShapeError",
    "ImageSourceError",
    "LabelGridError",
    "LabelTargetError",
    "ParcelAgreement",
    "ParcelRegisterError",
    "PolygonPortions",
    "RasterSegments",
    "RegionGrowingResult",
    "RegisterParcels",
    "RegisterSegments",
    "SegmentCrsError",
    "SegmentLinksError",
    "SegmentationError",
    "SegmentationOptionError",
    "SegmentationResult",
    "TableAgreement",
    "TooManySegmentsError",
    "agreement_with_parcels",
    "automatic_max_distance",
    "carry_over",
    "count_file_overlaps",
    "count_overlaps",
    "file_neighbours",
    "label_raster",
    "link_segment_files",
    "link_segments",
    "neighbours",
    "on_one_grid",
    "outlines_over",
    "parcel_agreement",
    "parcel_identities",
    "read_polygons",
    "read_register",
    "region_growing_bytes",
    "register_segments",
    "segment_by_region_growing",
    "segment_clusters",
    "segment_identities",
    "segment_image",
    "segment_polygon_portions",
    "segment_polygons",
    "segment_raster",
    "segment_strips",
    "write_field_boundaries",
    "write_labels",
]
