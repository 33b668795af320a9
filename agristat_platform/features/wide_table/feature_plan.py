"""Which layers become which features: the layers table read as sources of bands, and the choice of source per index.

Belongs here: decisions made before a pixel is read. Computing them is in `segment_features`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from agristat_platform.features.errors import LayerTableError
from agristat_platform.features.indices.spectral_indices import index_bands, spectral_index
from agristat_platform.imagery import collection_table

SEASON = 0
"""Interval of the layers that describe the whole season."""

_COLUMNS = ("collection", "band", "layer", "statistic", "orbit", "interval")
_PERCENTILE = re.compile(r"p\d+(\.\d+)?")


@dataclass(frozen=True)
class Layer:
    """One row of the layers table, with what the band tables know about its band."""

    row: dict[str, Any]
    collection: str
    band: str
    layer: str
    statistic: str
    interval: int
    kind: str
    common_name: str | None
    resolution_m: float

    @property
    def name(self) -> str:
        """The layer's name in feature columns: `b04`, `vv_des`, `b04_p10`."""
        return self.layer.lower()

    @property
    def period(self) -> str:
        """Its interval in feature columns: `t03`, or `season`."""
        return interval_label(self.interval)

    @property
    def pass_suffix(self) -> str:
        """What tells passes of one direction from the others in a radar layer's name: `_des`, or nothing."""
        return self.name.removeprefix(self.band.lower())

    @property
    def is_composite(self) -> bool:
        """Whether it holds an interval's pixels, as indices need them: a percentile mixes dates from band to band."""
        return self.interval != SEASON and not _PERCENTILE.fullmatch(self.statistic)


@dataclass(frozen=True)
class IndexSource:
    """Where an index comes from: delivered by a composite, or computed from bands of one collection.

    `bands` maps the names of the index function's arguments to band names; it is empty for a delivered index.
    `coefficients` is the collection whose coefficients serve indices that have them per sensor.
    """

    index: str
    collection: str
    bands: dict[str, str]
    coefficients: str

    @property
    def delivered(self) -> bool:
        """Whether the composite holds the index itself."""
        return not self.bands


def interval_label(interval: int) -> str:
    """An interval's label in names of columns and bands: "t03"; "season" for 0."""
    return "season" if interval == SEASON else f"t{interval:02d}"


def read_layers_table(layers: pa.Table) -> list[Layer]:
    """The rows of the layers table in order of interval (the whole season's first), then of the table.

    Raises
    ------
    LayerTableError
        The table is empty, lacks a column, or has one layer twice for an interval (also from two collections: their
        features would carry one name).
    UnknownCollectionError, UnknownBandError
        From `imagery`, for a collection or band without a band table.
    """
    absent = [name for name in _COLUMNS if name not in layers.column_names]
    if absent:
        raise LayerTableError(f"the layers table has no column {', '.join(absent)}", remedy="Use imagery.LAYERS_SCHEMA")
    if layers.num_rows == 0:
        raise LayerTableError("the layers table is empty", remedy="Check the scenes kept for this season")
    read = []
    seen: dict[tuple[str, int], str] = {}
    for row in layers.to_pylist():
        table = collection_table(row["collection"])
        band = table.band(row["band"])
        if band.kind == "mask":
            continue
        layer = Layer(
            row,
            table.name,
            row["band"],
            row["layer"],
            row["statistic"],
            row["interval"],
            band.kind,
            band.common_name,
            band.resolution_m,
        )
        key = (layer.name, layer.interval)
        if key in seen:
            raise LayerTableError(
                f"layer {layer.layer} of interval {layer.interval} comes from {seen[key]} and from {layer.collection}",
                remedy="Request the band from one collection",
            )
        seen[key] = layer.collection
        read.append(layer)
    return sorted(read, key=lambda layer: layer.interval)


def composite_bands(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """Optical bands and delivered indices that the interval composites hold, by collection; see `unavailable_indices`."""
    bands: dict[str, list[str]] = {}
    for layer in layers:
        if layer.is_composite and layer.kind in ("optical", "index"):
            own = bands.setdefault(layer.collection, [])
            if layer.band not in own:
                own.append(layer.band)
    return {collection: tuple(names) for collection, names in bands.items()}


def index_sources(layers: Sequence[Layer], indices: Sequence[str], *, harmonised: bool = False) -> list[IndexSource]:
    """One source for each index that the interval composites allow, the same for the whole season.

    A delivered index wins over a computed one; then the collection with the finest bands wins, then the one that comes
    first in the layers table. Indices that no collection allows are left out (`unavailable_indices` tells which).

    Parameters
    ----------
    layers:
        As `read_layers_table` gives them.
    indices:
        Names, in the order of the sources returned.
    harmonised:
        Landsat was adjusted to Sentinel-2, so that Sentinel-2's coefficients are the right ones for it.

    Raises
    ------
    UnknownIndexError
        An index is unknown.
    """
    composites = [layer for layer in layers if layer.is_composite]
    by_collection = composite_bands(composites)
    sources = []
    for index in map(spectral_index, indices):
        delivered = next((layer for layer in composites if layer.kind == "index" and layer.name == index.name), None)
        if delivered is not None:
            sources.append(IndexSource(index.name, delivered.collection, {}, delivered.collection))
            continue
        possible = []
        for order, (collection, names) in enumerate(by_collection.items()):
            bands = index_bands(index.name, collection, names)
            if bands:
                table = collection_table(collection)
                resolution = max(table.band(band).resolution_m for band in bands.values())
                coefficients = "sentinel-2-l2a" if harmonised and collection == "landsat-c2-l2" else collection
                possible.append((resolution, order, IndexSource(index.name, collection, bands, coefficients)))
        if possible:
            sources.append(min(possible, key=lambda candidate: candidate[:2])[2])
    return sources


def clear_sky_source(layers: Sequence[Layer], sources: Sequence[IndexSource]) -> str | None:
    """The collection whose gaps are the season's gaps: that of the first index, else the first optical one."""
    if sources:
        return sources[0].collection
    return next((layer.collection for layer in layers if layer.kind in ("optical", "index")), None)
