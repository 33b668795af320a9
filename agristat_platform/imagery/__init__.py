"""Imagery: STAC search, cloud masks, reflectance and backscatter, composites on the region's grid."""

from agristat_platform.imagery.access import FileAccess
from agristat_platform.imagery.collections import COLLECTIONS, Band, Collection, collection_table, requested_bands
from agristat_platform.imagery.composite_items import composite_documents, composite_items
from agristat_platform.imagery.composite_mosaic import assemble_file
from agristat_platform.imagery.composite_plan import CompositePlan, PlannedLayer, plan_composites
from agristat_platform.imagery.composite_tiles import UnitResult, compose_unit, finished_unit
from agristat_platform.imagery.composite_tiling import TileUnit
from agristat_platform.imagery.composites import CompositeSet, build_composites
from agristat_platform.imagery.encoding import band_encoding, href_of, processing_baseline
from agristat_platform.imagery.errors import (
    AoiOutsideImageryError,
    ArchiveFullError,
    CatalogueRefusedError,
    CatalogueUnreachableError,
    ConflictingRequestsError,
    GridMismatchError,
    ImageryError,
    InvalidAnnotationError,
    InvalidProductError,
    ItemWithoutDatetimeError,
    MissingAssetError,
    MissingKeysError,
    MissingRealDataError,
    NoScenesLeftError,
    PartialAnswerError,
    RepeatedSceneError,
    Sen2CorFailedError,
    Sen2CorMissingError,
    TerrainWarning,
    UncalibratedRadarError,
    UnfinishedUnitError,
    UnknownBandError,
    UnknownBaselineError,
    UnknownCollectionError,
    UnreadableSceneError,
)
from agristat_platform.imagery.harmonisation import to_landsat, to_sentinel_2
from agristat_platform.imagery.ingest import IngestedWindows, ingest_kept_scenes, ingest_windows
from agristat_platform.imagery.layers import LAYERS_SCHEMA, STORAGE, read_layer, read_layers, write_cog
from agristat_platform.imagery.level_1c import Sen2Cor, add_safe_product, correct_level_1c, find_sen2cor
from agristat_platform.imagery.local_catalogue import (
    catalogue_composites,
    collection_link,
    composite_item,
    write_collections,
    write_items,
)
from agristat_platform.imagery.masks import (
    CLEAR,
    DATA_MISSING,
    dilate_sky,
    qa_pixel_mask,
    radsat_saturated,
    scl_mask,
    sky_mask,
)
from agristat_platform.imagery.overpasses import Overpass, merged_pixels, observation_day, overpasses_of, tile_skies
from agristat_platform.imagery.quicklook import quicklook
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.scene_files import ORIGIN, SceneFile, files_of_kept_scenes
from agristat_platform.imagery.scenes import (
    OVERPASSES_SCHEMA,
    SCENES_SCHEMA,
    SeasonAssessment,
    assess_scenes,
    assess_season,
    kept_items,
)
from agristat_platform.imagery.search import SearchAnswer, search_catalogue, search_scenes
from agristat_platform.imagery.sky_calendar import sky_calendar
from agristat_platform.imagery.speckle import SpeckleAccumulator
from agristat_platform.imagery.versions import superseded_counts, superseded_scenes

__all__ = [
    "CLEAR",
    "COLLECTIONS",
    "DATA_MISSING",
    "LAYERS_SCHEMA",
    "ORIGIN",
    "OVERPASSES_SCHEMA",
    "SCENES_SCHEMA",
    "STORAGE",
    "AoiOutsideImageryError",
    "ArchiveFullError",
    "Band",
    "CatalogueRefusedError",
    "CatalogueUnreachableError",
    "Collection",
    "CompositePlan",
    "CompositeSet",
    "ConflictingRequestsError",
    "FileAccess",
    "GridMismatchError",
    "ImageryError",
    "IngestedWindows",
    "InvalidAnnotationError",
    "InvalidProductError",
    "ItemWithoutDatetimeError",
    "MissingAssetError",
    "MissingKeysError",
    "MissingRealDataError",
    "NoScenesLeftError",
    "Overpass",
    "PartialAnswerError",
    "PlannedLayer",
    "RepeatedSceneError",
    "SceneFile",
    "SceneReader",
    "SearchAnswer",
    "SeasonAssessment",
    "Sen2Cor",
    "Sen2CorFailedError",
    "Sen2CorMissingError",
    "SpeckleAccumulator",
    "TerrainWarning",
    "TileUnit",
    "UncalibratedRadarError",
    "UnfinishedUnitError",
    "UnitResult",
    "UnknownBandError",
    "UnknownBaselineError",
    "UnknownCollectionError",
    "UnreadableSceneError",
    "add_safe_product",
    "assemble_file",
    "assess_scenes",
    "assess_season",
    "band_encoding",
    "build_composites",
    "catalogue_composites",
    "collection_link",
    "collection_table",
    "compose_unit",
    "composite_documents",
    "composite_item",
    "composite_items",
    "correct_level_1c",
    "dilate_sky",
    "files_of_kept_scenes",
    "find_sen2cor",
    "finished_unit",
    "href_of",
    "ingest_kept_scenes",
    "ingest_windows",
    "kept_items",
    "merged_pixels",
    "observation_day",
    "overpasses_of",
    "plan_composites",
    "processing_baseline",
    "qa_pixel_mask",
    "quicklook",
    "radsat_saturated",
    "read_layer",
    "read_layers",
    "requested_bands",
    "scl_mask",
    "search_catalogue",
    "search_scenes",
    "sky_calendar",
    "sky_mask",
    "superseded_counts",
    "superseded_scenes",
    "tile_skies",
    "to_landsat",
    "to_sentinel_2",
    "write_cog",
    "write_collections",
    "write_items",
]
