"""How much of the area of interest scenes and overpasses show, and under which sky: counted from their masks.

Belongs here: counting, each mask read once. Which scenes are kept because of what was counted is in `scenes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pystac
from numpy.typing import NDArray

from agristat_platform.imagery.collections import Collection
from agristat_platform.imagery.errors import UnreadableSceneError
from agristat_platform.imagery.masks import CLEAR, CLOUD, DATA_MISSING, SATURATED, SHADOW, SNOW
from agristat_platform.imagery.reading import SceneReader

SHARES = {
    "clear_share": CLEAR,
    "cloud_share": CLOUD,
    "shadow_share": SHADOW,
    "snow_share": SNOW,
    "saturated_share": SATURATED,
}
_CLASSES = 1 + max(SHARES.values())
ASSESSMENT_ROWS = 512


@dataclass
class SkyCount:
    """Pixels of the area of interest by class of the sky.

    `masked` is False for what has no mask (radar, ready composites): there data is all that can be counted.
    """

    area: int
    masked: bool
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_CLASSES, np.int64))

    def add(self, sky: NDArray[np.uint8], inside: NDArray[np.bool_]) -> None:
        """Count the classes of a block where it lies inside the area."""
        self.pixels += np.bincount(sky[inside], minlength=_CLASSES)

    @property
    def with_data(self) -> int:
        """Pixels with data."""
        return int(self.pixels.sum() - self.pixels[DATA_MISSING])

    @property
    def aoi_cover(self) -> float:
        """Share of the area with data."""
        return self.with_data / self.area

    def shares(self) -> dict[str, float | None]:
        """SHARES of the part with data; None without mask or without data."""
        with_data = self.with_data if self.masked else 0
        return {name: float(self.pixels[what]) / with_data if with_data else None for name, what in SHARES.items()}


@dataclass
class OverpassCount:
    """What was counted of one overpass: by scene id, together, and the scenes whose files could not be read."""

    scenes: dict[str, SkyCount]
    together: SkyCount
    unreadable: dict[str, UnreadableSceneError]


def count_overpass(
    reader: SceneReader, overpass: Sequence[pystac.Item], collection: Collection, band: str, aoi: NDArray[np.bool_]
) -> OverpassCount:
    """Count the sky of one overpass over the area, by scene and together.

    Together each place counts once, by the first tile of the overpass that has data there, as composites take it.
    Each scene is read over its own extent alone, in blocks of ASSESSMENT_ROWS rows.

    Parameters
    ----------
    reader:
        On the grid of `aoi`; its masks are those that are counted.
    overpass:
        Scenes of one pass, in the order in which a place is taken from them (`overpasses_of`).
    collection:
        Their table.
    band:
        Whose missing pixels say where data is, for collections without a mask.
    aoi:
        True inside the area, shape of the grid.
    """
    unreadable: dict[str, UnreadableSceneError] = {}
    while True:
        windows = []
        for item in overpass:
            if item.id in unreadable:
                continue
            try:
                rows, cols = reader.extent(item, collection.band(collection.mask_band or band))
            except UnreadableSceneError as error:
                unreadable[item.id] = error
                continue
            windows.append((item, rows, cols, reader.widened(cols)))
        count = _counted(windows, collection, band, aoi, unreadable)
        if count is not None:
            return count


def _counted(
    windows: Sequence[tuple[pystac.Item, slice, slice, SceneReader]],
    collection: Collection,
    band: str,
    aoi: NDArray[np.bool_],
    unreadable: dict[str, UnreadableSceneError],
) -> OverpassCount | None:
    """One pass over the blocks; None, with the scene added to `unreadable`, where a file breaks off midway."""
    masked = collection.mask_rule is not None
    size = int(np.count_nonzero(aoi))
    scenes = {item.id: SkyCount(size, masked) for item, *_ in windows}
    together = SkyCount(size, masked)
    for block in row_blocks(aoi.shape[0], ASSESSMENT_ROWS):
        merged = np.full(aoi[block].shape, DATA_MISSING, np.uint8)
        for item, extent, cols, reader in windows:
            rows = slice(max(block.start, extent.start), min(block.stop, extent.stop))
            if rows.start >= rows.stop or cols.start >= cols.stop:
                continue
            try:
                sky = _sky(reader, item, collection, band, rows)
            except UnreadableSceneError as error:
                unreadable[item.id] = error
                return None
            scenes[item.id].add(sky, aoi[rows, cols])
            target = merged[rows.start - block.start : rows.stop - block.start, cols]
            np.copyto(target, sky, where=target == DATA_MISSING)
        together.add(merged, aoi[block])
    return OverpassCount(scenes, together, unreadable)


def _sky(reader: SceneReader, item: pystac.Item, collection: Collection, band: str, rows: slice) -> NDArray[np.uint8]:
    if collection.mask_rule is not None:
        return reader.sky(item, collection, rows)
    there = np.isfinite(reader.values(item, collection, collection.band(band), rows))
    return np.where(there, np.uint8(CLEAR), np.uint8(DATA_MISSING))


def row_blocks(height: int, size: int) -> list[slice]:
    """Slices over all rows, `size` at a time."""
    return [slice(start, min(start + size, height)) for start in range(0, height, size)]
