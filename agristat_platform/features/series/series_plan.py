"""Which bands of which collections give which index or band of a season's series: decided before a pixel is read.

Belongs here: the choice alone. Reading is in `segment_observations`, smoothing in `segment_series`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agristat_platform.catalogue import ImagerySource
from agristat_platform.features.indices.spectral_indices import INDICES, unavailable_indices
from agristat_platform.features.series.series_channels import channel_bands, is_thermal, series_channel
from agristat_platform.imagery import Band, Collection, collection_table, requested_bands

REFERENCE, ADJUSTED = "sentinel-2-l2a", ("landsat-c2-l2",)
"""The sensor that others are adjusted to, and those that are."""


@dataclass(frozen=True)
class SeriesSource:
    """What is read of one collection.

    Attributes
    ----------
    collection:
        Its band table.
    bands:
        Bands that an index takes, that are an index themselves, or that have a series of their own.
    indices:
        By index the band of each common name that it takes; empty where the collection delivers the index. A band with a
        series of its own stands here by its common name.
    coefficients:
        Collection whose coefficients serve indices that have them per sensor: Sentinel-2's for adjusted Landsat.
    """

    collection: Collection
    bands: tuple[Band, ...]
    indices: dict[str, dict[str, str]]
    coefficients: str


@dataclass(frozen=True)
class SeriesPlan:
    """Sources of a season's series.

    Attributes
    ----------
    sources:
        Collections that give at least one index, in the order of the region file; temperature is a source of its own.
    indices:
        Those that at least one collection gives, in the order asked for.
    left_out:
        The others, each with the reason.
    """

    sources: tuple[SeriesSource, ...]
    indices: tuple[str, ...]
    left_out: dict[str, str]


def plan_series(imagery: ImagerySource, indices: Sequence[str]) -> SeriesPlan:
    """Choose the bands of each optical collection for each index or band that is to have a series.

    Every collection that has the bands of an index contributes its dates to that index's series. Indices with
    coefficients per sensor come from one sensor alone, the first that has them, unless Landsat is adjusted to Sentinel-2
    (`imagery.harmonise`): the adjusted reflectance is taken as Sentinel-2's. Radar contributes nothing.

    Parameters
    ----------
    imagery:
        The section of a region file.
    indices:
        Indices and bands wanted, as `series_channel` knows them.

    Raises
    ------
    UnknownIndexError
        An index or band is unknown.
    UnknownCollectionError, UnknownBandError
        From `imagery`.
    """
    wanted = [series_channel(name) for name in dict.fromkeys(indices)]
    asked = {
        name: bands
        for name, bands in requested_bands(imagery.collections).items()
        if collection_table(name).kind != "radar"
    }
    # apart, so that places without a temperature are lost to the series of temperature alone
    thermal = [channel for channel in wanted if is_thermal(channel.name)]
    others = [channel for channel in wanted if not is_thermal(channel.name)]
    sources: list[SeriesSource] = []
    for name, band_names in asked.items():
        table = collection_table(name)
        coefficients = REFERENCE if imagery.harmonise and name in ADJUSTED else name
        for channels in (others, thermal):
            given: dict[str, dict[str, str]] = {}
            for index in channels:
                bands = channel_bands(index.name, table, band_names)
                mixed = index.sensors and any(
                    index.name in source.indices and source.coefficients != coefficients for source in sources
                )
                if bands is not None and not mixed:
                    given[index.name] = bands
            if given:
                used = {band for bands in given.values() for band in bands.values()}
                used |= {index for index, bands in given.items() if not bands}
                read = tuple(table.band(band) for band in band_names if band in used)
                sources.append(SeriesSource(table, read, given, coefficients))
    lacking = unavailable_indices(asked, [index.name for index in wanted if index.name in INDICES])
    left_out = {
        index.name: f"lacks {', '.join(lacking.get(index.name, index.bands))}"
        for index in wanted
        if not any(index.name in source.indices for source in sources)
    }
    return SeriesPlan(tuple(sources), tuple(i.name for i in wanted if i.name not in left_out), left_out)
