"""The ways of composing a tile: each yields layers strip by strip as stored pixels with their numbers of observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.best_pixel import MOST_METRES, cloud_distance
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.composite_plan import (
    CompositePlan,
    PlannedLayer,
    days_of,
    items_of_layer,
    middle_of,
)
from agristat_platform.imagery.composite_tiling import STRIP_ROWS, TileUnit, strip_rows, strips
from agristat_platform.imagery.compositing_methods import compose_bands
from agristat_platform.imagery.exact_copy import copy_exactly
from agristat_platform.imagery.layers import STORAGE
from agristat_platform.imagery.medians import masked_median
from agristat_platform.imagery.number_merging import Marks
from agristat_platform.imagery.overpasses import Overpass, clear_owner, merged_pixels, overpasses_of, tile_skies
from agristat_platform.imagery.percentiles import masked_percentiles_stored
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.speckle import SpeckleAccumulator

SKY_ROWS = 2048

Strip = tuple[int, slice, NDArray[Any], NDArray[np.uint16]]


@dataclass(frozen=True)
class ClearSky:
    """Overpasses that see something of a tile clearly, and where: a bit per scene in (planes, rows, cols) uint8.

    The bits of an overpass's scenes exclude each other: each place is taken from one of its tiles.
    """

    overpasses: list[Overpass]
    planes: NDArray[np.uint8]
    bits: dict[str, int]

    def marks(self, item: pystac.Item, rows: slice) -> Marks:
        """Marks of one scene on some rows, counted from the tile's first."""
        bit = self.bits[item.id]
        return Marks(self.planes[:, rows], bit // 8, bit % 8)


def clear_sky(reader: SceneReader, overpasses: list[Overpass], table: Collection, rows: slice) -> ClearSky:
    """Masks of all overpasses on some rows, packed; an overpass without a clear pixel there is left out."""
    scenes = sum(len(overpass) for overpass in overpasses)
    planes = np.zeros((-(-scenes // 8), rows.stop - rows.start, reader.width), np.uint8)
    seen: list[Overpass] = []
    bits: dict[str, int] = {}
    number = 0
    for overpass in overpasses:
        clear = False
        for strip in strips(rows, SKY_ROWS):
            owner = clear_owner(reader, overpass, table, strip)
            local = slice(strip.start - rows.start, strip.stop - rows.start)
            clear |= _set_bits(owner, number, planes[:, local])
        for item in overpass:
            bits[item.id] = number
            number += 1
        if clear:
            seen.append(overpass)
    return ClearSky(seen, planes, bits)


@njit(cache=True, nogil=True)
def _set_bits(owner, first, planes):  # type: ignore[no-untyped-def]
    """Bit `first` + owner set in the planes wherever there is an owner; whether there is one at all."""
    some = False
    for i in range(owner.shape[0]):
        for j in range(owner.shape[1]):
            if owner[i, j] >= 0:
                number = first + owner[i, j]
                planes[number >> 3, i, j] |= np.uint8(1 << (number & 7))
                some = True
    return some


def compose_by_band(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Median or mean over the clear observations, one band after another."""
    table = plan.table(unit.collection)
    layers = [plan.layers[index] for index in unit.layers]
    overpasses = _overpasses(plan, layers[0])
    sky = None
    if table.mask_rule is not None:
        sky = clear_sky(reader, overpasses, table, unit.rows)
        overpasses = sky.overpasses
    for position, layer in enumerate(layers):
        storage = STORAGE[layer.band.kind]
        size = strip_rows(len(overpasses), reader.width, np.dtype(storage.dtype).itemsize)
        for rows in strips(unit.rows, size):
            stack = _stack(reader, overpasses, table, layer.band, rows, sky, unit.rows.start)
            if layer.statistic == "mean":
                composed = compose_bands("mean", stack[:, None], None, nodata=storage.nodata)
                yield position, rows, composed.values[0], composed.count
            else:
                yield position, rows, *masked_median(stack, int(storage.nodata))


def compose_percentiles(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Percentiles over the season's clear observations, one band after another."""
    table = plan.table(unit.collection)
    layers = [plan.layers[index] for index in unit.layers]
    sky = clear_sky(reader, _overpasses(plan, layers[0]), table, unit.rows)
    for band in dict.fromkeys(layer.band for layer in layers):
        positions = [position for position, layer in enumerate(layers) if layer.band == band]
        asked = [float(layers[position].percentile or 0.0) for position in positions]
        for rows in strips(unit.rows, strip_rows(len(sky.overpasses), reader.width, 2)):
            stack = _stack(reader, sky.overpasses, table, band, rows, sky, unit.rows.start)
            values, count = masked_percentiles_stored(stack, int(STORAGE[band.kind].nodata), asked)
            for position, pixels in zip(positions, values, strict=True):
                yield position, rows, pixels, count


def compose_spectra(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Medoid, geometric median or best available pixel: all bands of a place at once."""
    table = plan.table(unit.collection)
    layers = [plan.layers[index] for index in unit.layers]
    interval = layers[0].interval
    if interval is None:
        raise ValueError(f"{unit.name}: whole spectra are composed per interval")
    sky = clear_sky(reader, _overpasses(plan, layers[0]), table, unit.rows)
    passes, nodata = sky.overpasses, int(STORAGE["optical"].nodata)
    days = [float(days_of(overpass)[0]) for overpass in passes]
    size = strip_rows(len(passes) * (len(layers) + 1), reader.width, 2)
    for rows in strips(unit.rows, size):
        bands = [_stack(reader, passes, table, layer.band, rows, sky, unit.rows.start) for layer in layers]
        stack = np.stack(bands, axis=1) if passes else np.zeros((0, len(layers), *_shape(rows, reader)), np.uint16)
        distance = None
        if layers[0].statistic == "best_pixel":
            distance = _cloud_distances(plan, unit, passes, table, rows, reader)
        composed = compose_bands(
            layers[0].statistic, stack, (stack != nodata).all(axis=1), nodata=nodata, days=days,
            target_day=middle_of(interval), cloud_distance=distance,
        )  # fmt: skip
        for position in range(len(layers)):
            yield position, rows, composed.values[position], composed.count


def compose_radar(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Mean of linear power, summed in double precision in the order of the overpasses."""
    table = plan.table(unit.collection)
    for position, index in enumerate(unit.layers):
        layer = plan.layers[index]
        overpasses = _overpasses(plan, layer)
        for rows in strips(unit.rows, STRIP_ROWS):
            total = np.zeros(_shape(rows, reader), np.float64)
            count = np.zeros(total.shape, np.uint16)
            for overpass in overpasses:
                _add_finite(merged_pixels(reader, overpass, table, layer.band, rows, None), total, count)
            mean = np.full(total.shape, np.nan, np.float32)
            np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
            yield position, rows, mean, count


def compose_filtered_radar(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Means of power after the multi-temporal speckle filter, which takes all dates of a direction together."""
    if plan.imagery.speckle_filter is None:
        raise ValueError(f"{unit.name}: the plan has no speckle filter")
    table, window = plan.table(unit.collection), plan.imagery.speckle_filter.window
    groups: dict[tuple[str, str | None], list[tuple[int, PlannedLayer]]] = {}
    for position, index in enumerate(unit.layers):
        layer = plan.layers[index]
        groups.setdefault((layer.band.name, layer.orbit), []).append((position, layer))
    for members in groups.values():
        dates = [(k, overpass) for k, (_, layer) in enumerate(members) for overpass in _overpasses(plan, layer)]
        for rows in strips(unit.rows, STRIP_ROWS):
            shape = _shape(rows, reader)
            accumulator = SpeckleAccumulator(shape, len(members), window)
            for k, overpass in dates:
                power = _with_halo(plan, unit, table, members[k][1].band, overpass, rows, accumulator.halo, reader)
                accumulator.add(power, k)
            values, counts = accumulator.result()
            for k, (position, _) in enumerate(members):
                yield position, rows, values[k], counts[k]


def copy_composites(plan: CompositePlan, unit: TileUnit, reader: SceneReader) -> Iterator[Strip]:
    """Ready composites, pixel by pixel."""
    table = plan.table(unit.collection)
    for position, index in enumerate(unit.layers):
        layer = plan.layers[index]
        overpasses = _overpasses(plan, layer)
        for rows in strips(unit.rows, STRIP_ROWS):
            yield position, rows, *copy_exactly(overpasses, table, layer.band, plan.grid, rows, unit.cols)


WORK: dict[str, Callable[[CompositePlan, TileUnit, SceneReader], Iterator[Strip]]] = {
    "bands": compose_by_band,
    "spectra": compose_spectra,
    "percentiles": compose_percentiles,
    "radar": compose_radar,
    "speckle": compose_filtered_radar,
    "copy": copy_composites,
}


def _overpasses(plan: CompositePlan, layer: PlannedLayer) -> list[Overpass]:
    return overpasses_of(items_of_layer(plan, layer), plan.grid)


def _shape(rows: slice, reader: SceneReader) -> tuple[int, int]:
    return rows.stop - rows.start, reader.width


def _stack(
    reader: SceneReader,
    overpasses: Sequence[Overpass],
    table: Collection,
    band: Band,
    rows: slice,
    sky: ClearSky | None,
    top: int,
) -> NDArray[Any]:
    """Stored pixels of each overpass on some rows, (overpasses, rows, cols), nodata where not clear or not seen."""
    storage = STORAGE[band.kind]
    stack = np.full((len(overpasses), *_shape(rows, reader)), storage.nodata, storage.dtype)
    for number, overpass in enumerate(overpasses):
        if sky is None:
            stack[number] = merged_pixels(reader, overpass, table, band, rows, None)
            continue
        for item in overpass:
            marks = sky.marks(item, slice(rows.start - top, rows.stop - top))
            reader.merge_pixels(item, table, band, rows, marks, stack[number])
    return stack


@njit(cache=True, nogil=True)
def _add_finite(values, total, count):  # type: ignore[no-untyped-def]
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            there = np.isfinite(values[i, j])
            total[i, j] += values[i, j] if there else 0.0
            count[i, j] += 1 if there else 0


def _cloud_distances(
    plan: CompositePlan,
    unit: TileUnit,
    overpasses: Sequence[Overpass],
    table: Collection,
    rows: slice,
    reader: SceneReader,
) -> NDArray[np.uint16]:
    """Metres to the nearest cloud or shadow of each overpass, which may lie beyond the tile."""
    pixel_m = abs(plan.grid.transform.a)
    margin = int(np.ceil(MOST_METRES / pixel_m))
    wide_rows, wide_cols = _widened(rows, margin, plan.grid.height), _widened(unit.cols, margin, plan.grid.width)
    inner = np.s_[
        rows.start - wide_rows.start : rows.stop - wide_rows.start,
        unit.cols.start - wide_cols.start : unit.cols.stop - wide_cols.start,
    ]
    skies = [tile_skies(reader.widened(wide_cols), overpass, table, wide_rows)[1] for overpass in overpasses]
    shape = (len(skies), rows.stop - rows.start, unit.cols.stop - unit.cols.start)
    distances = np.zeros(shape, np.uint16)
    for number, sky in enumerate(skies):
        distances[number] = cloud_distance(sky, pixel_m)[inner]
    return distances


def _with_halo(
    plan: CompositePlan,
    unit: TileUnit,
    table: Collection,
    band: Band,
    overpass: Overpass,
    rows: slice,
    halo: int,
    reader: SceneReader,
) -> NDArray[np.float32]:
    """Power of an overpass on some rows of a tile with `halo` more pixels all around; NaN beyond the grid."""
    wide_rows, wide_cols = _widened(rows, halo, plan.grid.height), _widened(unit.cols, halo, plan.grid.width)
    block = np.full((rows.stop - rows.start + 2 * halo, reader.width + 2 * halo), np.nan, np.float32)
    top, left = wide_rows.start - (rows.start - halo), wide_cols.start - (unit.cols.start - halo)
    height, width = wide_rows.stop - wide_rows.start, wide_cols.stop - wide_cols.start
    wide = reader.widened(wide_cols)
    block[top : top + height, left : left + width] = merged_pixels(wide, overpass, table, band, wide_rows, None)
    return block


def _widened(part: slice, margin: int, end: int) -> slice:
    return slice(max(0, part.start - margin), min(end, part.stop + margin))
