"""One unit of a composite plan: its tile read, masked and composed, and kept as a file when it is finished.

A unit reads every block of a scene's band once: bands come one after another and rows in strips, so that what GDAL has
decoded for one strip is still at hand for the next. The ways of composing are in `composite_work`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from agristat_platform.imagery.composite_plan import CompositePlan, items_of_layer
from agristat_platform.imagery.composite_tiling import BLOCK, TileUnit, cache_bytes
from agristat_platform.imagery.composite_work import WORK
from agristat_platform.imagery.layers import STORAGE
from agristat_platform.imagery.reading import SceneReader


@dataclass(frozen=True)
class UnitResult:
    """A finished unit: its file, and per layer the pixels of the area with a value and their observations.

    `reused` says that it was finished before.
    """

    path: Path
    aoi_pixels: int
    valid: tuple[int, ...]
    observations: tuple[int, ...]
    reused: bool = False


def compose_unit(plan: CompositePlan, unit: TileUnit, folder: Path) -> UnitResult:
    """Compute a unit and write `<unit.name>.tif` and `.json` into a folder; one that is finished there is taken as it is.

    Either the whole unit is there afterwards or nothing of it: the table of counts, written last, makes it count.

    Raises
    ------
    UnreadableSceneError, MissingAssetError, UnknownBaselineError, UncalibratedRadarError, GridMismatchError
    """
    done = finished_unit(plan, unit, folder)
    if done is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{unit.name}.{os.getpid()}.tif"
    try:
        reader = SceneReader(
            plan.grid,
            cols=unit.cols,
            masks=plan.imagery.masks,
            harmonise=plan.imagery.harmonise,
            cache_bytes=_cache_bytes(plan, unit),
        )
        with reader, TileWriter(partial, plan, unit) as writer:
            for position, rows, pixels, counts in WORK[unit.work](plan, unit, reader):
                writer.write(position, rows, pixels, counts)
        partial.replace(folder / f"{unit.name}.tif")
    finally:
        partial.unlink(missing_ok=True)
    _record(plan, unit, folder, writer)
    return UnitResult(folder / f"{unit.name}.tif", writer.aoi_pixels, tuple(writer.valid), tuple(writer.observations))


def _cache_bytes(plan: CompositePlan, unit: TileUnit) -> int:
    scenes = len(items_of_layer(plan, plan.layers[unit.layers[0]]))
    return cache_bytes(unit.work, len(unit.layers), scenes, unit.cols.stop - unit.cols.start)


def finished_unit(plan: CompositePlan, unit: TileUnit, folder: Path) -> UnitResult | None:
    """The unit as an earlier run of an equal plan left it; None where it isn't finished or its file is another one."""
    path, table = folder / f"{unit.name}.tif", folder / f"{unit.name}.json"
    if not (table.is_file() and path.is_file()):
        return None
    counts = json.loads(table.read_text())
    if counts.get("plan") != plan.key or path.stat().st_size != counts["bytes"]:
        return None
    return UnitResult(path, counts["aoi_pixels"], tuple(counts["valid"]), tuple(counts["observations"]), reused=True)


def _record(plan: CompositePlan, unit: TileUnit, folder: Path, writer: TileWriter) -> None:
    counts = {
        "plan": plan.key,
        "bytes": (folder / f"{unit.name}.tif").stat().st_size,
        "aoi_pixels": writer.aoi_pixels,
        "valid": writer.valid,
        "observations": writer.observations,
    }
    partial = folder / f".{unit.name}.{os.getpid()}.json"
    partial.write_text(json.dumps(counts))
    partial.replace(folder / f"{unit.name}.json")


class TileWriter:
    """Writes the layers of a unit in strips and counts what they hold inside the area of interest."""

    def __init__(self, path: Path, plan: CompositePlan, unit: TileUnit) -> None:
        self._path = path
        self._plan = plan
        self._unit = unit
        self._storage = STORAGE[plan.layers[unit.layers[0]].band.kind]
        self._dataset: DatasetWriter | None = None
        self.valid = [0] * len(unit.layers)
        self.observations = [0] * len(unit.layers)
        self.aoi_pixels = sum(int(np.count_nonzero(inside)) for _, inside in self._aoi_strips())

    def _aoi_strips(self) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
        for start in range(self._unit.rows.start, self._unit.rows.stop, BLOCK):
            rows = slice(start, min(start + BLOCK, self._unit.rows.stop))
            yield rows, self._inside(rows)

    def _inside(self, rows: slice) -> NDArray[np.bool_]:
        return self._plan.area.inside(rows, self._unit.cols)

    def __enter__(self) -> TileWriter:
        grid, unit = self._plan.grid, self._unit
        self._dataset = rasterio.open(
            self._path,
            "w",
            driver="GTiff",
            width=unit.cols.stop - unit.cols.start,
            height=unit.rows.stop - unit.rows.start,
            count=len(unit.layers),
            dtype=self._storage.dtype,
            crs=grid.crs,
            transform=grid.transform * Affine.translation(unit.cols.start, unit.rows.start),
            nodata=self._storage.nodata,
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            interleave="band",
            compress="zstd",
            zstd_level=1,
            bigtiff="if_safer",
        )
        return self

    def write(self, position: int, rows: slice, pixels: NDArray[Any], counts: NDArray[np.uint16]) -> None:
        """Write stored pixels of the unit's layer at `position` on some rows of the grid."""
        if self._dataset is None:
            raise ValueError("the writer is not open")
        window = Window(0, rows.start - self._unit.rows.start, pixels.shape[1], pixels.shape[0])
        self._dataset.write(pixels, position + 1, window=window)
        inside = self._inside(rows)
        self.valid[position] += int(np.count_nonzero((counts > 0) & inside))
        self.observations[position] += int(counts[inside].sum(dtype=np.int64))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._dataset is not None:
            self._dataset.close()
