"""An image to segment: chosen bands and indices of the clearest intervals, on one scale, gaps filled from other intervals.

Belongs here: choosing and scaling. Segmenting is `segmentation`; the filled values serve the outlines of segments alone
and never become features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.features.errors import LayerTableError
from agristat_platform.features.feature_plan import IndexSource, Layer, index_sources, interval_label, read_layers_table
from agristat_platform.features.spectral_indices import INDICES, spectral_index

ReadLayer = Callable[[dict[str, Any]], npt.NDArray[Any]]

FULL_SCALE = 1000
NODATA = -1


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

    The `max_intervals` intervals with the largest valid share (of the layer that has least) are taken, in order of time. A
    pixel that is missing in one of them takes its mean over the others; one that is missing in all of them is nodata.
    Percentiles and other layers of the whole season play no part.

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
        How many intervals.

    Raises
    ------
    LayerTableError
        A wanted layer is neither among the composites nor computable from them.
    """
    planned = [layer for layer in read_layers_table(layers) if layer.is_composite]
    sources = {name: _source_of(name, planned) for name in wanted}
    shares = _valid_shares(planned, sources.values())
    chosen = sorted(sorted(shares, key=lambda interval: (-shares[interval], interval))[:max_intervals])
    if not chosen:
        raise LayerTableError(
            f"no interval has all of {', '.join(wanted)}", remedy="Check segmentation.layers against the composites"
        )
    stacks = []
    filled = np.zeros((), dtype=bool)
    for name in wanted:
        stack = np.stack([_values(sources[name], planned, interval, read) for interval in chosen])
        missing = np.isnan(stack)
        filled = filled | (missing.any(axis=0) & ~missing.all(axis=0))
        stacks.append(_scaled(_filled(stack, missing)))
    names = tuple(f"{name.lower()}_{interval_label(interval)}" for name in wanted for interval in chosen)
    return LayerImage(np.concatenate(stacks), names, float(filled.mean()))


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


def _filled(stack: npt.NDArray[np.float32], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    present = (~missing).sum(axis=0)
    total = np.where(missing, 0, stack).sum(axis=0, dtype=np.float64)
    mean = np.divide(total, present, out=np.full(total.shape, np.nan), where=present > 0)
    return np.where(missing, mean[np.newaxis].astype(np.float32), stack)


def _scaled(stack: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Each interval's values between their 2nd and 98th percentile to whole numbers, so that sums are exact."""
    out = np.full(stack.shape, NODATA, dtype=np.int16)
    for k, values in enumerate(stack):
        present = np.isfinite(values)
        if not present.any():
            continue
        low, high = np.percentile(values[present], (2, 98))
        unit = (values[present] - low) / max(float(high - low), 1e-9)
        out[k][present] = np.rint(np.clip(unit, 0, 1) * FULL_SCALE).astype(np.int16)
    return out
