"""Features of segments: spectral indices, radar ratios, statistics per segment, and the dictionary that explains them.

Belongs here: everything between a label raster with layers and the table a classifier reads.
"""

from agristat_platform.features.errors import (
    FeatureError,
    LabelGridError,
    LayerTableError,
    MissingPackageError,
    PolygonError,
    ReflectanceScaleError,
    SegmentMismatchError,
    StatisticError,
    UnknownIndexError,
)
from agristat_platform.features.indices.radar import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.features.indices.red_edge_indices import cire, ireci, mtci, ndre, psri, s2rep
from agristat_platform.features.indices.spectral_indices import (
    INDICES,
    SpectralIndex,
    index_bands,
    spectral_index,
    spectral_indices,
    unavailable_indices,
)
from agristat_platform.features.indices.tasselled_cap import (
    TASSELLED_CAP_BANDS,
    TASSELLED_CAP_COEFFICIENTS,
    TASSELLED_CAP_COMPONENTS,
    tasselled_cap,
)
from agristat_platform.features.indices.vegetation_indices import evi, gcvi, lai, msavi2, ndvi
from agristat_platform.features.indices.water_and_soil_indices import lswi, ndsvi, ndti, ndwi
from agristat_platform.features.segmentation_image.layer_image_files import LayerImageFile, write_layer_image
from agristat_platform.features.segmentation_image.layer_images import NODATA, LayerImage, layer_image
from agristat_platform.features.series.overpass_reading import (
    SeriesOverpass,
    files_of_overpasses,
    read_overpasses,
    series_overpasses,
)
from agristat_platform.features.series.overpass_units import (
    ObservationPlan,
    ObservedOverpass,
    merge_observations,
    observe_overpass,
    plan_observations,
)
from agristat_platform.features.series.pixel_series import PixelWriter, index_scale, write_pixel_series
from agristat_platform.features.series.segment_observations import ObservationWriter, SegmentLabels, observations_schema
from agristat_platform.features.series.segment_series import (
    GREENNESS,
    SeriesExample,
    SeriesSummary,
    plausible_range,
    season_span,
    series_schema,
    write_series,
)
from agristat_platform.features.series.series_channels import (
    BAND_CHANNELS,
    TENSOR_INDICES,
    series_channel,
    series_names,
    tensor_channels,
)
from agristat_platform.features.series.series_features import OBSERVED_COLUMNS, with_series_features
from agristat_platform.features.series.series_figure import series_png
from agristat_platform.features.series.series_plan import SeriesPlan, SeriesSource, plan_series
from agristat_platform.features.series.series_tensor import (
    SeriesTensor,
    TensorWriter,
    read_tensor,
    read_tensors,
    tensor_schema,
)
from agristat_platform.features.statistics.polygon_files import polygon_file_statistics
from agristat_platform.features.statistics.polygon_statistics import polygon_statistics
from agristat_platform.features.statistics.segment_statistics import SegmentPixels, segment_statistics
from agristat_platform.features.statistics.segment_strips import MOMENT_STATISTICS, LayerStatistics, SegmentStrips
from agristat_platform.features.statistics.texture import (
    GREY_LEVELS,
    LayerTexture,
    SegmentTexture,
    grey_levels,
    segment_texture,
)
from agristat_platform.features.wide_table.dictionary import DICTIONARY_SCHEMA
from agristat_platform.features.wide_table.feature_columns import FeatureColumns
from agristat_platform.features.wide_table.history_features import HISTORY_PREFIX, YEARS_BACK, history_features
from agristat_platform.features.wide_table.segment_features import (
    DEFAULT_INDICES,
    left_out_indices,
    segment_feature_columns,
    segment_features,
    segment_features_by_strips,
)

__all__ = [
    "BAND_CHANNELS",
    "DEFAULT_INDICES",
    "DICTIONARY_SCHEMA",
    "GREENNESS",
    "GREY_LEVELS",
    "HISTORY_PREFIX",
    "INDICES",
    "MOMENT_STATISTICS",
    "NODATA",
    "OBSERVED_COLUMNS",
    "TASSELLED_CAP_BANDS",
    "TASSELLED_CAP_COEFFICIENTS",
    "TASSELLED_CAP_COMPONENTS",
    "TENSOR_INDICES",
    "YEARS_BACK",
    "FeatureColumns",
    "FeatureError",
    "LabelGridError",
    "LayerImage",
    "LayerImageFile",
    "LayerStatistics",
    "LayerTableError",
    "LayerTexture",
    "MissingPackageError",
    "ObservationPlan",
    "ObservationWriter",
    "ObservedOverpass",
    "PixelWriter",
    "PolygonError",
    "ReflectanceScaleError",
    "SegmentLabels",
    "SegmentMismatchError",
    "SegmentPixels",
    "SegmentStrips",
    "SegmentTexture",
    "SeriesExample",
    "SeriesOverpass",
    "SeriesPlan",
    "SeriesSource",
    "SeriesSummary",
    "SeriesTensor",
    "SpectralIndex",
    "StatisticError",
    "TensorWriter",
    "UnknownIndexError",
    "cire",
    "evi",
    "files_of_overpasses",
    "gcvi",
    "grey_levels",
    "history_features",
    "index_bands",
    "index_scale",
    "ireci",
    "lai",
    "layer_image",
    "left_out_indices",
    "lswi",
    "merge_observations",
    "msavi2",
    "mtci",
    "ndre",
    "ndsvi",
    "ndti",
    "ndvi",
    "ndwi",
    "observations_schema",
    "observe_overpass",
    "plan_observations",
    "plan_series",
    "plausible_range",
    "polygon_file_statistics",
    "polygon_statistics",
    "psri",
    "radar_vegetation_index",
    "read_overpasses",
    "read_tensor",
    "read_tensors",
    "s2rep",
    "season_span",
    "segment_feature_columns",
    "segment_features",
    "segment_features_by_strips",
    "segment_statistics",
    "segment_texture",
    "series_channel",
    "series_names",
    "series_overpasses",
    "series_png",
    "series_schema",
    "spectral_index",
    "spectral_indices",
    "tasselled_cap",
    "tensor_channels",
    "tensor_schema",
    "to_db",
    "unavailable_indices",
    "vh_vv_ratio",
    "with_series_features",
    "write_layer_image",
    "write_pixel_series",
    "write_series",
]
