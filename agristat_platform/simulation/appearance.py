"""What parcels look like where they do not look like their crop: failed stands, weeds, a second crop, two crops mixed.

Satellites see the appearance; enumerators, labels and the truth have the crop. Without such parcels a map would be wrong at
parcel edges only, and remote sensing would seem far more efficient than it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from agristat_platform.catalogue import SimulationSettings
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator


def seen_parcels(parcels: SeasonParcels, settings: SimulationSettings, season: str) -> SeasonParcels:
    """The season's parcels as sensors see them: a share `unlike_share` of the cultivated ones as another cultivated class,
    small parcels more often than large ones.

    The class seen is drawn with the probabilities of the classes' own numbers of parcels, so the shares of what is seen stay
    close to those of what grows.
    """
    rng = generator(settings.seed, "unlike", season)
    cultivated = np.array([crop.cultivated for crop, _ in parcels.classes])
    fields = np.flatnonzero(cultivated[parcels.crop])
    wanted = round(settings.unlike_share * len(fields))
    if not wanted:
        return parcels
    # small parcels are the mixed and neglected ones: chances fall with the area
    chance = 1.0 / shapely.area(parcels.geometries[fields])
    unlike = rng.choice(fields, size=wanted, replace=False, p=chance / chance.sum())
    seen = parcels.crop.copy()
    seen[unlike] = rng.choice(parcels.crop[fields], size=len(unlike))
    return replace(parcels, crop=seen)
