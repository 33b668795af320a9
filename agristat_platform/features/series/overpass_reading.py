"""A season's optical overpasses, each read once, block by block: what is seen, what is clear, and the bands' numbers.

Belongs here: going through scenes. What is made of a block (sums per segment, pixels of an index) is the business of the
listeners, so that several of them share one decoding of every block of a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import Grid, ImagerySource
from agristat_platform.features.series.series_plan import SeriesPlan, SeriesSource
from agristat_platform.imagery import (
    CLEAR,
    DATA_MISSING,
    STORAGE,
    Overpass,
    SceneFile,
    SceneReader,
    collection_table,
    kept_items,
    mask_bands,
    merged_pixels,
    observation_day,
    overpasses_of,
    reading_blocks,
    scene_file,
    tile_skies,
)


@dataclass(frozen=True)
class SeriesOverpass:
    """One overpass of a collection that gives an index."""

    day: date
    source: SeriesSource
    tiles: Overpass

    @property
    def platform(self) -> str:
        """The satellite, "" where the item does not say."""
        return str(self.tiles[0].properties.get("platform", ""))


@dataclass(frozen=True)
class Block:
    """A rectangle of the grid as one overpass shows it.

    Attributes
    ----------
    rows, cols:
        Of the grid.
    seen:
        (rows, cols) places with data.
    clear:
        (rows, cols) places with clear sky and a value in every band.
    numbers:
        By band (rows, cols) as `imagery.STORAGE` holds them; they mean something where `clear` only.
    """

    rows: slice
    cols: slice
    seen: npt.NDArray[np.bool_]
    clear: npt.NDArray[np.bool_]
    numbers: dict[str, npt.NDArray[Any]]


class OverpassListener(Protocol):
    """What is told about each overpass: that it begins, its blocks, that it ends. Where it has no tile there is no block."""

    def begin(self, overpass: SeriesOverpass) -> None: ...

    def take(self, block: Block) -> None: ...

    def end(self) -> None: ...


def series_overpasses(scenes: pa.Table, grid: Grid, plan: SeriesPlan, first: date, last: date) -> list[SeriesOverpass]:
    """Overpasses of the plan's collections with kept scenes from `first` to `last` (both included), by day.

    A collection that is two sources, reflectance and temperature, has its overpasses once for each.

    Parameters
    ----------
    scenes:
        `imagery.SCENES_SCHEMA`; rows that are not kept are left out.
    first, last:
        The season with its padding.
    """
    sources: dict[str, list[SeriesSource]] = {}
    for source in plan.sources:
        sources.setdefault(source.collection.name, []).append(source)
    # items take a millisecond each to understand, and a season has as many of radar
    own = [collection_table(name).name in sources for name in scenes["collection"].to_pylist()]
    found = []
    for tiles in overpasses_of(kept_items(scenes.filter(pa.array(own, pa.bool_())), padding=True), grid):
        day = observation_day(tiles)
        if first <= day <= last:
            own_sources = sources[collection_table(tiles[0].collection_id or "").name]
            found += [SeriesOverpass(day, source, tiles) for source in own_sources]
    return sorted(found, key=lambda overpass: (overpass.day, overpass.source.collection.name, overpass.tiles[0].id))


def files_of_overpasses(overpasses: Sequence[SeriesOverpass]) -> list[SceneFile]:
    """The files that `read_overpasses` reads, so that a manifest can name every one of them; addresses unsigned."""
    named = {
        (item.collection_id, item.id, band.name): (item, band)
        for overpass in overpasses
        for item in overpass.tiles
        for band in (*overpass.source.bands, *mask_bands(item))
    }
    return [scene_file(item, band) for item, band in named.values()]


def read_overpasses(
    overpasses: Sequence[SeriesOverpass],
    grid: Grid,
    imagery: ImagerySource,
    listeners: Sequence[OverpassListener],
    *,
    largest: tuple[int | None, int | None] = (None, None),
) -> None:
    """Read every overpass once, in blocks, and tell the listeners.

    Overlapping tiles are merged as in composites: a place is taken from one tile, that of the grid's own zone where it has
    data. Memory is that of one block of all bands, whatever the size of the grid and the number of overpasses.

    Parameters
    ----------
    imagery:
        Gives the dilation of the masks and whether Landsat is adjusted to Sentinel-2.
    largest:
        Most rows and columns of a block; None: as `imagery.reading_blocks` cuts. Changes no result.

    Raises
    ------
    UnreadableSceneError, MissingAssetError, UnknownBaselineError
        From `imagery`.
    """
    with SceneReader(grid, masks=imagery.masks, harmonise=imagery.harmonise) as reader:
        for overpass in overpasses:
            for listener in listeners:
                listener.begin(overpass)
            reach = _reach(reader, overpass)
            for rows, cols in reading_blocks(overpass.tiles, grid, largest):
                tiles = [item for item, its in zip(overpass.tiles, reach, strict=True) if _meet(its, (rows, cols))]
                if tiles:
                    block = _read(reader.widened(cols), overpass.source, tiles, rows)
                    for listener in listeners:
                        listener.take(block)
            for listener in listeners:
                listener.end()


def _reach(reader: SceneReader, overpass: SeriesOverpass) -> list[tuple[slice, slice]]:
    """Rows and columns of the grid that each tile may cover."""
    table = overpass.source.collection
    band = overpass.source.bands[0] if table.mask_band is None else table.band(table.mask_band)
    return [reader.extent(item, band) for item in overpass.tiles]


def _meet(one: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    return all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(one, other, strict=True))


def _read(reader: SceneReader, source: SeriesSource, tiles: Overpass, rows: slice) -> Block:
    table = source.collection
    owner: npt.NDArray[np.int16] | None = None
    seen: npt.NDArray[np.bool_] | None = None
    clear: npt.NDArray[np.bool_] | None = None
    if table.mask_rule is not None:
        owner, sky = tile_skies(reader, tiles, table, rows)
        seen, clear = sky != DATA_MISSING, sky == CLEAR
        owner[~clear] = -1
    numbers, with_any = {}, None
    for band in source.bands:
        numbers[band.name] = merged_pixels(reader, tiles, table, band, rows, owner)
        valued = numbers[band.name] != STORAGE[band.kind].nodata
        with_any = valued.copy() if with_any is None else np.logical_or(with_any, valued, out=with_any)
        clear = valued if clear is None else np.logical_and(clear, valued, out=clear)
    if clear is None or with_any is None:
        raise ValueError(f"no band of {table.name} gives an index")
    return Block(rows, reader.cols, with_any if seen is None else seen, clear, numbers)
