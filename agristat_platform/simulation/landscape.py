"""The lie of the land: blocks between roads, parcels, river, woods, villages. It holds for every season.

Belongs here: polygons and what kind of cover they carry. Which crop grows where in a season is `rotation`'s matter.
The polygons are an exact partition of the landscape's extent: whatever isn't field, wood, water or village is a
margin (track, hedge, ditch) with grass on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import SimulationSettings
from agristat_platform.simulation import convex
from agristat_platform.simulation.noise import smooth_field_at
from agristat_platform.simulation.seeding import generator

Bounds = tuple[float, float, float, float]
SQUARE_METRES_PER_HA = 10_000.0
_SMALLEST_PARCEL_M2 = 600.0
_TRACK_HALF_WIDTH_M = 3.0
_SMALLHOLDING_HA = 0.3


class Cover(IntEnum):
    """Lasting kinds of land cover; the crop on `CROP` changes by season, the others stay."""

    CROP = 0
    GRASS = 1
    WOOD = 2
    WATER = 3
    BUILT = 4


@dataclass(frozen=True)
class Landscape:
    """An exact partition of `extent` into polygons (region CRS, metres).

    Attributes
    ----------
    identifiers, geometries, cover, block:
        One entry per polygon: "P00001", shapely Polygon or MultiPolygon, `Cover`, number of the field block (-1: none).
    roads:
        Centre lines of the main roads: where an observer in a car gets to.
    river:
        Centre line of the river; land near it can be irrigated.
    villages:
        Centres of the villages, shape (n, 2).
    """

    extent: Bounds
    identifiers: npt.NDArray[np.object_]
    geometries: npt.NDArray[np.object_]
    cover: npt.NDArray[np.int8]
    block: npt.NDArray[np.int32]
    roads: BaseGeometry
    river: BaseGeometry
    villages: npt.NDArray[np.float64]


@dataclass
class _Builder:
    geometries: list[BaseGeometry] = field(default_factory=list)
    cover: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)

    def add(self, geometry: BaseGeometry, cover: Cover, block: int) -> None:
        if geometry.area > 0:
            self.geometries.append(geometry)
            self.cover.append(int(cover))
            self.block.append(block)


def build_landscape(extent: Bounds, settings: SimulationSettings) -> Landscape:
    """Lay out a landscape over `extent` (left, bottom, right, top in metres); the same settings give the same land.

    About `cultivated_share` of the area becomes parcels with a mean of `mean_parcel_ha`, of which `small_parcel_share`
    (by number) are below 0.5 ha.
    """
    rng = generator(settings.seed, "landscape")
    rings, road_lines = _field_blocks(rng, extent)
    river = _river(rng, extent)
    villages = _villages(rng, extent)
    roads = shapely.union_all(road_lines) if road_lines else shapely.LineString()
    overlays = _overlays(rng, extent, river, roads, villages)
    reserved = shapely.union_all([geometry for geometry, _ in overlays])
    shapely.prepare(reserved)
    builder = _Builder()
    for geometry, cover in overlays:
        builder.add(geometry, cover, -1)
    covers = _block_covers(rng, rings, settings.cultivated_share, reserved)
    closeness = _closeness(rings, villages)
    for number, (ring, cover) in enumerate(zip(rings, covers, strict=True)):
        block_rng = generator(settings.seed, "block", number)
        _fill_block(block_rng, builder, number, ring, cover, reserved, float(closeness[number]), settings)
    identifiers = np.array([f"P{i:05d}" for i in range(1, len(builder.geometries) + 1)], dtype=object)
    geometries = np.empty(len(identifiers), dtype=object)
    geometries[:] = builder.geometries
    return Landscape(
        extent,
        identifiers,
        geometries,
        np.array(builder.cover, dtype=np.int8),
        np.array(builder.block, dtype=np.int32),
        roads,
        river,
        villages,
    )


def _field_blocks(rng: np.random.Generator, extent: Bounds) -> tuple[list[convex.Ring], list[BaseGeometry]]:
    """Blocks of 10–50 ha by repeated cuts; the first cuts are the main roads."""
    left, bottom, right, top = extent
    whole = np.array([[left, bottom], [right, bottom], [right, top], [left, top]], dtype=np.float64)
    pending = [(whole, 0)]
    blocks: list[convex.Ring] = []
    roads: list[BaseGeometry] = []
    while pending:
        ring, depth = pending.pop()
        largest = SQUARE_METRES_PER_HA * float(np.clip(rng.lognormal(np.log(26.0), 0.45), 10.0, 60.0))
        if convex.area(ring) <= largest:
            blocks.append(ring)
            continue
        # early cuts tilt freely, so that neighbouring parts of the landscape run in different directions
        halves = convex.cut_across(rng, ring, tilt=0.28 if depth < 3 else 0.09, low=0.36, high=0.64)
        if halves is None:
            blocks.append(ring)
            continue
        if depth < 3:
            shared = shapely.intersection(shapely.Polygon(halves[0]), shapely.Polygon(halves[1]))
            if shared.length > 0:
                roads.append(shared)
        pending += [(halves[0], depth + 1), (halves[1], depth + 1)]
    return blocks, roads


def _river(rng: np.random.Generator, extent: Bounds) -> BaseGeometry:
    left, bottom, right, top = extent
    along = np.linspace(-0.05, 1.05, 160)
    start, end = rng.uniform(0.15, 0.45), rng.uniform(0.45, 0.85)
    reach = right - left
    bends = sum(
        rng.uniform(0.5, 1.0) * 55.0 * k**-0.7 * np.sin(2 * np.pi * (k * reach / 3000.0 * along + rng.uniform()))
        for k in range(1, 6)
    )
    y = bottom + (top - bottom) * (start + (end - start) * along) + bends
    return shapely.LineString(np.column_stack([left + reach * along, y]))


def _villages(rng: np.random.Generator, extent: Bounds) -> npt.NDArray[np.float64]:
    left, bottom, right, top = extent
    count = max(1, round((right - left) * (top - bottom) / 2.2e7))
    x, y = rng.uniform(0.12, 0.88, (2, count))
    return np.column_stack([left + x * (right - left), bottom + y * (top - bottom)])


def _blob(rng: np.random.Generator, x: float, y: float, radius: float, roughness: float) -> BaseGeometry:
    angles = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    shape = 1.0 + sum(
        roughness / k * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) * rng.uniform(0.4, 1.0) for k in range(2, 6)
    )
    return shapely.Polygon(np.column_stack([x + radius * shape * np.cos(angles), y + radius * shape * np.sin(angles)]))


def _overlays(
    rng: np.random.Generator,
    extent: Bounds,
    river: BaseGeometry,
    roads: BaseGeometry,
    villages: npt.NDArray[np.float64],
) -> list[tuple[BaseGeometry, Cover]]:
    """What takes its place before the fields do, each without what came before it: water, roads, houses, woods."""
    left, bottom, right, top = extent
    size_km2 = (right - left) * (top - bottom) / 1e6

    def place() -> tuple[float, float]:
        return float(rng.uniform(left, right)), float(rng.uniform(bottom, top))

    ponds = [_blob(rng, *place(), radius, 0.25) for radius in rng.uniform(45, 110, max(2, round(size_km2 / 9)))]
    banks = river.buffer(26.0 + 8.0)
    houses = [_blob(rng, x, y, rng.uniform(110, 190), 0.25) for x, y in villages]
    farmsteads = [
        shapely.box(x - 25, y - 18, x + 25, y + 18) for x, y in (place() for _ in range(round(size_km2 * 0.7)))
    ]
    woods = [_blob(rng, *place(), radius, 0.4) for radius in rng.uniform(60, 230, max(3, round(size_km2 / 2.6)))]
    layers: list[tuple[list[BaseGeometry], Cover]] = [
        ([river.buffer(11.0), *ponds], Cover.WATER),
        ([roads.buffer(5.0), *houses, *farmsteads], Cover.BUILT),
        ([banks, *woods], Cover.WOOD),
    ]
    taken: BaseGeometry = shapely.Polygon()
    placed: list[tuple[BaseGeometry, Cover]] = []
    frame = shapely.box(*extent)
    for shapes, cover in layers:
        merged = shapely.difference(shapely.intersection(shapely.union_all(shapes), frame), taken)
        placed += [(part, cover) for part in _polygons(merged)]
        taken = shapely.union_all([taken, merged])
    return placed


def _block_covers(
    rng: np.random.Generator, rings: list[convex.Ring], cultivated_share: float, reserved: BaseGeometry
) -> list[Cover]:
    """Blocks turned to pasture or wood, in smooth clusters, until the wanted share of the land is left to crops."""
    centres = np.array([ring.mean(axis=0) for ring in rings])
    free = np.array([shapely.difference(shapely.Polygon(ring), reserved).area for ring in rings])
    roughness = smooth_field_at(rng, centres[:, 0], centres[:, 1], 900.0) + 0.6 * rng.standard_normal(len(rings))
    wooded = smooth_field_at(rng, centres[:, 0], centres[:, 1], 700.0)
    total = sum(convex.area(ring) for ring in rings)
    # tracks and hedges will take some 4 % of the fields' blocks
    wanted = cultivated_share * total / 0.96
    covers = [Cover.CROP] * len(rings)
    left_over = float(free.sum())
    for number in np.argsort(-roughness, kind="stable"):
        if left_over - 0.5 * free[number] <= wanted:
            break
        covers[number] = Cover.WOOD if wooded[number] > 0.9 else Cover.GRASS
        left_over -= float(free[number])
    return covers


def _closeness(rings: list[convex.Ring], villages: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How near to a village each block lies, on average 1: smallholdings cluster there."""
    centres = np.array([ring.mean(axis=0) for ring in rings])
    distance = np.min(np.hypot(*(centres[:, None, :] - villages).transpose(2, 0, 1)), axis=1)
    near = 0.5 + 2.0 * np.exp(-distance / 600.0)
    return np.asarray(near / near.mean())


def _fill_block(
    rng: np.random.Generator,
    builder: _Builder,
    number: int,
    ring: convex.Ring,
    cover: Cover,
    reserved: BaseGeometry,
    closeness: float,
    settings: SimulationSettings,
) -> None:
    block = shapely.difference(shapely.Polygon(ring), reserved)
    inner = shapely.Polygon(ring).buffer(-_TRACK_HALF_WIDTH_M, join_style="mitre")
    if inner.is_empty or block.is_empty:
        for part in _polygons(block):
            builder.add(part, Cover.GRASS, number)
        return
    core = shapely.orient_polygons(inner)
    inner_ring = np.asarray(core.exterior.coords)[:-1]
    parcels: list[BaseGeometry] = []
    for piece in _parcel_rings(rng, inner_ring, cover, closeness, settings):
        shape = shapely.Polygon(piece)
        if cover is Cover.CROP and rng.random() < 0.22:
            hedged = shape.buffer(-rng.uniform(0.8, 2.5), join_style="mitre")
            shape = hedged if not hedged.is_empty else shape
        for part in _polygons(shapely.difference(shape, reserved) if reserved.intersects(shape) else shape):
            if part.area >= _SMALLEST_PARCEL_M2:
                parcels.append(part)
    for parcel in parcels:
        builder.add(parcel, cover, number)
    builder.add(shapely.difference(block, shapely.union_all(parcels)), Cover.GRASS, number)


def _parcel_rings(
    rng: np.random.Generator,
    ring: convex.Ring,
    cover: Cover,
    closeness: float,
    settings: SimulationSettings,
) -> list[convex.Ring]:
    """Cut a block into parcels; now and then a parcel's place goes to a group of smallholdings, rather near villages."""
    share = settings.small_parcel_share if cover is Cover.CROP else 0.0
    large_ha = max(0.6, (settings.mean_parcel_ha - _SMALLHOLDING_HA * share) / (1.0 - share))
    # overlays cut parcels too and leave small ones
    groups = max(0.0, share - 0.02)
    pieces = max(2.0, large_ha / _SMALLHOLDING_HA)
    chance = closeness * groups / (pieces * (1 - groups) + groups)
    block_scale = float(rng.lognormal(0.0, 0.30))
    pending = [(ring, False)]
    finished: list[convex.Ring] = []
    while pending:
        piece, small = pending.pop()
        size_ha = convex.area(piece) / SQUARE_METRES_PER_HA
        wanted = rng.uniform(0.21, 0.36) if small else large_ha * block_scale * float(rng.lognormal(0.0, 0.35))
        if size_ha <= wanted * 1.7:
            if not small and rng.random() < chance and size_ha > 0.8:
                pending.append((piece, True))
            else:
                finished.append(piece)
            continue
        halves = convex.cut_across(rng, piece, tilt=0.02, low=0.36, high=0.64)
        if halves is None:
            finished.append(piece)
        else:
            pending += [(halves[0], small), (halves[1], small)]
    return finished


def _polygons(geometry: BaseGeometry) -> list[BaseGeometry]:
    """The polygons of a geometry, without lines and points that an intersection may leave."""
    parts = shapely.get_parts(geometry)
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
