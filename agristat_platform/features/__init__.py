"""Features of segments: spectral indices, radar ratios, statistics per segment, and the dictionary that explains them.

Belongs here: everything between a label raster with layers and the table a classifier reads.
"""

from agristat_platform.features.dictionary import DICTIONARY_SCHEMA
from agristat_platform.features.errors import (
    FeatureError,
    LabelGridError,
    LayerTableError,
    ReflectanceScaleError,
    SegmentMismatchError,
    StatisticError,
    UnknownIndexError,
)
from agristat_platform.features.layer_images import NODATA, LayerImage, layer_image
from agristat_platform.features.radar import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.features.segment_features import segment_features
from agristat_platform.features.segment_statistics import MOMENT_STATISTICS, SegmentPixels, segment_statistics
from agristat_platform.features.spectral_indices import (
    INDICES,
    SpectralIndex,
    evi,
    gcvi,
    lswi,
    ndvi,
    ndwi,
    spectral_index,
    spectral_indices,
)

__all__ = [
    "DICTIONARY_SCHEMA",
    "INDICES",
    "MOMENT_STATISTICS",
    "NODATA",
    "FeatureError",
    "LabelGridError",
    "LayerImage",
    "LayerTableError",
    "ReflectanceScaleError",
    "SegmentMismatchError",
    "SegmentPixels",
    "SpectralIndex",
    "StatisticError",
    "UnknownIndexError",
    "evi",
    "gcvi",
    "layer_image",
    "lswi",
    "ndvi",
    "ndwi",
    "radar_vegetation_index",
    "segment_features",
    "segment_statistics",
    "spectral_index",
    "spectral_indices",
    "to_db",
    "vh_vv_ratio",
]
