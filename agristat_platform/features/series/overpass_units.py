"""A season's observations one overpass at a time: planned, made each by itself and kept when finished, put together last.

Belongs here: which overpasses there are and which of them are done. What is made of an overpass is in
`segment_observations` and `pixel_series`; who works on which, in how many processes, is decided by the caller.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.catalogue import Grid, ImagerySource, TimeSeriesSettings
from agristat_platform.features.series.overpass_reading import (
    OverpassListener,
    SeriesOverpass,
    read_overpasses,
    series_overpasses,
)
from agristat_platform.features.series.pixel_series import PixelWriter
from agristat_platform.features.series.segment_observations import ObservationWriter, SegmentLabels, observations_schema
from agristat_platform.features.series.segment_series import season_span
from agristat_platform.features.series.series_channels import series_names, tensor_channels
from agristat_platform.features.series.series_plan import SeriesPlan, plan_series
from agristat_platform.imagery import item_state
from agristat_platform.timeseries import SeasonGrid

ENGINE = 1
"""Raised when observations of the same inputs get other bytes: what the engine before had finished is not used."""

OBSERVATIONS, PIXELS = ".parquet", ".tif"


@dataclass(frozen=True)
class ObservationPlan:
    """The overpasses of a season, numbered from 0, and what is made of each.

    Attributes
    ----------
    key:
        Hash of all that decides the content of an overpass's files: finished ones of an equal key can be used.
    series:
        Bands and indices.
    overpasses:
        By day.
    pixels:
        Indices kept for every pixel.
    """

    key: str
    series: SeriesPlan
    overpasses: tuple[SeriesOverpass, ...]
    grid: Grid
    imagery: ImagerySource
    pixels: tuple[str, ...]

    def name(self, number: int) -> str:
        """Of the files of an overpass, without their endings; unique in the plan."""
        overpass = self.overpasses[number]
        return f"{number:05d}_{overpass.source.collection.name}_{overpass.day}"

    def gives_pixels(self, number: int) -> bool:
        """Whether an overpass has any of the indices that are kept for every pixel."""
        return not set(self.pixels).isdisjoint(self.overpasses[number].source.indices)

    def channels(self, settings: TimeSeriesSettings) -> tuple[str, ...]:
        """Channels of the tensor that the requested bands allow, in order."""
        return tuple(name for name in tensor_channels(settings) if name in self.series.indices)


@dataclass(frozen=True)
class ObservedOverpass:
    """A finished overpass.

    Attributes
    ----------
    observations:
        Table of `observations_schema`: the segments seen, in portions as `ObservationWriter` writes them.
    pixels:
        Raster of `PixelWriter`; None where the overpass has none of the indices asked for.
    reused:
        It was finished before.
    """

    observations: Path
    pixels: Path | None
    reused: bool = False


def plan_observations(
    scenes: pa.Table,
    grid: Grid,
    imagery: ImagerySource,
    settings: TimeSeriesSettings,
    season: SeasonGrid,
    *,
    segments: str,
) -> ObservationPlan:
    """Plan the observations of a season with its padding. Cheap, and the same for the same inputs, so every process can.

    Parameters
    ----------
    scenes:
        `imagery.SCENES_SCHEMA`; rows that are not kept are left out.
    segments:
        Content hash of the segments that are observed.

    Raises
    ------
    UnknownIndexError
        An index or channel is unknown.
    UnknownCollectionError, UnknownBandError
        From `imagery`.
    """
    series = plan_series(imagery, series_names(settings))
    overpasses = tuple(series_overpasses(scenes, grid, series, *season_span(season)))
    pixels = tuple(name for name in settings.pixels if name in series.indices)
    content = {
        "engine": ENGINE,
        "grid": [grid.crs, list(grid.transform)[:6], grid.width, grid.height],
        "masks": imagery.masks.model_dump(mode="json"),
        "harmonise": imagery.harmonise,
        "indices": [series.indices, pixels],
        "sources": [
            [source.collection.name, [band.name for band in source.bands], source.indices, source.coefficients]
            for source in series.sources
        ],
        "overpasses": [[str(o.day), o.source.collection.name, list(map(item_state, o.tiles))] for o in overpasses],
        "segments": segments,
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return ObservationPlan(key, series, overpasses, grid, imagery, pixels)


def observe_overpass(plan: ObservationPlan, number: int, labels: SegmentLabels, folder: Path) -> ObservedOverpass:
    """Read an overpass and write its files into a folder; one that is finished there is taken as it is.

    `<name>.parquet`, `<name>.tif` where pixels are asked for, and `<name>.json`, written last, which makes it count:
    afterwards all of it is there or it is made again. Memory: see `ObservationWriter`; a block of the grid of all bands is
    held, never a row of the whole grid.

    Raises
    ------
    UnreadableSceneError, MissingAssetError, UnknownBaselineError
        From `imagery`.
    SegmentMismatchError
        From `ObservationWriter`.
    """
    done = finished_overpass(plan, number, folder)
    if done is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    name, endings = plan.name(number), _endings(plan, number)
    partial = {ending: folder / f".{name}.{os.getpid()}{ending}" for ending in (*endings, ".json")}
    try:
        with ExitStack() as stack:
            observations = ObservationWriter(partial[OBSERVATIONS], plan.series, labels)
            listeners: list[OverpassListener] = [stack.enter_context(observations)]
            if PIXELS in endings:
                listeners.append(stack.enter_context(PixelWriter(partial[PIXELS], plan.grid, plan.pixels)))
            read_overpasses([plan.overpasses[number]], plan.grid, plan.imagery, listeners)
        sizes = {ending: partial[ending].stat().st_size for ending in endings}
        partial[".json"].write_text(json.dumps({"plan": plan.key, "bytes": sizes}))
        for ending, path in partial.items():  # the record is the last
            path.replace(folder / f"{name}{ending}")
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    return _observed(plan, number, folder)


def finished_overpass(plan: ObservationPlan, number: int, folder: Path) -> ObservedOverpass | None:
    """An overpass as an earlier run of an equal plan left it; None where it isn't finished or its files are others."""
    name = plan.name(number)
    try:
        record = json.loads((folder / f"{name}.json").read_text())
        sizes = {ending: (folder / f"{name}{ending}").stat().st_size for ending in _endings(plan, number)}
    except (FileNotFoundError, ValueError):  # a power cut can leave a record of nothing
        return None
    return _observed(plan, number, folder, reused=True) if record == {"plan": plan.key, "bytes": sizes} else None


def merge_observations(plan: ObservationPlan, observed: Sequence[ObservedOverpass], target: Path) -> None:
    """Write the observations of all overpasses, which come in the plan's order, to one Parquet file.

    Row groups stay as they are, so that `write_series` finds its portions, and one of them is held at a time.
    """
    with pq.ParquetWriter(target, observations_schema(plan.series.indices), compression="zstd") as writer:
        for one in observed:
            with pq.ParquetFile(one.observations) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group, use_threads=False))


def _endings(plan: ObservationPlan, number: int) -> tuple[str, ...]:
    return (OBSERVATIONS, PIXELS) if plan.gives_pixels(number) else (OBSERVATIONS,)


def _observed(plan: ObservationPlan, number: int, folder: Path, *, reused: bool = False) -> ObservedOverpass:
    path = folder / plan.name(number)
    pixels = path.with_name(f"{path.name}{PIXELS}") if plan.gives_pixels(number) else None
    return ObservedOverpass(path.with_name(f"{path.name}{OBSERVATIONS}"), pixels, reused)
