"""Masked composites per interval on the region's grid, made in one process: plan, tiles, files.

Several processes share the same steps (`composite_plan`, `composite_tiles`, `composite_mosaic`), with the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from agristat_platform.catalogue import Grid, ImagerySource, Interval
from agristat_platform.imagery.composite_mosaic import assemble_file
from agristat_platform.imagery.composite_plan import plan_composites
from agristat_platform.imagery.composite_tiles import compose_unit
from agristat_platform.imagery.layers import LAYERS_SCHEMA
from agristat_platform.imagery.scenes import Progress


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
    tile_rows: int | None = None,
    tile_cols: int | None = None,
    work_dir: Path | None = None,
    progress: Progress | None = None,
) -> CompositeSet:
    """One COG per collection and interval with each requested band.

    Tiles of one overpass that overlap are merged first: a place is taken from one tile, that of the grid's own zone
    where it has data. Then, over the overpasses of an interval, the clear observations are composed by the region's
    method, and radar power by its mean. Places without any clear observation stay missing.

    Parameters
    ----------
    scenes, grid, intervals, imagery, aoi_projected, tile_rows, tile_cols:
        As in `plan_composites`.
    target_dir:
        Folder for the COGs.
    work_dir:
        Folder for finished tiles, kept so that an interrupted build goes on where it was; None: one inside
        `target_dir`, removed at the end.
    progress:
        Called with ("composites", done, all units and files).

    Raises
    ------
    NoScenesLeftError
        A collection has no kept scene.
    UnreadableSceneError, GridMismatchError
    """
    plan = plan_composites(
        scenes, grid, intervals, imagery, aoi_projected=aoi_projected, tile_rows=tile_rows, tile_cols=tile_cols
    )
    target_dir.mkdir(parents=True, exist_ok=True)
    folder = work_dir or target_dir / ".tiles"
    steps = len(plan.units) + len(plan.files)
    try:
        for done, unit in enumerate(plan.units, start=1):
            compose_unit(plan, unit, folder)
            if progress is not None:
                progress("composites", done, steps)
        rows: list[dict[str, Any]] = []
        for done, file in enumerate(plan.files, start=len(plan.units) + 1):
            rows += assemble_file(plan, folder, target_dir, file)
            if progress is not None:
                progress("composites", done, steps)
    finally:
        if work_dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    return CompositeSet(pa.Table.from_pylist(rows, schema=LAYERS_SCHEMA), [target_dir / file for file in plan.files])
