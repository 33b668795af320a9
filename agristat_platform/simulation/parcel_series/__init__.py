"""Labelled parcels of several seasons as series, without pixels: what models of curves are judged on, and by what shocks.

Belongs here: parcels drawn for experiments with recognition. Landscapes with scenes, surveys and truth are `simulation.archive`'s.
"""

from agristat_platform.simulation.parcel_series.european_crops import EUROPEAN_CROPS
from agristat_platform.simulation.parcel_series.parcel_seasons import (
    LATITUDE,
    ParcelSeason,
    Shock,
    simulate_parcel_season,
)

__all__ = ["EUROPEAN_CROPS", "LATITUDE", "ParcelSeason", "Shock", "simulate_parcel_season"]
