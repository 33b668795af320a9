"""Columns of one collection in one interval: its layers and indices described in one go through the strips.

Belongs here: which sums a layer needs, and names, formulas and units of the columns they become. Going through the intervals
is in `segment_features`, the sums are in `segment_strips` and `texture`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import LayerTableError
from agristat_platform.features.indices.radar import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.features.indices.spectral_indices import spectral_index
from agristat_platform.features.statistics.segment_strips import LayerStatistics, SegmentStrips, Strip
from agristat_platform.features.statistics.statistics_plan import FeaturePlan
from agristat_platform.features.statistics.texture import LayerTexture
from agristat_platform.features.wide_table.dictionary import Feature
from agristat_platform.features.wide_table.feature_plan import SEASON, IndexSource, Layer

ReadLayerRows = Callable[[Sequence[dict[str, Any]], slice], Iterable[npt.NDArray[Any]]]
Values = npt.NDArray[Any]
Described = dict[str, npt.NDArray[np.float64]]

_LINEAR = ("std", "sum")
_TEXTURE = {
    "contrast": ("Σ p(i, j) (i − j)²", "squared grey levels"),
    "entropy": ("−Σ p(i, j) ln p(i, j)", "nat"),
}


def collection_features(
    strips: SegmentStrips, group: Sequence[Layer], read: ReadLayerRows, plan: FeaturePlan, *, clear: bool
) -> Iterator[Feature]:
    """Features of one collection in one interval, in the order of `strips.ids`.

    Every layer is read once in every strip. A layer's sums are let go as soon as its columns are made.

    Parameters
    ----------
    group:
        The layers of the collection and interval.
    read:
        As of `segment_features_by_strips`.
    clear:
        The collection's gaps are the season's: its clear share is a column.
    """
    # an interval's composite may lack a band: the index is missing there, as the column shows
    have = {layer.band for layer in group if layer.is_composite}
    sources = [source for source in plan.computed(group[0].collection) if set(source.bands.values()) <= have]
    taken = {band for source in sources for band in source.bands.values()}
    # The mask of an optical composite is the same for all its bands.
    mask = next((layer for layer in group if clear and layer.is_composite and layer.kind in ("optical", "index")), None)
    size = len(strips.ids)
    counted = LayerStatistics(size, ["count"] if mask else [])
    measures = plan.texture_statistics
    of_layers = [
        _Sums(size, plan.statistics_of(layer), plan.grey_levels_of(layer), measures, radar=layer.kind == "radar")
        for layer in group
    ]
    of_indices = [
        _Sums(size, plan.statistics_of_index(source.index), plan.grey_levels_of_index(source.index), measures)
        for source in sources
    ]
    for strip in strips.strips():
        bands: dict[str, Values] = {}
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
    if mask:
        yield _clear_share(strips, mask, counted)
    powers: dict[str, Described] = {}
    for layer in group:
        sums = of_layers.pop(0)
        described, mean = sums.described()
        if layer.kind == "radar" and mean is not None:
            powers.setdefault(layer.pass_suffix, {})[layer.band] = mean
            yield from _radar_features(layer, described)
        else:
            yield from _band_features(layer, described)
        yield from _texture_features(layer, layer.name, layer.layer, layer.collection, sums)
        del sums, described, mean
    for suffix, means in powers.items():
        yield from _ratio_features(group[0], suffix, means)
    for source in sources:
        sums = of_indices.pop(0)
        yield from _index_features(group[0], source, sums.described()[0])
        yield from _texture_features(group[0], source.index, source.index, source.collection, sums)


class _Sums:
    """What one layer or index adds up: its statistics, and its texture where that is wanted."""

    def __init__(
        self,
        size: int,
        wanted: Sequence[str],
        grey: tuple[float, float, int] | None,
        measures: Sequence[str],
        *,
        radar: bool = False,
    ) -> None:
        self.grey = grey
        self._wanted, self._measures, self._radar = tuple(wanted), measures, radar
        # ratios of radar are those of means; a sum of nothing is missing, which the count tells
        further = [*(["mean"] if radar else []), *(["count"] if "sum" in wanted else [])]
        self._statistics = LayerStatistics(size, tuple(dict.fromkeys([*wanted, *further])))
        self._texture = LayerTexture(size, grey[0], grey[1], levels=grey[2]) if grey else None

    def add(self, strip: Strip, values: Values) -> None:
        self._statistics.add(strip, values)
        if self._texture is not None:
            self._texture.add(strip, to_db(values) if self._radar else values)

    def described(self) -> tuple[Described, npt.NDArray[np.float64] | None]:
        """The statistics wanted, and of radar the means."""
        found = self._statistics.result()
        if "sum" in found:
            found["sum"] = np.where(found["count"] == 0, np.nan, found["sum"])
        return {name: found[name] for name in self._wanted}, found.get("mean")

    def texture(self) -> Described:
        found = self._texture.result() if self._texture is not None else {}
        return {name: found[name] for name in self._measures if name in found}


def _checked(values: Values, layer: Layer) -> Values:
    values = np.asarray(values)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise LayerTableError(
            f"{layer.collection} {layer.layer} of interval {layer.interval} was read as {values.dtype} {values.shape}",
            where=str(layer.row.get("file", "")) or None,
            remedy="Read physical values as floats (rows, cols) with NaN where missing",
        )
    return values


def _unit(statistic: str, unit: str) -> str:
    return "pixel" if statistic == "count" else unit


def _clear_share(strips: SegmentStrips, layer: Layer, counted: LayerStatistics) -> Feature:
    share = counted.result()["count"] / strips.pixels
    formula = f"pixels with a value of {layer.layer} / pixels"
    return Feature(
        f"clear_share_{layer.period}", layer.collection, layer.layer, layer.interval, None, formula, "1", share
    )


def _band_features(layer: Layer, described: Described) -> Iterator[Feature]:
    unit = {"optical": "reflectance", "thermal": "K"}.get(layer.kind, "1")
    of = f"{layer.band}, {layer.statistic} of the season" if layer.interval == SEASON else layer.layer
    about = (layer.collection, layer.layer, layer.interval)
    return _each_statistic(f"{layer.name}_{layer.period}", about, of, unit, described)


def _each_statistic(
    column: str, about: tuple[str, str, int], of: str, unit: str, described: Described
) -> Iterator[Feature]:
    """A column a statistic of what `of` says; `about`: collection, band or index, and interval."""
    for statistic, found in described.items():
        yield Feature(f"{column}_{statistic}", *about, statistic, f"{statistic}({of})", _unit(statistic, unit), found)


def _radar_features(layer: Layer, described: Described) -> Iterator[Feature]:
    """Sums and deviations in linear power; means and order statistics taken there, then in decibels."""
    about = (layer.collection, layer.layer, layer.interval)
    for statistic, found in described.items():
        column, formula = f"{layer.name}_{layer.period}_{statistic}", f"{statistic}({layer.layer})"
        if statistic == "count" or statistic in _LINEAR:
            yield Feature(column, *about, statistic, formula, _unit(statistic, "linear power"), found)
        else:
            yield Feature(column, *about, statistic, f"10 log10({formula})", "dB", to_db(found))


def _ratio_features(layer: Layer, suffix: str, means: Described) -> Iterator[Feature]:
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


def _index_features(layer: Layer, source: IndexSource, described: Described) -> Iterator[Feature]:
    index = spectral_index(source.index)
    formula = index.formula_for(source.coefficients)
    about = (source.collection, index.name, layer.interval)
    return _each_statistic(f"{index.name}_{layer.period}", about, formula, index.unit, described)


def _texture_features(layer: Layer, name: str, of: str, collection: str, sums: _Sums) -> Iterator[Feature]:
    if sums.grey is None:
        return
    low, high, levels = sums.grey
    scale = " dB" if layer.kind == "radar" else ""
    for statistic, found in sums.texture().items():
        formula, unit = _TEXTURE[statistic]
        about = f"{formula} of {of} in {levels} grey levels from {low:g} to {high:g}{scale} (Haralick et al. 1973)"
        yield Feature(
            f"{name}_{layer.period}_{statistic}", collection, of, layer.interval, statistic, about, unit, found
        )
