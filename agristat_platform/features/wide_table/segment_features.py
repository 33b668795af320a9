"""Features of segments: every layer of a season as statistics per segment, in one wide table with its dictionary.

Belongs here: going through the intervals, and the order of the rows. Which layers are used is decided in `feature_plan`, by
what they are described in `statistics_plan`; columns are made in `layer_features` and kept in `feature_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import FeatureSettings
from agristat_platform.features.errors import SegmentMismatchError
from agristat_platform.features.indices.spectral_indices import unavailable_indices
from agristat_platform.features.statistics.segment_strips import SegmentStrips
from agristat_platform.features.statistics.statistics_plan import FeaturePlan, StatisticsWanted
from agristat_platform.features.wide_table.dictionary import Feature
from agristat_platform.features.wide_table.feature_columns import FeatureColumns
from agristat_platform.features.wide_table.feature_plan import Layer, composite_bands, read_layers_table
from agristat_platform.features.wide_table.layer_features import ReadLayerRows, collection_features

ReadLayer = Callable[[dict[str, Any]], npt.NDArray[Any]]

DEFAULT_INDICES = FeatureSettings().indices


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

    Held at once, beside the features (4 bytes a segment and column): 32 to 48 bytes a segment for every layer and index of one
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
    wanted = StatisticsWanted(bands=statistics, indices=index_statistics)
    with _columns(strips, layers, read, segments, indices, wanted, None, harmonised=harmonised) as columns:
        return columns.table(), columns.dictionary


def segment_feature_columns(
    strips: SegmentStrips,
    layers: pa.Table,
    read: ReadLayerRows,
    segments: pa.Table,
    settings: FeatureSettings,
    *,
    folder: Path | None = None,
    harmonised: bool = False,
) -> FeatureColumns:
    """The columns that a region's settings ask for, each on disk as soon as it is made.

    Held at once: 32 bytes a segment for every layer and index of one collection and interval (with extremes 48,
    with percentiles 8 more each, with texture 24), the strip of these layers, and what segments that go on below it need. The
    table itself is not held, however many columns it has.

    Parameters
    ----------
    settings:
        Indices, statistics and texture.
    folder:
        Where the columns lie, 4 bytes a segment and column; None: the system's folder for temporary files.

    Other parameters and errors are those of `segment_features_by_strips`; LayerTableError also where statistics or texture
    of a layer are wanted that there is not, FeatureError where the folder is full. To be closed by the caller.
    """
    wanted = StatisticsWanted.of_settings(settings)
    return _columns(strips, layers, read, segments, settings.indices, wanted, folder, harmonised=harmonised)


def _columns(
    strips: SegmentStrips,
    layers: pa.Table,
    read: ReadLayerRows,
    segments: pa.Table,
    indices: Sequence[str],
    wanted: StatisticsWanted,
    folder: Path | None,
    *,
    harmonised: bool,
) -> FeatureColumns:
    order = _row_order(strips, segments)
    plan = FeaturePlan.of(read_layers_table(layers), indices, wanted, harmonised=harmonised)
    columns = FeatureColumns(segments.column("segment_id").to_numpy(), folder)
    try:
        for name, unit in (("area_ha", "ha"), ("compactness", "1")):
            columns.add(_measure(segments, name, unit))
        for _, of_interval in groupby(plan.layers, key=lambda layer: layer.interval):
            by_collection: dict[str, list[Layer]] = {}
            for layer in of_interval:
                by_collection.setdefault(layer.collection, []).append(layer)
            for collection, group in by_collection.items():
                clear = collection == plan.clear_source
                for feature in collection_features(strips, group, read, plan, clear=clear):
                    columns.add(replace(feature, values=feature.values[order]))
    except BaseException:
        columns.close()
        raise
    return columns


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


def _measure(segments: pa.Table, name: str, unit: str) -> Feature:
    formula = "pixels × pixel area" if name == "area_ha" else "4π area / perimeter²"
    return Feature(name, "segments", name, None, None, formula, unit, segments.column(name).to_numpy())
