"""Regions, season calendar, crop nomenclatures and settings: what a user edits, read and checked.

The ground floor: it imports no other science package, and reads no imagery and no survey.
"""

from agristat_platform.catalogue.errors import (
    CatalogueError,
    ConfigurationError,
    IntervalsFromItemsError,
    InvalidGridError,
    InvalidPartitionError,
    InvalidSeasonKeyError,
    RegionExistsError,
    UnknownCatalogueError,
    UnknownCropError,
    UnknownRegionError,
    UnknownSeasonError,
    did_you_mean,
)
from agristat_platform.catalogue.evaluation_section import EvaluationPart, EvaluationSettings
from agristat_platform.catalogue.feature_sections import FeatureSettings, TextureSettings
from agristat_platform.catalogue.grid import Grid, reproject
from agristat_platform.catalogue.imagery_sections import (
    CollectionRequest,
    CompositeMethod,
    ImagerySource,
    MaskSettings,
    Orbits,
    SpeckleSettings,
    TimeSeriesSettings,
)
from agristat_platform.catalogue.loading import Catalogue, load_catalogue, load_nomenclature, load_region
from agristat_platform.catalogue.nomenclature import Crop, CropNomenclature
from agristat_platform.catalogue.partition import Partition
from agristat_platform.catalogue.region import Region
from agristat_platform.catalogue.region_sections import (
    SIMULATED_REFERENCE,
    EstimationSettings,
    RecordedSurvey,
    SegmentationSettings,
    SimulationSettings,
    StrataSettings,
    SurveySettings,
)
from agristat_platform.catalogue.registration import RegionDescription, add_region, check_region_file, describe_region
from agristat_platform.catalogue.review_section import ReviewSettings, SimulatedReviewers
from agristat_platform.catalogue.seasons import (
    Interval,
    Season,
    homologous_key,
    item_intervals,
    season_intervals,
    season_keys_between,
    season_window,
)
from agristat_platform.catalogue.settings import CatalogueEndpoint, ExecutionSection, Settings, load_settings
from agristat_platform.catalogue.training_sections import RecognitionSettings, TrainingSettings
from agristat_platform.catalogue.tuning_section import TuningSettings

__all__ = [
    "SIMULATED_REFERENCE",
    "Catalogue",
    "CatalogueEndpoint",
    "CatalogueError",
    "CollectionRequest",
    "CompositeMethod",
    "ConfigurationError",
    "Crop",
    "CropNomenclature",
    "EstimationSettings",
    "EvaluationPart",
    "EvaluationSettings",
    "ExecutionSection",
    "FeatureSettings",
    "Grid",
    "ImagerySource",
    "Interval",
    "IntervalsFromItemsError",
    "InvalidGridError",
    "InvalidPartitionError",
    "InvalidSeasonKeyError",
    "MaskSettings",
    "Orbits",
    "Partition",
    "RecognitionSettings",
    "RecordedSurvey",
    "Region",
    "RegionDescription",
    "RegionExistsError",
    "ReviewSettings",
    "Season",
    "SegmentationSettings",
    "Settings",
    "SimulatedReviewers",
    "SimulationSettings",
    "SpeckleSettings",
    "StrataSettings",
    "SurveySettings",
    "TextureSettings",
    "TimeSeriesSettings",
    "TrainingSettings",
    "TuningSettings",
    "UnknownCatalogueError",
    "UnknownCropError",
    "UnknownRegionError",
    "UnknownSeasonError",
    "add_region",
    "check_region_file",
    "describe_region",
    "did_you_mean",
    "homologous_key",
    "item_intervals",
    "load_catalogue",
    "load_nomenclature",
    "load_region",
    "load_settings",
    "reproject",
    "season_intervals",
    "season_keys_between",
    "season_window",
]
