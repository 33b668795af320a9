"""A simulated agricultural landscape whose truth is known: land, crops, weather, scenes, survey population.

For demonstration and tests. Whatever comes out of it says that it is simulated: STAC items by the property
`agristat:simulated`, GeoTIFFs by the tag AGRISTAT_SIMULATED, Parquet files by their metadata.
"""

from agristat_platform.simulation.archive import SimulatedArchive, prepare_region
from agristat_platform.simulation.errors import (
    LandscapeNotPreparedError,
    NotSimulatedError,
    SimulationError,
    UnitOutsideLandscapeError,
    UnknownCoverError,
)
from agristat_platform.simulation.profiles import PROFILES
from agristat_platform.simulation.reviewers import simulate_decisions
from agristat_platform.simulation.small_region import smaller_region
from agristat_platform.simulation.tables import (
    CROP_TOTALS_SCHEMA,
    FIELD_DATA_SCHEMA,
    PARCELS_SCHEMA,
    UNIT_TOTALS_SCHEMA,
)
from agristat_platform.simulation.truth import observe_segments, simulate_totals_by_unit, true_parcels, true_totals

__all__ = [
    "CROP_TOTALS_SCHEMA",
    "FIELD_DATA_SCHEMA",
    "PARCELS_SCHEMA",
    "PROFILES",
    "UNIT_TOTALS_SCHEMA",
    "LandscapeNotPreparedError",
    "NotSimulatedError",
    "SimulatedArchive",
    "SimulationError",
    "UnitOutsideLandscapeError",
    "UnknownCoverError",
    "observe_segments",
    "prepare_region",
    "simulate_decisions",
    "simulate_totals_by_unit",
    "smaller_region",
    "true_parcels",
    "true_totals",
]
