"""Features of segments: every layer of a season as statistics per segment, in one wide table with its dictionary.

Belongs here: going through the intervals, reading each layer once, and naming the results. Which layers are used is
decided in `feature_plan`; statistics are in `segment_statistics`, formulas in `spectral_indices` and `radar`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import FeatureSettings
from agristat_platform.features.dictionary import Feature, dictionary_table, feature_table
from agristat_platform.features.errors import LayerTableError, SegmentMismatchError
from agristat_platform.features.feature_plan import (
    SEASON,
    IndexSource,
    Layer,
    clear_sky_source,
    composite_bands,
    index_sources,
    read_layers_table,
)
from agristat_platform.features.radar import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.features.segment_strips import LayerStatistics, SegmentStrips
from agristat_platform.features.spectral_indices import spectral_index, unavailable_indices

ReadLayer = Callable[[dict[str, Any]], npt.NDArray[Any]]
ReadLayerRows = Callable[[Sequence[dict[str, Any]], slice], Iterable[npt.NDArray[Any]]]

DEFAULT_INDICES = FeatureSettings().indices
_RADAR_STATISTICS = ("mean", "std")


def segment_features(
    labels: npt.NDArray[Any],
    layers: pa.Table,
    read: ReadLayer,
    segments: pa.Table,
    *,
    statistics: Sequence[str] = ("mean", "std"),
    index_statistics: Sequence[str] = ("mean", "std", "p10", "p90"),
    indices: Sequence[str] = DEFAULT_INDICES,
    harmonised: bool = False,
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
        kelvin, linear power). Called once per layer, one interval and collection at a time; of these only bands that an
        index takes are held until the next.
    segments:
        Table with segment_id, area_ha, compactness; the same segments as the labels, any order.
    statistics, index_statistics:
        Of optical and thermal bands, and of spectral indices; names as in `segment_statistics`. Radar is always
        described by its mean (averaged as linear power, then in dB) and standard deviation (linear power).
    indices:
        Spectral indices wanted; those that no collection allows are left out (`left_out_indices` tells which and why).
        They are computed from interval composites, never from percentiles.
    harmonised:
        Landsat's reflectance was adjusted to Sentinel-2's, so that the latter's coefficients serve it.

    Returns
    -------
    features
        segment_id and float32 columns, rows in the order of `segments`: area_ha, compactness, then for each interval
        clear_share_tNN (share of the segment's pixels with a value in the optical composite), `{layer}_{tNN}_{stat}`;
        percentiles of the season come first, as `{layer}_season_{stat}`. Radar ratios are those of the mean powers of a
        segment, for each direction of passes that there is. Missing is null. Column metadata carry unit, formula, source.
    dictionary
        The same description as a table (`DICTIONARY_SCHEMA`).

    Raises
    ------
    LayerTableError
        The layers table is empty, lacks a column, has a layer twice, or one cannot be read on the labels' grid.
    SegmentMismatchError
        Labels and segment table hold different segments.
    StatisticError, UnknownIndexError, ReflectanceScaleError, LabelGridError
        A statistic or index is unknown, a layer is no reflectance, or lies on another grid.
    """
    return segment_features_by_strips(
        SegmentStrips.of_raster(labels),
        layers,
        lambda rows, _: map(read, rows),
        segments,
        statistics=statistics,
        index_statistics=index_statistics,
        indices=indices,
        harmonised=harmonised,
    )


def segment_features_by_strips(
    strips: SegmentStrips,
    layers: pa.Table,
    read: ReadLayerRows,
    segments: pa.Table,
    *,
    statistics: Sequence[str] = ("mean", "std"),
    index_statistics: Sequence[str] = ("mean", "std", "p10", "p90"),
    indices: Sequence[str] = DEFAULT_INDICES,
    harmonised: bool = False,
) -> tuple[pa.Table, pa.Table]:
    """The tables of `segment_features`, byte for byte, from rasters that are read by strips of rows.

    Held at once, beside the features (4 bytes a segment and column): 48 bytes a segment for every layer and index of one
    collection and interval, the strip of these layers, and for percentiles the values of segments that go on below it.

    Parameters
    ----------
    strips:
        Of the label raster.
    read:
        Gives the physical values of some rows of `layers`, of one interval and collection, for some rows of the grid: one
        (rows, cols) float array after the other.

    Other parameters, results and errors are those of `segment_features`.
    """
    order = _row_order(strips, segments)
    planned = read_layers_table(layers)
    sources = index_sources(planned, indices, harmonised=harmonised)
    clear_source = clear_sky_source(planned, sources)
    features = [_measure(segments, order, name, unit) for name, unit in (("area_ha", "ha"), ("compactness", "1"))]
    delivered = {source.index for source in sources if source.delivered}
    for _, of_interval in groupby(planned, key=lambda layer: layer.interval):
        by_collection: dict[str, list[Layer]] = {}
        for layer in of_interval:
            by_collection.setdefault(layer.collection, []).append(layer)
        for collection, group in by_collection.items():
            own = [source for source in sources if source.collection == collection and not source.delivered]
            made = _collection_features(
                strips, group, read, own, delivered, statistics, index_statistics, clear=collection == clear_source
            )
            features.extend(replace(feature, values=feature.values.astype(np.float32)) for feature in made)
    table = feature_table(strips.ids, features)
    return table.take(pa.array(order)), dictionary_table(features)


def left_out_indices(layers: pa.Table, indices: Sequence[str] = DEFAULT_INDICES) -> dict[str, tuple[str, ...]]:
    """Indices that the composites do not allow, each with the common names of the bands that are lacking.

    Raises
    ------
    LayerTableError, UnknownIndexError
        The layers table cannot be read, or an index is unknown.
    """
    return unavailable_indices(composite_bands(read_layers_table(layers)), indices)


def _row_order(strips: SegmentStrips, segments: pa.Table) -> npt.NDArray[np.intp]:
    """Place in `strips.ids` of each row of the segment table."""
    ids = segments.column("segment_id").to_numpy()
    odd = np.setxor1d(ids, strips.ids)
    if len(odd) or len(ids) != len(strips.ids):
        which = f"segment {odd[0]} is in only one of them" if len(odd) else "a segment_id is repeated"
        raise SegmentMismatchError(
            f"the label raster has {len(strips.ids)} segments, the segment table {len(ids)}: {which}",
            remedy="Use labels and table of the same version of `segments`",
        )
    return np.searchsorted(strips.ids, ids)


def _measure(segments: pa.Table, order: npt.NDArray[np.intp], name: str, unit: str) -> Feature:
    values = np.empty(len(order))
    values[order] = segments.column(name).to_numpy()
    formula = "pixels × pixel area" if name == "area_ha" else "4π area / perimeter²"
    return Feature(name, "segments", name, None, None, formula, unit, values)


def _checked(values: npt.NDArray[Any], layer: Layer) -> npt.NDArray[Any]:
    values = np.asarray(values)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise LayerTableError(
            f"{layer.collection} {layer.layer} of interval {layer.interval} was read as {values.dtype} {values.shape}",
            where=str(layer.row.get("file", "")) or None,
            remedy="Read physical values as floats (rows, cols) with NaN where missing",
        )
    return values


def _collection_features(
    strips: SegmentStrips,
    group: Sequence[Layer],
    read: ReadLayerRows,
    sources: Sequence[IndexSource],
    delivered: set[str],
    statistics: Sequence[str],
    index_statistics: Sequence[str],
    *,
    clear: bool,
) -> list[Feature]:
    """Features of one collection in one interval, its layers read one after the other in every strip."""
    # an interval's composite may lack a band: the index is missing there, as the column shows
    have = {layer.band for layer in group if layer.is_composite}
    sources = [source for source in sources if set(source.bands.values()) <= have]
    taken = {band for source in sources for band in source.bands.values()}
    # The mask of an optical composite is the same for all its bands.
    mask = next((layer for layer in group if clear and layer.is_composite and layer.kind in ("optical", "index")), None)
    size = len(strips.ids)
    counted = LayerStatistics(size, ["count"] if mask else [])
    wanted = [
        _RADAR_STATISTICS
        if layer.kind == "radar"
        else index_statistics
        if layer.name in delivered or layer.kind == "index"
        else statistics
        for layer in group
    ]
    of_layers = [LayerStatistics(size, names) for names in wanted]
    of_indices = [LayerStatistics(size, index_statistics) for _ in sources]
    for strip in strips.strips():
        bands: dict[str, npt.NDArray[Any]] = {}
        for layer, own, read_values in zip(
            group, of_layers, read([layer.row for layer in group], strip.rows), strict=True
        ):
            values = _checked(read_values, layer)
            if layer is mask:
                counted.add(strip, values)
            if layer.is_composite and layer.band in taken:
                bands[layer.band] = values
            own.add(strip, values)
            del values, read_values
        for source, own in zip(sources, of_indices, strict=True):
            given = {argument: bands[band] for argument, band in source.bands.items()}
            own.add(strip, spectral_index(source.index).compute(given, source.coefficients))
    features = [_clear_share(strips, mask, counted)] if mask else []
    powers: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
    for layer, own in zip(group, of_layers, strict=True):
        described = own.result()
        if layer.kind == "radar":
            powers.setdefault(layer.pass_suffix, {})[layer.band] = described["mean"]
            features.extend(_radar_features(layer, described))
        else:
            features.extend(_band_features(layer, described))
    for suffix, means in powers.items():
        features.extend(_ratio_features(group[0], suffix, means))
    for source, own in zip(sources, of_indices, strict=True):
        features.extend(_index_features(group[0], source, own.result()))
    return features


def _clear_share(strips: SegmentStrips, layer: Layer, counted: LayerStatistics) -> Feature:
    share = counted.result()["count"] / strips.pixels
    formula = f"pixels with a value of {layer.layer} / pixels"
    return Feature(
        f"clear_share_{layer.period}", layer.collection, layer.layer, layer.interval, None, formula, "1", share
    )


def _band_features(layer: Layer, described: dict[str, npt.NDArray[np.float64]]) -> Iterator[Feature]:
    unit = {"optical": "reflectance", "thermal": "K"}.get(layer.kind, "1")
    of = f"{layer.band}, {layer.statistic} of the season" if layer.interval == SEASON else layer.layer
    for statistic, found in described.items():
        yield Feature(
            f"{layer.name}_{layer.period}_{statistic}",
            layer.collection,
            layer.layer,
            layer.interval,
            statistic,
            f"{statistic}({of})",
            unit,
            found,
        )


def _radar_features(layer: Layer, described: dict[str, npt.NDArray[np.float64]]) -> Iterator[Feature]:
    column = f"{layer.name}_{layer.period}"
    about = (layer.collection, layer.layer, layer.interval)
    decibels = to_db(described["mean"])
    yield Feature(f"{column}_mean", *about, "mean", f"10 log10(mean({layer.layer}))", "dB", decibels)
    yield Feature(f"{column}_std", *about, "std", f"std({layer.layer})", "linear power", described["std"])


def _ratio_features(layer: Layer, suffix: str, means: dict[str, npt.NDArray[np.float64]]) -> Iterator[Feature]:
    """Ratios of mean linear powers, of passes of one direction: the other looks at the field from the other side."""
    if not {"VV", "VH"} <= set(means):
        return
    vv, vh = (f"mean({band}{suffix})" for band in ("VV", "VH"))
    for name, function, formula in (
        ("vh_vv", vh_vv_ratio, f"{vh} / {vv}"),
        ("rvi", radar_vegetation_index, f"4 {vh} / ({vv} + {vh})"),
    ):
        values = function(means["VH"], means["VV"])
        column = f"{name}{suffix}_{layer.period}_mean"
        yield Feature(column, layer.collection, f"{name}{suffix}", layer.interval, "mean", formula, "1", values)


def _index_features(
    layer: Layer, source: IndexSource, described: dict[str, npt.NDArray[np.float64]]
) -> Iterator[Feature]:
    index = spectral_index(source.index)
    formula = index.formula_for(source.coefficients)
    for statistic, found in described.items():
        yield Feature(
            f"{index.name}_{layer.period}_{statistic}",
            source.collection,
            index.name,
            layer.interval,
            statistic,
            f"{statistic}({formula})",
            index.unit,
            found,
        )
