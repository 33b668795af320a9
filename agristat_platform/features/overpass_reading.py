"""A season's optical overpasses, each read once, strip by strip: what is seen, what is clear, and the bands' numbers.

Belongs here: going through scenes. What is made of a strip (sums per segment, pixels of an index) is the business of the
listeners, so that several of them share one decoding of every file block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import Grid, ImagerySource
from agristat_platform.features.series_plan import SeriesPlan, SeriesSource
from agristat_platform.imagery import (
    CLEAR,
    DATA_MISSING,
    STORAGE,
    Overpass,
    SceneFile,
    SceneReader,
    collection_table,
    href_of,
    kept_items,
    merged_pixels,
    observation_day,
    overpasses_of,
    tile_skies,
)

STRIP_ROWS = 256

Progress = Callable[[str, int, int], None]


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
class Strip:
    """Some rows of one overpass.

    Attributes
    ----------
    rows:
        Of the grid.
    seen:
        (rows, width) places with data.
    clear:
        (rows, width) places with clear sky and a value in every band.
    numbers:
        By band (rows, width) as `imagery.STORAGE` holds them; they mean something where `clear` only.
    """

    rows: slice
    seen: npt.NDArray[np.bool_]
    clear: npt.NDArray[np.bool_]
    numbers: dict[str, npt.NDArray[Any]]


class OverpassListener(Protocol):
    """What is told about each overpass: that it begins, its strips from north to south, that it ends."""

    def begin(self, overpass: SeriesOverpass) -> None: ...

    def take(self, strip: Strip) -> None: ...

    def end(self) -> None: ...


def series_overpasses(scenes: pa.Table, grid: Grid, plan: SeriesPlan, first: date, last: date) -> list[SeriesOverpass]:
    """Overpasses of the plan's collections with kept scenes from `first` to `last` (both included), by day.

    Parameters
    ----------
    scenes:
        `imagery.SCENES_SCHEMA`; rows that are not kept are left out.
    first, last:
        The season with its padding.
    """
    sources = {source.collection.name: source for source in plan.sources}
    own = [
        item for item in kept_items(scenes, padding=True) if collection_table(item.collection_id or "").name in sources
    ]
    found = []
    for tiles in overpasses_of(own, grid):
        day = observation_day(tiles)
        if first <= day <= last:
            found.append(SeriesOverpass(day, sources[collection_table(tiles[0].collection_id or "").name], tiles))
    return sorted(found, key=lambda overpass: (overpass.day, overpass.source.collection.name, overpass.tiles[0].id))


def files_of_overpasses(overpasses: Sequence[SeriesOverpass]) -> list[SceneFile]:
    """The files that `read_overpasses` reads, so that a manifest can name every one of them; addresses unsigned."""
    found = []
    for overpass in overpasses:
        table = overpass.source.collection
        masks = () if table.mask_band is None else (table.band(table.mask_band),)
        for item in overpass.tiles:
            found += [SceneFile(item.id, band.name, href_of(item, band)) for band in (*overpass.source.bands, *masks)]
    return found


def read_overpasses(
    overpasses: Sequence[SeriesOverpass],
    grid: Grid,
    imagery: ImagerySource,
    listeners: Sequence[OverpassListener],
    *,
    strip_rows: int = STRIP_ROWS,
    progress: Progress | None = None,
) -> None:
    """Read every overpass once, in strips, and tell the listeners.

    Overlapping tiles are merged as in composites: a place is taken from one tile, that of the grid's own zone where it has
    data. Memory is that of one strip of all bands, whatever the number of rows and of overpasses.

    Parameters
    ----------
    imagery:
        Gives the dilation of the masks and whether Landsat is adjusted to Sentinel-2.
    strip_rows:
        Rows read at a time; changes no result.
    progress:
        Called with ("time series", overpasses done, all).

    Raises
    ------
    UnreadableSceneError, MissingAssetError, UnknownBaselineError
        From `imagery`.
    """
    strips = [slice(top, min(top + strip_rows, grid.height)) for top in range(0, grid.height, strip_rows)]
    with SceneReader(grid, masks=imagery.masks, harmonise=imagery.harmonise) as reader:
        for number, overpass in enumerate(overpasses, start=1):
            for listener in listeners:
                listener.begin(overpass)
            for rows in strips:
                strip = _read(reader, overpass, rows)
                for listener in listeners:
                    listener.take(strip)
            for listener in listeners:
                listener.end()
            if progress is not None:
                progress("time series", number, len(overpasses))


def _read(reader: SceneReader, overpass: SeriesOverpass, rows: slice) -> Strip:
    table, bands = overpass.source.collection, overpass.source.bands
    owner: npt.NDArray[np.int16] | None = None
    if table.mask_rule is not None:
        owner, sky = tile_skies(reader, overpass.tiles, table, rows)
        seen, clear = sky != DATA_MISSING, sky == CLEAR
        owner = np.where(clear, owner, np.int16(-1))
    numbers = {band.name: merged_pixels(reader, overpass.tiles, table, band, rows, owner) for band in bands}
    valued = [numbers[band.name] != STORAGE[band.kind].nodata for band in bands]
    with_values = np.logical_and.reduce(valued)
    if owner is None:
        return Strip(rows, np.logical_or.reduce(valued), with_values, numbers)
    return Strip(rows, seen, clear & with_values, numbers)
