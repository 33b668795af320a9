"""The people of the landscape: enumeration areas, households, farms and the points of a point frame.

They last from season to season; what a farm grows in one season is written with that season's truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Region, SimulationSettings
from agristat_platform.simulation.landscape import SQUARE_METRES_PER_HA, Cover, Landscape
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.tables import (
    ENUMERATION_AREAS_SCHEMA,
    FARMS_SCHEMA,
    HOUSEHOLDS_SCHEMA,
    POINTS_SCHEMA,
    write_table,
)

POINT_SPACING_M = 100.0
_HOUSEHOLDS_PER_EA = 45
_PARCELS_PER_FARM = 3


@dataclass(frozen=True)
class Population:
    """Who lives and farms in the AOI.

    `farm_of_parcel`: farm by identifier of the landscape's parcels (all of them, also beyond the AOI).
    """

    enumeration_areas: pa.Table
    households: pa.Table
    farms: pa.Table
    points: pa.Table
    farm_of_parcel: dict[str, str]


def farm_of(parcel_id: str, farm_of_parcel: dict[str, str]) -> str | None:
    """Farm of a parcel of any season: a merged one belongs to the larger part's farm, a split one to its own."""
    original = parcel_id.split("+")[0].rstrip("ab")
    return farm_of_parcel.get(original)


def build_population(landscape: Landscape, region: Region, settings: SimulationSettings) -> Population:
    """Settle the landscape; the same settings give the same population."""
    aoi = region.aoi_projected()
    rng = generator(settings.seed, "population")
    fields = np.flatnonzero(landscape.cover == Cover.CROP)
    centres = shapely.centroid(landscape.geometries[fields])
    xy = np.column_stack([shapely.get_x(centres), shapely.get_y(centres)])
    count = max(1, min(settings.farms, len(fields) // _PARCELS_PER_FARM))
    seats = _inside(rng, aoi, count, landscape.villages)
    # most land lies near the farm's seat, some far from it: distances are stretched by a random factor
    distance, near = cKDTree(seats).query(xy, k=min(6, count))
    distance, near = distance.reshape(len(xy), -1), near.reshape(len(xy), -1)
    chosen = np.argmin(distance * rng.lognormal(0.0, 0.45, distance.shape), axis=1)
    farm_number = near[np.arange(len(xy)), chosen]
    farm_ids = np.array([f"F{i:04d}" for i in range(1, count + 1)], dtype=object)
    farm_of_parcel = dict(zip(landscape.identifiers[fields], farm_ids[farm_number], strict=True))
    homes = np.vstack(
        [seats, _inside(rng, aoi, max(0, settings.households - count), landscape.villages, clustered=0.85)]
    )
    areas = _enumeration_areas(rng, aoi, homes)
    tree = shapely.STRtree(areas)
    ea_ids = np.array([f"EA{i:03d}" for i in range(1, len(areas) + 1)], dtype=object)
    home_ea = ea_ids[_containing(tree, homes)]
    household_ids = np.array([f"H{i:05d}" for i in range(1, len(homes) + 1)], dtype=object)
    size = shapely.area(landscape.geometries[fields]) / SQUARE_METRES_PER_HA
    holders = np.concatenate([farm_ids, np.full(len(homes) - count, None, dtype=object)])
    households = pa.table(
        [
            household_ids, home_ea, rng.poisson(1.9, len(homes)).astype(np.int32) + 1, holders,
            shapely.to_wkb(shapely.points(homes)),
        ],
        schema=HOUSEHOLDS_SCHEMA,
    )  # fmt: skip
    farms = pa.table(
        [
            farm_ids, household_ids[:count], home_ea[:count],
            np.bincount(farm_number, minlength=count).astype(np.int32),
            np.bincount(farm_number, weights=size, minlength=count),
            shapely.to_wkb(shapely.points(seats)),
        ],
        schema=FARMS_SCHEMA,
    )  # fmt: skip
    enumeration_areas = pa.table(
        [
            ea_ids,
            np.array([int(np.sum(home_ea == ea)) for ea in ea_ids], dtype=np.int32),
            np.array([int(np.sum(home_ea[:count] == ea)) for ea in ea_ids], dtype=np.int32),
            shapely.area(areas) / SQUARE_METRES_PER_HA,
            shapely.to_wkb(areas),
        ],
        schema=ENUMERATION_AREAS_SCHEMA,
    )
    return Population(enumeration_areas, households, farms, _points(landscape, aoi, tree, ea_ids), farm_of_parcel)


def write_population(population: Population, directory: Path, crs: str) -> None:
    """Write the population's tables as GeoParquet into a directory."""
    for name in ("enumeration_areas", "households", "farms", "points"):
        write_table(getattr(population, name), directory / f"{name}.parquet", crs)


def polygon_at(parcels: SeasonParcels, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Position of the polygon that holds each point; on a shared border the first."""
    points, polygons = shapely.STRtree(parcels.geometries).query(shapely.points(x, y), predicate="intersects")
    found = np.full(len(x), -1, dtype=np.intp)
    found[points[::-1]] = polygons[::-1]
    return found


def _inside(
    rng: np.random.Generator, area: BaseGeometry, count: int, villages: npt.NDArray[np.float64], clustered: float = 0.3
) -> npt.NDArray[np.float64]:
    """Points in an area, a share of them around villages (those that the area holds, else anywhere)."""
    left, bottom, right, top = area.bounds
    shapely.prepare(area)
    found = np.empty((0, 2))
    while len(found) < count:
        anywhere = np.column_stack([rng.uniform(left, right, 4 * count), rng.uniform(bottom, top, 4 * count)])
        around = villages[rng.integers(0, len(villages), 4 * count)] + rng.normal(0.0, 130.0, (4 * count, 2))
        drawn = np.where((rng.random(4 * count) < clustered)[:, None], around, anywhere)
        found = np.vstack([found, drawn[shapely.contains_xy(area, drawn)]])
    return found[:count]


def _enumeration_areas(
    rng: np.random.Generator, aoi: BaseGeometry, homes: npt.NDArray[np.float64]
) -> npt.NDArray[np.object_]:
    """Cut the AOI into areas of about equally many households, an exact partition of it."""
    left, bottom, right, top = aoi.bounds
    pending = [((left, bottom, right, top), homes)]
    boxes = []
    while pending:
        box, inside = pending.pop()
        side = 0 if box[2] - box[0] > box[3] - box[1] else 1
        if len(inside) <= 1.5 * _HOUSEHOLDS_PER_EA or box[side + 2] - box[side] < 300.0:
            boxes.append(box)
            continue
        middle = float(np.quantile(inside[:, side], rng.uniform(0.42, 0.58)))
        middle = float(np.clip(middle, box[side] + 100.0, box[side + 2] - 100.0))
        low, high = list(box), list(box)
        low[side + 2] = high[side] = middle
        pending.append(((low[0], low[1], low[2], low[3]), inside[inside[:, side] <= middle]))
        pending.append(((high[0], high[1], high[2], high[3]), inside[inside[:, side] > middle]))
    areas = shapely.intersection(np.array([shapely.box(*box) for box in sorted(boxes)], dtype=object), aoi)
    return np.asarray(areas[shapely.area(areas) > 0], dtype=object)


def _containing(tree: shapely.STRtree, points: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    return np.asarray(tree.query_nearest(shapely.points(points), all_matches=False)[1], dtype=np.intp)


def _points(
    landscape: Landscape, aoi: BaseGeometry, tree: shapely.STRtree, ea_ids: npt.NDArray[np.object_]
) -> pa.Table:
    """Points every 100 m of the region's CRS, in the AOI."""
    left, bottom, right, top = aoi.bounds
    step = POINT_SPACING_M
    x, y = np.meshgrid(
        np.arange(np.ceil(left / step) * step, right, step), np.arange(np.ceil(bottom / step) * step, top, step)
    )
    inside = shapely.contains_xy(aoi, x, y)
    xy = np.column_stack([x[inside], y[inside]])
    fields = landscape.geometries[landscape.cover == Cover.CROP]
    hits = shapely.STRtree(fields).query(shapely.points(xy), predicate="intersects")[0]
    cultivated = np.zeros(len(xy), dtype=bool)
    cultivated[hits] = True
    return pa.table(
        [
            np.array([f"T{round(px / step):06d}{round(py / step):06d}" for px, py in xy], dtype=object),
            ea_ids[_containing(tree, xy)], cultivated, xy[:, 0], xy[:, 1], shapely.to_wkb(shapely.points(xy)),
        ],
        schema=POINTS_SCHEMA,
    )  # fmt: skip
