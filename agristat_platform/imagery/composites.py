"""Masked composites per interval on the region's grid: medians of reflectance and temperature, means of radar power.

Work runs in blocks of rows; a pixel's value depends on neither the block size nor the order of the scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pystac
from numpy.typing import NDArray

from agristat_platform.catalogue import Grid, ImagerySource, Interval, item_intervals
from agristat_platform.imagery.collections import Band, Collection, collection_table, requested_bands
from agristat_platform.imagery.encoding import acquisition_of, collection_of, epsg_of, moment_of, tile_of
from agristat_platform.imagery.errors import NoScenesLeftError
from agristat_platform.imagery.exact_copy import copy_exactly
from agristat_platform.imagery.layers import LAYERS_SCHEMA, STORAGE, CompositeWriter, layer_row
from agristat_platform.imagery.masks import CLEAR, DATA_MISSING
from agristat_platform.imagery.medians import first_with_data, masked_mean, masked_median
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.scenes import Progress, aoi_pixels, kept_items, row_blocks

BLOCK_ROWS = 256

Overpass = list[pystac.Item]


@dataclass(frozen=True)
class CompositeSet:
    """What was built: the layers table (LAYERS_SCHEMA) and the files its rows name."""

    layers: pa.Table
    files: list[Path]


def build_composites(
    scenes: pa.Table,
    grid: Grid,
    intervals: Sequence[Interval] | None,
    imagery: ImagerySource,
    target_dir: Path,
    *,
    aoi_projected: Any | None = None,
    block_rows: int = BLOCK_ROWS,
    progress: Progress | None = None,
) -> CompositeSet:
    """One COG per collection with each requested band in each interval.

    Tiles of one overpass that overlap are merged first: a place is taken from one tile, that of the grid's own zone
    where it has data. Then, over the overpasses of an interval, the median of clear reflectance and of temperature, or
    the mean of radar power. Places without any clear observation stay missing.

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
        Bands per collection.
    target_dir:
        Folder for `<collection>.tif`.
    aoi_projected:
        Area that shares in the layers table refer to, grid's CRS; None: the whole grid.
    block_rows:
        Rows worked on at once; bounds memory.
    progress:
        Called with ("composites <collection>", done, all blocks × intervals).

    Raises
    ------
    NoScenesLeftError
        A collection has no kept scene.
    UnreadableSceneError, GridMismatchError
    """
    items = kept_items(scenes)
    if imagery.interval == "item" or intervals is None:
        intervals = periods_of(items)
    aoi = np.ones(grid.shape, bool) if aoi_projected is None else aoi_pixels(aoi_projected, grid)
    rows: list[dict[str, Any]] = []
    files: list[Path] = []
    for name, band_names in requested_bands(imagery.collections).items():
        table = collection_table(name)
        own = [item for item in items if collection_of(item) is table]
        if not own:
            raise NoScenesLeftError(
                "no scene to composite", where=f"collection {name}", remedy="See the reasons in the scenes table"
            )
        bands = [table.band(band) for band in band_names]
        target = target_dir / f"{name}.tif"
        build = _Build(table, bands, list(intervals), own, grid, aoi, imagery.interval == "item", block_rows, progress)
        rows += build.write(target)
        files.append(target)
    return CompositeSet(pa.Table.from_pylist(rows, schema=LAYERS_SCHEMA), files)


def periods_of(items: Sequence[pystac.Item]) -> list[Interval]:
    """Each distinct period of the items as an interval of its own, oldest first."""
    return item_intervals(_period(item) for item in items)


def _period(item: pystac.Item) -> tuple[date, date]:
    """First day and first day after of what an item shows."""
    first = moment_of(item).date()
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    if start is None or end is None:
        return first, first + timedelta(days=1)
    return start.astimezone(UTC).date(), end.astimezone(UTC).date() + timedelta(days=1)


@dataclass(frozen=True)
class _Build:
    """The composites of one collection."""

    table: Collection
    bands: list[Band]
    intervals: list[Interval]
    items: list[pystac.Item]
    grid: Grid
    aoi: NDArray[np.bool_]
    by_item: bool
    block_rows: int
    progress: Progress | None

    def write(self, target: Path) -> list[dict[str, Any]]:
        """Write the file, return its rows of the layers table."""
        blocks = row_blocks(self.grid.height, self.block_rows)
        overpasses = [self._overpasses(interval) for interval in self.intervals]
        count = len(self.intervals) * len(self.bands)
        valid, observations = np.zeros(count, np.int64), np.zeros(count, np.int64)
        done = 0
        with (
            CompositeWriter(target, self.grid, self.table, self.bands, self.intervals) as writer,
            SceneReader(self.grid) as reader,
        ):
            for rows in blocks:
                inside = self.aoi[rows]
                for number in range(len(self.intervals)):
                    composed = self._compose(reader, overpasses[number], rows)
                    for offset, (pixels, counts) in enumerate(composed):
                        layer = number * len(self.bands) + offset
                        writer.write(layer + 1, rows, pixels)
                        valid[layer] += int(np.count_nonzero((counts > 0) & inside))
                        observations[layer] += int(counts[inside].sum(dtype=np.int64))
                    done += 1
                    if self.progress is not None:
                        self.progress(f"composites {self.table.name}", done, len(blocks) * len(self.intervals))
            order = writer.order
        size = int(np.count_nonzero(self.aoi))
        return [
            layer_row(
                target.name, i + 1, self.table, band, interval, float(valid[i] / size), float(observations[i] / size)
            )
            for i, (interval, band) in enumerate(order)
        ]

    def _overpasses(self, interval: Interval) -> list[Overpass]:
        """The interval's scenes by overpass, each with the tile of the grid's own zone first."""
        groups: dict[tuple[str, ...], Overpass] = {}
        for item in self.items:
            if self._falls_into(item, interval):
                groups.setdefault(acquisition_of(item), []).append(item)
        for group in groups.values():
            group.sort(key=lambda item: (f"EPSG:{epsg_of(item)}" != self.grid.crs.upper(), tile_of(item), item.id))
        return [groups[key] for key in sorted(groups)]

    def _falls_into(self, item: pystac.Item, interval: Interval) -> bool:
        if self.by_item:
            return _period(item) == (interval.start, interval.end)
        return interval.start <= moment_of(item).date() < interval.end

    def _compose(
        self, reader: SceneReader, overpasses: list[Overpass], rows: slice
    ) -> list[tuple[NDArray[Any], NDArray[np.uint16]]]:
        """Stored pixels and number of observations of each band on some rows."""
        shape = (rows.stop - rows.start, self.grid.width)
        if self.by_item and self.table.is_composite:
            return [copy_exactly(overpasses, self.table, band, self.grid, rows) for band in self.bands]
        owners = None
        if self.table.mask_rule is not None:
            owners = [self._clear_owner(reader, overpass, rows) for overpass in overpasses]
        composed = []
        for band in self.bands:
            storage = STORAGE[band.kind]
            stack = np.full((len(overpasses), *shape), storage.nodata, storage.dtype)
            for number, overpass in enumerate(overpasses):
                owner = None if owners is None else owners[number]
                self._merge(reader, overpass, band, rows, owner, stack[number])
            if band.kind == "radar":
                composed.append(masked_mean(stack))
            else:
                composed.append(masked_median(stack, int(storage.nodata)))
        return composed

    def _clear_owner(self, reader: SceneReader, overpass: Overpass, rows: slice) -> NDArray[np.int16]:
        """Tile of an overpass that each place is taken from; −1 without data or without clear ground there."""
        skies = [reader.sky(item, self.table, rows) for item in overpass]
        owner = first_with_data([sky != DATA_MISSING for sky in skies])
        for index, sky in enumerate(skies):
            owner[(owner == index) & (sky != CLEAR)] = -1
        return owner

    def _merge(
        self,
        reader: SceneReader,
        overpass: Overpass,
        band: Band,
        rows: slice,
        owner: NDArray[np.int16] | None,
        merged: NDArray[Any],
    ) -> None:
        """Fill `merged`, missing everywhere, with the stored pixels of one overpass."""
        for index, item in enumerate(overpass):
            wanted = _missing(merged, band) if owner is None else owner == index
            if wanted.any():
                np.copyto(merged, reader.composite_pixels(item, self.table, band, rows), where=wanted)


def _missing(pixels: NDArray[Any], band: Band) -> NDArray[np.bool_]:
    """Where stored pixels of a band are missing."""
    nodata = STORAGE[band.kind].nodata
    return np.isnan(pixels) if np.isnan(nodata) else pixels == nodata
