"""What every layer and index is described by: statistics, texture and its grey levels.

Belongs here: choices made before a pixel is read. Where indices come from is decided in `feature_plan`; columns are made in
`layer_features`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agristat_platform.catalogue import FeatureSettings, TextureSettings
from agristat_platform.features.errors import LayerTableError, StatisticError
from agristat_platform.features.series.segment_series import plausible_range
from agristat_platform.features.statistics.segment_strips import percentile_shares
from agristat_platform.features.wide_table.feature_plan import IndexSource, Layer, clear_sky_source, index_sources

_DEFAULTS = FeatureSettings()
GREY_RANGES = {"optical": (0.0, 0.6), "radar": (-35.0, 5.0), "thermal": (250.0, 330.0)}
"""Range of the grey levels by kind of band: reflectance, dB, K. Indices have their plausible range."""


@dataclass(frozen=True)
class StatisticsWanted:
    """Names of statistics as in `segment_statistics`, and the texture wanted.

    Attributes
    ----------
    bands, indices, radar: statistics of optical and thermal bands, of spectral indices, of radar layers.
    by_layer: statistics of single bands, layers or indices instead, by name in lower case.
    texture: None: none.
    """

    bands: Sequence[str] = _DEFAULTS.statistics
    indices: Sequence[str] = _DEFAULTS.index_statistics
    radar: Sequence[str] = _DEFAULTS.radar_statistics
    by_layer: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texture: TextureSettings | None = None

    def __post_init__(self) -> None:
        for names in (self.bands, self.indices, self.radar, *self.by_layer.values()):
            percentile_shares(names)
            if len(set(names)) != len(names):
                raise StatisticError(f"statistics repeat: {', '.join(names)}", remedy="Name each once")

    @classmethod
    def of_settings(cls, settings: FeatureSettings) -> StatisticsWanted:
        """Those that a region's settings ask for."""
        by_layer = {name.lower(): names for name, names in settings.statistics_of.items()}
        return cls(
            settings.statistics, settings.index_statistics, settings.radar_statistics, by_layer, settings.texture
        )


@dataclass(frozen=True)
class FeaturePlan:
    """Layers, sources of indices and what each is described by.

    Attributes
    ----------
    layers: as `read_layers_table` gives them.
    sources: of the indices wanted.
    wanted: the statistics.
    """

    layers: Sequence[Layer]
    sources: Sequence[IndexSource]
    wanted: StatisticsWanted

    @classmethod
    def of(
        cls, layers: Sequence[Layer], indices: Sequence[str], wanted: StatisticsWanted, *, harmonised: bool
    ) -> FeaturePlan:
        """The plan of these layers.

        Raises
        ------
        UnknownIndexError
            An index is unknown.
        LayerTableError
            Statistics or texture are wanted of something that is neither a layer nor an index among the features.
        """
        plan = cls(layers, index_sources(layers, indices, harmonised=harmonised), wanted)
        known = {source.index for source in plan.sources}
        known |= {name for layer in layers for name in (layer.name, layer.band.lower())}
        asked = dict.fromkeys(wanted.by_layer, "features.statistics_of")
        asked |= {name.lower(): "features.texture.layers" for name in wanted.texture.layers} if wanted.texture else {}
        for name, setting in asked.items():
            if name not in known:
                raise LayerTableError(
                    f"{setting} names {name}, which is neither a layer of the composites nor an index of the features",
                    remedy=f"Change it; there are {', '.join(sorted(known))}",
                )
        return plan

    @property
    def clear_source(self) -> str | None:
        """The collection whose gaps are the season's."""
        return clear_sky_source(self.layers, self.sources)

    def computed(self, collection: str) -> list[IndexSource]:
        """Indices that are computed from a collection's bands."""
        return [source for source in self.sources if source.collection == collection and not source.delivered]

    def statistics_of(self, layer: Layer) -> Sequence[str]:
        """Statistics of a layer: its own, else its band's, else its kind's."""
        for name in (layer.name, layer.band.lower()):
            if name in self.wanted.by_layer:
                return self.wanted.by_layer[name]
        if layer.kind == "radar":
            return self.wanted.radar
        delivered = layer.kind == "index" or any(
            source.delivered and source.index == layer.name for source in self.sources
        )
        return self.wanted.indices if delivered else self.wanted.bands

    def statistics_of_index(self, index: str) -> Sequence[str]:
        """Statistics of a computed index."""
        return self.wanted.by_layer.get(index, self.wanted.indices)

    def grey_levels_of(self, layer: Layer) -> tuple[float, float, int] | None:
        """Range and number of the grey levels of a layer; None where its texture is not wanted.

        A band stands for its interval composites (of radar: of all passes); other layers go by their own name.
        """
        named = (layer.name, *((layer.band.lower(),) if layer.is_composite else ()))
        return self._grey_levels(named, layer.kind)

    def grey_levels_of_index(self, index: str) -> tuple[float, float, int] | None:
        """Range and number of the grey levels of a computed index; None where its texture is not wanted."""
        return self._grey_levels((index,), "index")

    @property
    def texture_statistics(self) -> Sequence[str]:
        """Measures of texture wanted."""
        return self.wanted.texture.statistics if self.wanted.texture else ()

    def _grey_levels(self, named: Sequence[str], kind: str) -> tuple[float, float, int] | None:
        texture = self.wanted.texture
        if texture is None or not any(name in {layer.lower() for layer in texture.layers} for name in named):
            return None
        ranges = {name.lower(): bounds for name, bounds in texture.ranges.items()}
        given = next((ranges[name] for name in named if name in ranges), None)
        low, high = given or GREY_RANGES.get(kind) or plausible_range(named[0])
        return low, high, texture.levels
