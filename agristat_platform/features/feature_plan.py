"""Which layers become which features: the layers table read as sources of bands, and the choice of source per index.

Belongs here: decisions made before a pixel is read. Computing them is in `segment_features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from agristat_platform.features.errors import LayerTableError
from agristat_platform.features.spectral_indices import SpectralIndex, spectral_index
from agristat_platform.imagery import collection_table

# Common names that can stand in for a band an index takes, best first.
_STAND_INS = {"nir": ("nir", "nir08")}


@dataclass(frozen=True)
class Layer:
    """One row of the layers table, with what the band tables know about its band."""

    row: dict[str, Any]
    collection: str
    band: str
    interval: int
    kind: str
    common_name: str | None
    resolution_m: float

    @property
    def name(self) -> str:
        """The band's name in feature columns."""
        return self.band.lower()


@dataclass(frozen=True)
class IndexSource:
    """Where an index comes from: delivered by a composite, or computed from bands of one collection.

    `bands` maps the names of the index function's arguments to band names; it is empty for a delivered index.
    """

    index: str
    collection: str
    bands: dict[str, str]

    @property
    def delivered(self) -> bool:
        """Whether the composite holds the index itself."""
        return not self.bands


def read_layers_table(layers: pa.Table) -> list[Layer]:
    """The rows of the layers table in order of interval, then of the table.

    Raises
    ------
    LayerTableError
        The table is empty, lacks a column, or names one band twice for an interval (also from two collections: their
        features would carry one name).
    UnknownCollectionError, UnknownBandError
        From `imagery`, for a collection or band without a band table.
    """
    absent = {"collection", "band", "interval"} - set(layers.column_names)
    if absent:
        raise LayerTableError(
            f"the layers table has no column {', '.join(sorted(absent))}", remedy="Use imagery.LAYERS_SCHEMA"
        )
    if layers.num_rows == 0:
        raise LayerTableError("the layers table is empty", remedy="Check the scenes kept for this season")
    read = []
    seen: dict[tuple[str, int], str] = {}
    for row in layers.to_pylist():
        band = collection_table(row["collection"]).band(row["band"])
        if band.kind == "mask":
            continue
        layer = Layer(
            row, row["collection"], row["band"], row["interval"], band.kind, band.common_name, band.resolution_m
        )
        key = (layer.name, layer.interval)
        if key in seen:
            raise LayerTableError(
                f"band {layer.band} of interval {layer.interval} comes from {seen[key]} and from {layer.collection}",
                remedy="Request the band from one collection",
            )
        seen[key] = layer.collection
        read.append(layer)
    return sorted(read, key=lambda layer: layer.interval)


def index_sources(layers: Sequence[Layer], indices: Sequence[str]) -> list[IndexSource]:
    """One source for each index that the layers allow, the same for the whole season.

    A delivered index wins over a computed one; then the collection with the finest bands wins, then the one that comes
    first in the layers table. Indices that no collection allows are left out.

    Raises
    ------
    UnknownIndexError
        An index is unknown.
    """
    collections = list(dict.fromkeys(layer.collection for layer in layers))
    sources = []
    for index in map(spectral_index, indices):
        delivered = next((layer for layer in layers if layer.kind == "index" and layer.name == index.name), None)
        if delivered is not None:
            sources.append(IndexSource(index.name, delivered.collection, {}))
            continue
        possible = []
        for order, collection in enumerate(collections):
            own = [layer for layer in layers if layer.collection == collection and layer.kind == "optical"]
            bands = _bands_of_index(own, index)
            if bands is not None:
                resolution = max(layer.resolution_m for layer in own if layer.band in bands.values())
                possible.append((resolution, order, IndexSource(index.name, collection, bands)))
        if possible:
            sources.append(min(possible, key=lambda candidate: candidate[:2])[2])
    return sources


def clear_sky_source(layers: Sequence[Layer], sources: Sequence[IndexSource]) -> str | None:
    """The collection whose gaps are the season's gaps: that of the first index, else the first optical one."""
    if sources:
        return sources[0].collection
    return next((layer.collection for layer in layers if layer.kind in ("optical", "index")), None)


def _bands_of_index(layers: Sequence[Layer], index: SpectralIndex) -> dict[str, str] | None:
    by_common_name = {layer.common_name: layer.band for layer in layers if layer.common_name is not None}
    bands = {}
    for wanted in index.bands:
        found = next(
            (by_common_name[name] for name in _STAND_INS.get(wanted, (wanted,)) if name in by_common_name), None
        )
        if found is None:
            return None
        bands[wanted] = found
    return bands
