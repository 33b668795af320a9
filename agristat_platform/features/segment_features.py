"""Features of segments: every layer of a season as statistics per segment, in one wide table with its dictionary.

Belongs here: going through the intervals, reading each layer once, and naming the results. Which layers are used is
decided in `feature_plan`; statistics are in `segment_statistics`, formulas in `spectral_indices` and `radar`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.features.dictionary import Feature, dictionary_table, feature_table
from agristat_platform.features.errors import LayerTableError, SegmentMismatchError
from agristat_platform.features.feature_plan import (
    IndexSource,
    Layer,
    clear_sky_source,
    index_sources,
    read_layers_table,
)
from agristat_platform.features.radar import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.features.segment_statistics import SegmentPixels
from agristat_platform.features.spectral_indices import INDICES, spectral_index

ReadLayer = Callable[[dict[str, Any]], npt.NDArray[Any]]

_RADAR_STATISTICS = ("mean", "std")


def segment_features(
    labels: npt.NDArray[Any],
    layers: pa.Table,
    read: ReadLayer,
    segments: pa.Table,
    *,
    statistics: Sequence[str] = ("mean", "std"),
    index_statistics: Sequence[str] = ("mean", "std", "p10", "p90"),
    indices: Sequence[str] = tuple(INDICES),
) -> tuple[pa.Table, pa.Table]:
    """Statistics of all layers, spectral indices and radar ratios per segment.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata.
    layers:
        Rows of `imagery.LAYERS_SCHEMA` on the grid of the labels.
    read:
        Gives the physical values of a row of `layers`: (rows, cols) floats, NaN where missing (reflectance 0–1, index,
        kelvin, linear power). Called once per layer, one interval and collection at a time.
    segments:
        Table with segment_id, area_ha, compactness; the same segments as the labels, any order.
    statistics, index_statistics:
        Of optical and thermal bands, and of spectral indices; names as in `segment_statistics`. Radar is always
        described by its mean (averaged as linear power, then in dB) and standard deviation (linear power).
    indices:
        Spectral indices wanted; those that no collection allows are left out.

    Returns
    -------
    features
        segment_id and float32 columns, rows in the order of `segments`: area_ha, compactness, then for each interval
        clear_share_tNN (share of the segment's pixels with a value in the optical composite), `{layer}_{tNN}_{stat}`.
        Missing is null. Column metadata carry unit, formula, source.
    dictionary
        The same description as a table (`DICTIONARY_SCHEMA`).

    Raises
    ------
    LayerTableError
        The layers table is empty, lacks a column, names a band twice, or a layer cannot be read on the labels' grid.
    SegmentMismatchError
        Labels and segment table hold different segments.
    StatisticError, UnknownIndexError, ReflectanceScaleError, LabelGridError
        A statistic or index is unknown, a layer is no reflectance, or lies on another grid.
    """
    pixels = SegmentPixels(labels)
    order = _row_order(pixels, segments)
    planned = read_layers_table(layers)
    sources = index_sources(planned, indices)
    clear_source = clear_sky_source(planned, sources)
    features = [_measure(segments, order, name, unit) for name, unit in (("area_ha", "ha"), ("compactness", "1"))]
    delivered = {source.index for source in sources if source.delivered}
    for _, of_interval in groupby(planned, key=lambda layer: layer.interval):
        by_collection: dict[str, list[Layer]] = {}
        for layer in of_interval:
            by_collection.setdefault(layer.collection, []).append(layer)
        for collection, group in by_collection.items():
            arrays = {layer.band: _read(read, layer) for layer in group}
            if collection == clear_source:
                features.append(_clear_share(pixels, group, arrays))
            for layer in group:
                if layer.kind != "radar":
                    wanted = index_statistics if layer.name in delivered or layer.kind == "index" else statistics
                    features.extend(_band_features(pixels, layer, arrays[layer.band], wanted))
            features.extend(_radar_features(pixels, group, arrays))
            own = [source for source in sources if source.collection == collection and not source.delivered]
            features.extend(_index_features(pixels, group, arrays, own, index_statistics))
    table = feature_table(pixels.ids, features)
    return table.take(pa.array(order)), dictionary_table(features)


def _row_order(pixels: SegmentPixels, segments: pa.Table) -> npt.NDArray[np.intp]:
    """Place in `pixels.ids` of each row of the segment table."""
    ids = segments.column("segment_id").to_numpy()
    odd = np.setxor1d(ids, pixels.ids)
    if len(odd) or len(ids) != len(pixels.ids):
        which = f"segment {odd[0]} is in only one of them" if len(odd) else "a segment_id is repeated"
        raise SegmentMismatchError(
            f"the label raster has {len(pixels.ids)} segments, the segment table {len(ids)}: {which}",
            remedy="Use labels and table of the same version of `segments`",
        )
    return np.searchsorted(pixels.ids, ids)


def _measure(segments: pa.Table, order: npt.NDArray[np.intp], name: str, unit: str) -> Feature:
    values = np.empty(len(order))
    values[order] = segments.column(name).to_numpy()
    formula = "pixels × pixel area" if name == "area_ha" else "4π area / perimeter²"
    return Feature(name, "segments", name, None, None, formula, unit, values)


def _read(read: ReadLayer, layer: Layer) -> npt.NDArray[Any]:
    values = np.asarray(read(layer.row))
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise LayerTableError(
            f"{layer.collection} {layer.band} of interval {layer.interval} was read as {values.dtype} {values.shape}",
            where=str(layer.row.get("file", "")) or None,
            remedy="Read physical values as floats (rows, cols) with NaN where missing",
        )
    return values


def _clear_share(pixels: SegmentPixels, group: Sequence[Layer], arrays: dict[str, npt.NDArray[Any]]) -> Feature:
    # The mask of an optical composite is the same for all its bands.
    layer = min(group, key=lambda layer: layer.kind not in ("optical", "index"))
    share = pixels.describe(arrays[layer.band], ["count"])["count"] / pixels.pixels
    name = f"clear_share_t{layer.interval:02d}"
    formula = f"pixels with a value of {layer.band} / pixels"
    return Feature(name, layer.collection, layer.band, layer.interval, None, formula, "1", share)


def _band_features(
    pixels: SegmentPixels, layer: Layer, values: npt.NDArray[Any], statistics: Sequence[str]
) -> Iterator[Feature]:
    unit = {"optical": "reflectance", "thermal": "K"}.get(layer.kind, "1")
    for statistic, described in pixels.describe(values, statistics).items():
        yield Feature(
            f"{layer.name}_t{layer.interval:02d}_{statistic}",
            layer.collection,
            layer.band,
            layer.interval,
            statistic,
            f"{statistic}({layer.band})",
            unit,
            described,
        )


def _radar_features(
    pixels: SegmentPixels, group: Sequence[Layer], arrays: dict[str, npt.NDArray[Any]]
) -> Iterator[Feature]:
    means = {}
    for layer in group:
        if layer.kind != "radar":
            continue
        described = pixels.describe(arrays[layer.band], _RADAR_STATISTICS)
        means[layer.name] = described["mean"]
        column = f"{layer.name}_t{layer.interval:02d}"
        about = (layer.collection, layer.band, layer.interval)
        yield Feature(f"{column}_mean", *about, "mean", f"10 log10(mean({layer.band}))", "dB", to_db(described["mean"]))
        yield Feature(f"{column}_std", *about, "std", f"std({layer.band})", "linear power", described["std"])
    if {"vv", "vh"} <= set(means):
        interval, source = group[0].interval, group[0].collection
        for name, function, formula in (
            ("vh_vv", vh_vv_ratio, "mean(VH) / mean(VV)"),
            ("rvi", radar_vegetation_index, "4 mean(VH) / (mean(VV) + mean(VH))"),
        ):
            values = function(means["vh"], means["vv"])
            yield Feature(f"{name}_t{interval:02d}_mean", source, name, interval, "mean", formula, "1", values)


def _index_features(
    pixels: SegmentPixels,
    group: Sequence[Layer],
    arrays: dict[str, npt.NDArray[Any]],
    sources: Sequence[IndexSource],
    statistics: Sequence[str],
) -> Iterator[Feature]:
    interval, collection = group[0].interval, group[0].collection
    for source in sources:
        if not set(source.bands.values()) <= set(arrays):
            continue  # this interval's composite lacks a band: the index is missing here, as the column shows
        index = spectral_index(source.index)
        values = index.function(**{argument: arrays[band] for argument, band in source.bands.items()})
        for statistic, described in pixels.describe(values, statistics).items():
            yield Feature(
                f"{index.name}_t{interval:02d}_{statistic}",
                collection,
                index.name,
                interval,
                statistic,
                f"{statistic}({index.formula})",
                "1",
                described,
            )
