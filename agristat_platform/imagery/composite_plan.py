"""What composites of a region and season consist of, and how the work is cut into tiles: decided before a pixel is read.

A plan follows from its inputs alone, so a worker makes it again instead of being handed it. Tiles bound memory and let
work be shared and resumed; no value depends on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pystac

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, Interval, item_intervals
from agristat_platform.imagery.collections import Band, Collection, collection_table, requested_bands
from agristat_platform.imagery.composite_area import CountedArea, counted_area
from agristat_platform.imagery.composite_key import content_key
from agristat_platform.imagery.composite_tiling import TileUnit, Work, block_edge, tile_shape, tiles
from agristat_platform.imagery.encoding import collection_of, moment_of, orbit_direction, period_of
from agristat_platform.imagery.errors import NoScenesLeftError, RepeatedSceneError
from agristat_platform.imagery.scenes import kept_items

SEASON = 0  # number of the "interval" that is the whole season
ORBIT_SUFFIX = {"ascending": "asc", "descending": "des"}


@dataclass(frozen=True)
class PlannedLayer:
    """One band of one composite file: `interval` None is the whole season, `orbit` None is any."""

    file: str
    band_index: int
    collection: str
    band: Band
    layer: str
    interval: Interval | None
    statistic: str
    orbit: str | None = None
    percentile: float | None = None

    @property
    def label(self) -> str:
        """Name of its interval in columns and files."""
        return self.interval.label if self.interval is not None else "season"


@dataclass(frozen=True)
class CompositePlan:
    """Layers, the units that compute them, and the inputs both follow from.

    `key` is a hash of everything that decides the content of a unit's file: finished units of an equal key can be used.
    """

    key: str
    grid: Grid
    imagery: ImagerySource
    area: CountedArea
    items: dict[str, list[pystac.Item]]
    layers: tuple[PlannedLayer, ...]
    units: tuple[TileUnit, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the composite files, in the order of the layers."""
        return tuple(dict.fromkeys(layer.file for layer in self.layers))

    def table(self, collection: str) -> Collection:
        """Band table of a collection of the plan."""
        return collection_table(collection)

    def request(self, collection: str) -> CollectionRequest:
        """What the region's file asks of a collection, under whichever of its names."""
        table = collection_table(collection)
        return next(req for name, req in self.imagery.collections.items() if collection_table(name) is table)


def plan_composites(
    scenes: pa.Table,
    grid: Grid,
    intervals: Sequence[Interval] | None,
    imagery: ImagerySource,
    *,
    aoi_projected: Any | None = None,
    tile_rows: int | None = None,
    tile_cols: int | None = None,
) -> CompositePlan:
    """Plan the composites of a season.

    Parameters
    ----------
    scenes:
        Table of `assess_scenes`; rows that are not kept are left out.
    grid:
        Region's pixel grid.
    intervals:
        Of the season; None where `imagery.interval` is "item": then the items' own periods, and ready composites
        are copied pixel by pixel.
    imagery:
        Bands, methods, masks and filters.
    aoi_projected:
        Area that shares in the layers table refer to, grid's CRS; None: the whole grid.
    tile_rows, tile_cols:
        Largest tile; None: by the memory that its work takes. The composites are the same for any.

    Raises
    ------
    NoScenesLeftError
        A collection has no kept scene.
    RepeatedSceneError
        A scene is in the table twice.
    AoiOutsideImageryError
        No ground of the area lies on the grid.
    """
    items = kept_items(scenes)
    _require_once(items)
    if imagery.interval == "item" or intervals is None:
        intervals = item_intervals(period_of(item) for item in items)
    by_collection: dict[str, list[pystac.Item]] = {}
    layers: list[PlannedLayer] = []
    units: list[TileUnit] = []
    for name, band_names in requested_bands(imagery.collections).items():
        table = collection_table(name)
        own = [item for item in items if collection_of(item) is table]
        if not own:
            raise NoScenesLeftError(
                "no scene to composite", where=f"collection {name}", remedy="See the reasons in the scenes table"
            )
        by_collection[name] = own
        request = next(req for given, req in imagery.collections.items() if collection_table(given) is table)
        planner = _Planner(table, [table.band(band) for band in band_names], request, imagery, intervals, own)
        for work, planned in planner.jobs():
            first = len(layers)
            layers += planned
            indices = tuple(range(first, len(layers)))
            units += _tiled(grid, work, name, planned, indices, own, (tile_rows, tile_cols))
    area = counted_area(aoi_projected, grid)
    cut = [(unit.name, unit.rows.stop, unit.cols.stop) for unit in units]
    key = content_key(grid, imagery, intervals, by_collection, aoi_projected, cut)
    return CompositePlan(key, grid, imagery, area, by_collection, tuple(layers), tuple(units))


def _require_once(items: Sequence[pystac.Item]) -> None:
    """Each scene once: one that counts twice would outvote the others."""
    times = Counter((collection_of(item).name, item.id) for item in items)
    repeated = [f"{name} {scene}" for (name, scene), count in times.items() if count > 1]
    if repeated:
        raise RepeatedSceneError(
            f"{len(repeated)} scenes are in the scenes table more than once",
            where=", ".join(repeated[:5]),
            remedy="Assess all scenes of the season in one go; assess_season drops repeats",
        )


@dataclass(frozen=True)
class _Planner:
    """The layers of one collection, as jobs that are computed together."""

    table: Collection
    bands: list[Band]
    request: CollectionRequest
    imagery: ImagerySource
    intervals: Sequence[Interval]
    items: list[pystac.Item]

    def jobs(self) -> list[tuple[Work, list[PlannedLayer]]]:
        if self.imagery.interval == "item" and self.table.is_composite:
            return [("copy", self._optical(interval, "composite", self.bands)) for interval in self.intervals]
        if self.table.kind == "radar":
            return self._radar_jobs()
        method = self.request.method or self.imagery.method
        jobs: list[tuple[Work, list[PlannedLayer]]] = []
        whole_spectrum = method not in ("median", "mean")
        for interval in self.intervals:
            optical = [band for band in self.bands if band.kind == "optical"]
            rest = [band for band in self.bands if band.kind != "optical"]
            if not whole_spectrum:
                jobs.append(("bands", self._optical(interval, method, self.bands)))
                continue
            spectra = self._optical(interval, method, optical)
            if spectra:
                jobs.append(("spectra", spectra))
            if rest:  # temperature has another unit than reflectance: distances must not add over them
                jobs.append(("bands", self._optical(interval, "median", rest, after=len(spectra))))
        percentiles = self._percentiles()
        if percentiles:
            jobs.append(("percentiles", percentiles))
        return jobs

    def _file(self, label: str) -> str:
        return f"{self.table.name}_{label}.tif"

    def _optical(self, interval: Interval, statistic: str, bands: list[Band], after: int = 0) -> list[PlannedLayer]:
        return [
            PlannedLayer(
                self._file(interval.label), after + k, self.table.name, band, band.name, interval, statistic
            )
            for k, band in enumerate(bands, start=1)
        ]  # fmt: skip

    def _percentiles(self) -> list[PlannedLayer]:
        optical = [band for band in self.bands if band.kind == "optical"]
        asked = [(band, q) for band in optical for q in dict.fromkeys(self.imagery.percentiles)]
        return [
            PlannedLayer(
                self._file("season"),
                k,
                self.table.name,
                band,
                f"{band.name}_{_percentile_name(q)}",
                None,
                f"p{q:g}",
                percentile=q,
            )
            for k, (band, q) in enumerate(asked, start=1)
        ]

    def _radar_jobs(self) -> list[tuple[Work, list[PlannedLayer]]]:
        orbits = self._orbits()
        by_interval = []
        for interval in self.intervals:
            pairs = [(orbit, band) for orbit in orbits for band in self.bands]
            by_interval.append(
                [
                    PlannedLayer(
                        self._file(interval.label), k, self.table.name, band, _radar_layer(band, orbit), interval,
                        "mean", orbit,
                    )
                    for k, (orbit, band) in enumerate(pairs, start=1)
                ]
            )  # fmt: skip
        if self.imagery.speckle_filter is None:
            return [("radar", planned) for planned in by_interval]
        # the filter looks at all dates of the season for every interval
        return [("speckle", [layer for planned in by_interval for layer in planned])]

    def _orbits(self) -> list[str | None]:
        if self.request.orbits != "apart":
            wanted = self.request.orbits
            if not any(orbit_direction(item) == wanted for item in self.items):
                raise NoScenesLeftError(
                    f"no {wanted} pass among {len(self.items)} scenes",
                    where=f"collection {self.table.name}",
                    remedy="Set orbits to the other direction, or to apart",
                )
            return [wanted]
        found = {orbit_direction(item) for item in self.items}
        return sorted(found, key=lambda orbit: orbit or "")


def _percentile_name(percentile: float) -> str:
    """p10; p33_3 for 33.3, since names become columns and a dot in one would have to be quoted in SQL."""
    return f"p{percentile:g}".replace(".", "_")


def _radar_layer(band: Band, orbit: str | None) -> str:
    return band.name if orbit is None else f"{band.name}_{ORBIT_SUFFIX[orbit]}"


def _tiled(
    grid: Grid,
    work: Work,
    collection: str,
    planned: list[PlannedLayer],
    indices: tuple[int, ...],
    items: Sequence[pystac.Item],
    largest: tuple[int | None, int | None],
) -> list[TileUnit]:
    """The same layers on every tile of the grid, row by row."""
    label = planned[0].label if work != "speckle" else "season"
    part = f"{collection}_{label}" + ("" if work != "bands" else "_bands")
    together = len({layer.label for layer in planned}) if work == "speckle" else len(planned)
    shape = tile_shape(work, together, _scenes_at_once(work, planned[0].interval, items))
    return [
        TileUnit(f"{part}_r{rows.start:06d}_c{cols.start:06d}", work, collection, rows, cols, indices)
        for rows, cols in tiles(grid, shape, block_edge(items, grid), largest)
    ]


def _scenes_at_once(work: Work, interval: Interval | None, items: Sequence[pystac.Item]) -> int:
    """How many of a collection's scenes a layer is made from."""
    if interval is None or work == "speckle":
        return len(items)
    return sum(interval.start <= moment_of(item).date() < interval.end for item in items)


def items_of_layer(plan: CompositePlan, layer: PlannedLayer) -> list[pystac.Item]:
    """Scenes that a layer is made from: of its interval, and of its orbit direction where it has one."""
    own = plan.items[layer.collection]
    if layer.orbit is not None:
        own = [item for item in own if orbit_direction(item) == layer.orbit]
    interval = layer.interval
    if interval is None:
        first, last = season_of(plan)
        return [item for item in own if first <= moment_of(item).date() < last]
    if plan.imagery.interval == "item":
        return [item for item in own if period_of(item) == (interval.start, interval.end)]
    return [item for item in own if interval.start <= moment_of(item).date() < interval.end]


def season_of(plan: CompositePlan) -> tuple[Any, Any]:
    """First day of the season's intervals and the first day after the last."""
    intervals = [layer.interval for layer in plan.layers if layer.interval is not None]
    return min(i.start for i in intervals), max(i.end for i in intervals)


def days_of(items: Sequence[pystac.Item]) -> list[int]:
    """Day of each scene as a number."""
    return [moment_of(item).date().toordinal() for item in items]


def middle_of(interval: Interval) -> float:
    """The interval's middle as a day number, halves possible."""
    return interval.start.toordinal() + (interval.end - timedelta(days=1) - interval.start).days / 2
