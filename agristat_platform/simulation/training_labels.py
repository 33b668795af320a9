"""Training labels as an observer in a car would collect them: near the roads, some of every class, no probability.

They teach models and never enter an estimate; where they lie says nothing about the population.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Region, Season, SimulationSettings
from agristat_platform.classification import LABELS_SCHEMA
from agristat_platform.simulation.landscape import Cover, Landscape
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator

DEFAULT_LABELS = 350
_SMALLEST_LABEL_M2 = 3_500.0
_PATCH_RADIUS_M = 35.0
_NARROW_PATCH_RADIUS_M = 9.0
_LEAST_PER_CLASS = 14
_PATCHES_PER_POLYGON = 5


def training_labels(
    parcels: SeasonParcels, landscape: Landscape, region: Region, settings: SimulationSettings, season_key: str
) -> pa.Table:
    """Labelled parcels of a season (`LABELS_SCHEMA`), geometries in the region's CRS.

    Parcels are taken along the main roads first; every class gets at least 14 labels where the land has as many.
    Large woods, pastures and waters are labelled by patches of 70 m in them.
    """
    training = region.training
    wanted = (training.labels if training else None) or DEFAULT_LABELS
    block_m = training.block_size_m if training else 1000.0
    season: Season = region.season(season_key)
    rng = generator(settings.seed, "training", season_key, training.seed if training else 1)
    shapes, codes, identifiers, cultivated = _candidates(rng, parcels, region.aoi_projected())
    order = np.argsort(_reluctance(rng, shapes, landscape, cultivated), kind="stable")
    chosen = _choose(order, codes, wanted)
    centres = shapely.centroid(shapes[chosen])
    blocks = [
        f"r{int(y // block_m):05d}c{int(x // block_m):05d}"
        for x, y in zip(shapely.get_x(centres), shapely.get_y(centres), strict=True)
    ]
    observed = season.start + timedelta(days=int(0.8 * (season.end - season.start).days))
    days = [observed + timedelta(days=int(day)) for day in rng.integers(0, 12, len(chosen))]
    return pa.table(
        {
            "label_id": [f"{region.code}-{season_key}-{i:04d}" for i in range(1, len(chosen) + 1)],
            "crop_code": codes[chosen].tolist(),
            "geometry": shapely.to_wkb(shapes[chosen]),
            "parcel_id": identifiers[chosen].tolist(),
            "role": ["train"] * len(chosen),
            "source": ["simulated windshield survey"] * len(chosen),
            "observed_on": days,
            "block": blocks,
        },
        schema=LABELS_SCHEMA,
    )


def _candidates(
    rng: np.random.Generator, parcels: SeasonParcels, aoi: BaseGeometry
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Fields wholly in the AOI, and patches wholly in other land."""
    shapely.prepare(aoi)
    inside = shapely.contains(aoi, parcels.geometries)
    fields = np.flatnonzero(
        inside & (parcels.cover == Cover.CROP) & (shapely.area(parcels.geometries) >= _SMALLEST_LABEL_M2)
    )
    shapes: list[BaseGeometry] = list(parcels.geometries[fields])
    owner = list(fields)
    for number in np.flatnonzero(parcels.cover != Cover.CROP):
        patches = _patches(rng, shapely.intersection(parcels.geometries[number], aoi))
        shapes += patches
        owner += [number] * len(patches)
    as_array = np.empty(len(shapes), dtype=object)
    as_array[:] = shapes
    codes = np.array([crop.code for crop, _ in parcels.classes], dtype=object)[parcels.crop[owner]]
    return as_array, codes, parcels.identifiers[owner], parcels.cover[owner] == Cover.CROP


def _patches(rng: np.random.Generator, shape: BaseGeometry) -> list[BaseGeometry]:
    """Up to five patches that lie in a polygon; narrow land (river banks, tracks) gives narrow ones or none."""
    found: list[BaseGeometry] = []
    for radius in (_PATCH_RADIUS_M, _NARROW_PATCH_RADIUS_M):
        core = shape.buffer(-radius)
        if core.is_empty:
            continue
        left, bottom, right, top = core.bounds
        for _ in range(40):
            if radius == _PATCH_RADIUS_M:
                point = shapely.Point(rng.uniform(left, right), rng.uniform(bottom, top))
            else:  # a river's core is a thread that no random point hits
                point = core.boundary.interpolate(rng.random(), normalized=True)
            patch = point.buffer(radius, quad_segs=2)
            if core.distance(point) < 1e-6 and not any(patch.intersects(other) for other in found):
                found.append(patch)
            if len(found) == _PATCHES_PER_POLYGON:
                return found
    return found


def _reluctance(
    rng: np.random.Generator,
    shapes: npt.NDArray[np.object_],
    landscape: Landscape,
    cultivated: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """How little an observer cares to go there: far from the road, no crop, and a whim."""
    distance = shapely.distance(shapes, landscape.roads)
    return np.asarray(np.where(cultivated, 1.0, 3.0) * (distance + 80.0) * rng.lognormal(0.0, 0.8, len(shapes)))


def _choose(order: npt.NDArray[np.intp], codes: npt.NDArray[np.object_], wanted: int) -> npt.NDArray[np.intp]:
    """The first of each class up to its minimum, then the first of all until there are enough; in file order."""
    taken: list[int] = []
    for code in sorted(set(codes)):
        taken += [int(i) for i in order if codes[i] == code][:_LEAST_PER_CLASS]
    have = set(taken)
    taken += [int(i) for i in order if int(i) not in have][: max(0, wanted - len(taken))]
    return np.array(sorted(taken), dtype=np.intp)
