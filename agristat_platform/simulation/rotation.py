"""Which crop grows where in a season: rotation from one homologous season to the next, parcels merged and split.

Belongs here: the parcels' yearly state. Their lasting geometry is `landscape`'s, their growth `canopy`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Crop, CropNomenclature, SimulationSettings
from agristat_platform.simulation.landscape import Cover, Landscape
from agristat_platform.simulation.noise import Floats, smooth_field_at
from agristat_platform.simulation.profiles import FOLLOWS, Profile, crops_by_cover
from agristat_platform.simulation.seeding import generator

_SHORTEST_SHARED_SIDE_M = 25.0
_SMALLEST_SPLIT_M2 = 8_000.0


@dataclass(frozen=True)
class SeasonParcels:
    """All polygons of one season; arrays of one entry per polygon.

    `crop` is the position of the polygon's class in `classes`, the nomenclature's crops with their profiles.
    """

    classes: tuple[tuple[Crop, Profile], ...]
    identifiers: npt.NDArray[np.object_]
    geometries: npt.NDArray[np.object_]
    cover: npt.NDArray[np.int8]
    block: npt.NDArray[np.int32]
    crop: npt.NDArray[np.int16]

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Coordinates of the polygons' centroids, metres."""
        points = shapely.centroid(self.geometries)
        return shapely.get_x(points), shapely.get_y(points)


def parcels_of_season(
    landscape: Landscape,
    nomenclature: CropNomenclature,
    settings: SimulationSettings,
    seasons: Sequence[str],
    season: str,
) -> SeasonParcels:
    """The parcels and crops of a season.

    The chain always starts a year before the first of `seasons` (homologous ones, oldest first), so that a season
    is the same whether or not the earlier ones were asked for.
    """
    parcels = _initial(landscape, nomenclature, settings)
    for key in seasons[: seasons.index(season) + 1]:
        if key != seasons[0]:
            parcels = _change_parcels(parcels, settings, generator(settings.seed, "parcels", key))
        parcels = replace(parcels, crop=_next_crops(parcels, landscape, settings, key))
    return parcels


def _initial(landscape: Landscape, nomenclature: CropNomenclature, settings: SimulationSettings) -> SeasonParcels:
    by_cover = crops_by_cover(nomenclature, settings.profiles)
    classes = tuple(pair for pairs in by_cover.values() for pair in pairs)
    position = {crop.code: i for i, (crop, _) in enumerate(classes)}
    crop = np.zeros(len(landscape.identifiers), dtype=np.int16)
    for cover, pairs in by_cover.items():
        crop[landscape.cover == cover] = position[pairs[0][0].code]
    parcels = SeasonParcels(
        classes, landscape.identifiers, landscape.geometries, landscape.cover, landscape.block, crop
    )
    return replace(parcels, crop=_next_crops(parcels, landscape, settings, "before"))


def _next_crops(
    parcels: SeasonParcels, landscape: Landscape, settings: SimulationSettings, season: str
) -> npt.NDArray[np.int16]:
    """Draw each cultivated parcel's crop: its share, its place in the landscape, and what grew there before."""
    fields = np.flatnonzero(parcels.cover == Cover.CROP)
    choices = [i for i, (_, profile) in enumerate(parcels.classes) if profile.cover is Cover.CROP]
    x, y = (values[fields] for values in parcels.centres)
    weights = np.empty((len(fields), len(choices)))
    water = shapely.distance(shapely.points(x, y), landscape.river)
    left, bottom, right, top = landscape.extent
    reach = min(right - left, top - bottom)
    moist = smooth_field_at(generator(settings.seed, "irrigable"), x, y, 0.1 * reach)
    # some share of the land's width on either side of the river; a small landscape has its zones on a smaller scale too
    irrigable = 1.0 / (1.0 + np.exp((water - reach * (settings.irrigable_reach + 0.05 * moist)) / (0.016 * reach)))
    for column, i in enumerate(choices):
        crop, profile = parcels.classes[i]
        share = (settings.crop_shares or {}).get(crop.code, 0.0 if settings.crop_shares else profile.share)
        # a zone of some kilometres that lasts, and a neighbourhood that doesn't
        zone = smooth_field_at(generator(settings.seed, "zone", crop.code), x, y, 0.15 * reach)
        near = smooth_field_at(generator(settings.seed, "neighbourhood", crop.code, season), x, y, 0.045 * reach)
        place = 4.5 * irrigable if profile.irrigated else 1.0 - 0.6 * irrigable
        weights[:, column] = share * place * np.exp(0.75 * zone + 0.55 * near)
        if season != "before":
            weights[:, column] *= _following(parcels, fields, profile)
    total = weights.sum(axis=1, keepdims=True)
    # a parcel where nothing may follow what grew there keeps the landscape's shares
    weights = np.where(total > 0, weights, np.array([max(parcels.classes[i][1].share, 1e-9) for i in choices]))
    cumulated = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    draws = generator(settings.seed, "crop", season).random(len(fields))
    chosen = np.minimum((draws[:, None] > cumulated).sum(axis=1), len(choices) - 1)
    crop_index = parcels.crop.copy()
    crop_index[fields] = np.array(choices, dtype=np.int16)[chosen]
    return crop_index


def _following(parcels: SeasonParcels, fields: npt.NDArray[np.intp], profile: Profile) -> Floats:
    table = np.array([FOLLOWS.get(before.name, {}).get(profile.name, 0.02) for _, before in parcels.classes])
    return np.asarray(table[parcels.crop[fields]], dtype=np.float64)


def _change_parcels(parcels: SeasonParcels, settings: SimulationSettings, rng: np.random.Generator) -> SeasonParcels:
    """Merge some neighbours within a block and split some large parcels; the partition stays exact."""
    fields = np.flatnonzero(parcels.cover == Cover.CROP)
    areas = shapely.area(parcels.geometries)
    touched: set[int] = set()
    gone: set[int] = set()
    geometries = parcels.geometries.copy()
    names = parcels.identifiers.copy()
    added: list[tuple[str, BaseGeometry, int]] = []
    merges = round(settings.merged_share * len(fields) / 2)
    for here, there in _neighbours(rng, parcels, fields):
        if merges == 0:
            break
        if here in touched or there in touched:
            continue
        union = shapely.union(geometries[here], geometries[there])
        if union.geom_type != "Polygon":
            continue
        keep, drop = (here, there) if areas[here] >= areas[there] else (there, here)
        names[keep] = f"{names[keep]}+{names[drop]}"
        geometries[keep] = union
        touched |= {here, there}
        gone.add(drop)
        merges -= 1
    splits = round(settings.split_share * len(fields))
    for number in rng.permutation(fields[areas[fields] > 2 * _SMALLEST_SPLIT_M2]):
        if splits == 0:
            break
        halves = _halves(geometries[number]) if number not in touched else None
        if halves is None:
            continue
        added.append((f"{names[number]}b", halves[1], int(number)))
        names[number], geometries[number] = f"{names[number]}a", halves[0]
        touched.add(int(number))
        splits -= 1
    keep_rows = np.array([i for i in range(len(names)) if i not in gone], dtype=np.intp)
    order = np.concatenate([keep_rows, np.array([number for _, _, number in added], dtype=np.intp)])
    new_geometries = np.empty(len(order), dtype=object)
    new_geometries[:] = [*geometries[keep_rows], *(geometry for _, geometry, _ in added)]
    new_names = np.array([*names[keep_rows], *(name for name, _, _ in added)], dtype=object)
    return replace(
        parcels,
        identifiers=new_names,
        geometries=new_geometries,
        cover=parcels.cover[order],
        block=parcels.block[order],
        crop=parcels.crop[order],
    )


def _neighbours(
    rng: np.random.Generator, parcels: SeasonParcels, fields: npt.NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Pairs of parcels of one block that share a side, in random order."""
    shapes = parcels.geometries[fields]
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = np.column_stack([fields[first], fields[second]])[first < second]
    pairs = pairs[parcels.block[pairs[:, 0]] == parcels.block[pairs[:, 1]]]
    pairs = pairs[rng.permutation(len(pairs))][:600]
    shared = shapely.length(shapely.intersection(parcels.geometries[pairs[:, 0]], parcels.geometries[pairs[:, 1]]))
    return [(int(a), int(b)) for a, b in pairs[shared > _SHORTEST_SHARED_SIDE_M]]


def _halves(polygon: BaseGeometry) -> tuple[BaseGeometry, BaseGeometry] | None:
    """Both sides of a line across the polygon's middle; None when that doesn't give two plain polygons."""
    box = np.asarray(shapely.minimum_rotated_rectangle(polygon).exterior.coords)[:4]
    sides = [box[1] - box[0], box[3] - box[0]]
    long, short = sorted(sides, key=lambda side: -float(np.hypot(*side)))
    corner = box[0] + 0.5 * long - short
    half = shapely.Polygon([corner, corner + long, corner + long + 3 * short, corner + 3 * short])
    parts = shapely.intersection(polygon, half), shapely.difference(polygon, half)
    if any(part.geom_type != "Polygon" or part.area < _SMALLEST_SPLIT_M2 / 2 for part in parts):
        return None
    return parts
