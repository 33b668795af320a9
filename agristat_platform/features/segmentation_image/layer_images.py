"""An image to segment: chosen bands and indices of the clearest intervals, on one scale, gaps filled from other intervals.

Belongs here: choosing layers, filling and scaling, and the image in memory. Which intervals are taken is in
`interval_choice`; the same image in a file, made strip by strip, in `layer_image_files`. Segmenting is `segmentation`; the
filled values serve the outlines of segments alone and never become features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from agristat_platform.features.errors import LayerTableError
from agristat_platform.features.indices.spectral_indices import INDICES, spectral_index
from agristat_platform.features.segmentation_image.interval_choice import spread_intervals
from agristat_platform.features.wide_table.feature_plan import (
    IndexSource,
    Layer,
    index_sources,
    interval_label,
    read_layers_table,
)

ReadLayer = Callable[[dict[str, Any]], npt.NDArray[Any]]

FULL_SCALE = 1000
NODATA = -1
SCALED_BETWEEN = (2, 98)
"""Percentiles of a layer that become 0 and FULL_SCALE."""


@dataclass(frozen=True)
class LayerImage:
    """Layers stacked for segmentation.

    Attributes
    ----------
    image: (layers, rows, cols) int16; 0 to 1000 between the 2nd and 98th percentile of the layer, -1 where missing.
    names: layer and interval of each, such as `ndvi_t03`.
    filled_share: share of the pixels that took a value from another interval in at least one layer.
    """

    image: npt.NDArray[np.int16]
    names: tuple[str, ...]
    filled_share: float


def layer_image(layers: pa.Table, read: ReadLayer, wanted: Sequence[str], *, max_intervals: int) -> LayerImage:
    """Stack bands and indices of the clearest intervals for segmentation.

    The `max_intervals` intervals with the largest valid share (of the layer that has least) are taken, of equally clear ones
    those spread over the season (`interval_choice.spread_intervals`), in order of time. A pixel that is missing in one of
    them takes its mean over the others; one that is missing in all of them is nodata. Percentiles and other layers of the
    whole season play no part.

    Parameters
    ----------
    layers:
        Rows of `imagery.LAYERS_SCHEMA`.
    read:
        Physical values of a row of `layers`, (rows, cols) with NaN where missing.
    wanted:
        Layers (`B08`, `VV_des`) and indices (`ndvi`), any case. A radar band (`VV`) means the direction of passes that
        most intervals have, descending before ascending where they are even.
    max_intervals:
        How many intervals, at least 1.

    Raises
    ------
    LayerTableError
        A wanted layer is neither among the composites nor computable from them.
    ValueError
        `max_intervals` is below 1.
    """
    chosen = choose_layers(layers, wanted, max_intervals=max_intervals)
    image = np.empty((0,), np.int16)
    filled = np.zeros((), dtype=bool)
    for k, (stack, gaps) in enumerate(filled_layers(chosen, read)):
        if k == 0:
            image = np.empty((len(chosen.names), *stack.shape[1:]), np.int16)
        for i, values in enumerate(stack):
            present = values[np.isfinite(values)]
            limits = np.percentile(present, SCALED_BETWEEN) if present.size else (0.0, 0.0)
            image[k * len(stack) + i] = scaled(values, *limits)
        filled = filled | gaps
    return LayerImage(image, chosen.names, float(filled.mean()))


@dataclass(frozen=True)
class ChosenLayers:
    """What an image to segment is made of.

    Attributes
    ----------
    sources: (wanted layer, where it comes from), in the order wanted.
    intervals: numbers of the intervals, rising.
    planned: the layers of the composites.
    """

    sources: tuple[tuple[str, IndexSource], ...]
    intervals: tuple[int, ...]
    planned: tuple[Layer, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Layer and interval of each of the image's layers, such as `ndvi_t03`."""
        return tuple(f"{name.lower()}_{interval_label(i)}" for name, _ in self.sources for i in self.intervals)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the layers table that are read, each once, those of one file together and in its order."""
        needed = {name for _, source in self.sources for name in _layer_names(source)}
        of = [layer.row for layer in self.planned if layer.interval in self.intervals and layer.name in needed]
        return sorted(of, key=lambda row: (row["file"], row["band_index"]))


def choose_layers(layers: pa.Table, wanted: Sequence[str], *, max_intervals: int) -> ChosenLayers:
    """The intervals and sources of `layer_image`; same arguments and errors."""
    planned = [layer for layer in read_layers_table(layers) if layer.is_composite]
    sources = {name: _source_of(name, planned) for name in wanted}
    shares = _valid_shares(planned, sources.values())
    if not shares:
        raise LayerTableError(
            f"no interval has all of {', '.join(wanted)}", remedy="Check segmentation.layers against the composites"
        )
    chosen = spread_intervals(shares, max_intervals)
    return ChosenLayers(tuple((name, sources[name]) for name in wanted), chosen, tuple(planned))


def filled_layers(
    chosen: ChosenLayers, read: ReadLayer
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Of each wanted layer the values of all intervals, (intervals, rows, cols) with gaps filled, and where these were.

    Every pixel is computed for itself, so that strips of rows give the same values as the whole.
    """
    for _, source in chosen.sources:
        stack = np.empty((0, 0, 0), np.float32)
        for k, interval in enumerate(chosen.intervals):
            values = _values(source, chosen.planned, interval, read)
            if k == 0:
                stack = np.empty((len(chosen.intervals), *values.shape), np.float32)
            stack[k] = values
        gaps = np.zeros(stack.shape[1:], dtype=np.bool_)
        _fill(stack.reshape(len(stack), -1), gaps.reshape(-1))
        yield stack, gaps


def scaled(values: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.int16]:
    """Values between two bounds as whole numbers from 0 to FULL_SCALE, so that sums are exact; -1 where missing."""
    out = np.empty(values.shape, dtype=np.int16)
    _scale(np.ascontiguousarray(values).reshape(-1), float(low), max(float(high - low), 1e-9), out.reshape(-1))
    return out


def _source_of(name: str, planned: Sequence[Layer]) -> IndexSource:
    """The index of that name, or a layer as it is."""
    if name.lower() in INDICES:
        found = index_sources(planned, [name.lower()])
        if found:
            return found[0]
    layers = [layer for layer in planned if layer.name == name.lower()]
    if not layers:
        passes = [layer for layer in planned if layer.band.lower() == name.lower()]
        often = Counter(layer.layer for layer in passes)
        # of equals the last in the alphabet: VV_des before VV_asc
        chosen = max(often, key=lambda layer: (often[layer], layer), default=None)
        layers = [layer for layer in passes if layer.layer == chosen]
    if not layers:
        have = ", ".join(sorted({layer.layer for layer in planned}))
        raise LayerTableError(
            f"the layer {name} is neither a layer of the composites nor an index they allow",
            remedy=f"Change segmentation.layers of the region; the composites have {have}",
        )
    return IndexSource(layers[0].layer, layers[0].collection, {}, layers[0].collection)


def _layer_names(source: IndexSource) -> list[str]:
    return [name.lower() for name in source.bands.values()] or [source.index.lower()]


def _valid_shares(planned: Sequence[Layer], sources: Iterable[IndexSource]) -> dict[int, float]:
    needed = {name for source in sources for name in _layer_names(source)}
    by_interval: dict[int, dict[str, float]] = {}
    for layer in planned:
        if layer.name in needed:
            by_interval.setdefault(layer.interval, {})[layer.name] = float(layer.row["valid_share"])
    return {interval: min(found.values()) for interval, found in by_interval.items() if set(found) == needed}


def _values(source: IndexSource, planned: Sequence[Layer], interval: int, read: ReadLayer) -> npt.NDArray[np.float32]:
    rows = {layer.name: layer.row for layer in planned if layer.interval == interval}
    arrays = [np.asarray(read(rows[name]), dtype=np.float32) for name in _layer_names(source)]
    if source.delivered:
        return arrays[0]
    return spectral_index(source.index).compute(dict(zip(source.bands, arrays, strict=True)), source.coefficients)


@njit(cache=True, nogil=True)
def _fill(stack, gaps):  # type: ignore[no-untyped-def]
    """Put into each gap of (intervals, pixels) the mean of the pixel's other intervals, and mark the pixels that had any."""
    intervals, pixels = stack.shape
    for p in range(pixels):
        present = 0
        total = 0.0
        for k in range(intervals):
            if not np.isnan(stack[k, p]):
                present += 1
                total += stack[k, p]
        if 0 < present < intervals:
            gaps[p] = True
            mean = np.float32(total / present)
            for k in range(intervals):
                if np.isnan(stack[k, p]):
                    stack[k, p] = mean


@njit(cache=True, nogil=True)
def _scale(values, low, span, out):  # type: ignore[no-untyped-def]
    for p in range(len(values)):
        if np.isfinite(values[p]):
            unit = (np.float64(values[p]) - low) / span
            out[p] = np.int16(np.rint(min(max(unit, 0.0), 1.0) * FULL_SCALE))
        else:
            out[p] = NODATA
