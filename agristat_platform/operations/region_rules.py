"""Names in a region file that only the science packages can judge: collections, bands and spectral indices.

What belongs here: rules for `agristat region check` and `add` beyond the schema. The schema itself is in `catalogue`.
"""

from __future__ import annotations

from agristat_platform import features, imagery
from agristat_platform.catalogue import Region, did_you_mean


def imagery_problems(region: Region) -> list[str]:
    """Names that no band table knows, a line each: field, value, allowed.

    Collections without a band table, bands that a collection does not have, segmentation layers that are neither a
    requested band nor a spectral index, and features, texture or series of an index or band that there is not.
    """
    problems = []
    for name, request in region.imagery.collections.items() if region.imagery else ():
        try:
            table = imagery.collection_table(name)
        except imagery.UnknownCollectionError:
            known = list(imagery.COLLECTIONS)
            problems.append(
                f'imagery.collections: got "{name}"; allowed: {", ".join(known)}{did_you_mean(name, known)}'
            )
            continue
        bands = list(table.bands)
        if table.kind != "radar" and request.orbits != "apart":
            problems.append(f"imagery.collections.{name}.orbits: only radar is kept by the direction of its passes")
        problems += [
            f'imagery.collections.{name}.bands: got "{band}"; allowed: {", ".join(bands)}{did_you_mean(band, bands)}'
            for band in request.bands
            if band not in bands
        ]
    # a mistyped band would be named twice
    return problems or [*_segmentation_problems(region), *_index_problems(region), *_feature_problems(region)]


def _segmentation_problems(region: Region) -> list[str]:
    if region.imagery is None:
        return []
    requested = [band for request in region.imagery.collections.values() for band in request.bands]
    known = [*dict.fromkeys(requested), *features.INDICES]
    allowed = {name.casefold() for name in known}
    return [
        f'segmentation.layers: got "{layer}"; allowed: {", ".join(known)}{did_you_mean(layer, known)}'
        for layer in region.segmentation.layers
        if layer.casefold() not in allowed
    ]


def _feature_problems(region: Region) -> list[str]:
    """Texture and single statistics are of requested bands, of their layers by pass or percentile, or of indices."""
    if region.imagery is None:
        return []
    texture = region.features.texture
    named = {
        "features.texture.layers": texture.layers if texture else (),
        "features.statistics_of": tuple(region.features.statistics_of),
    }
    bands = [band for request in region.imagery.collections.values() for band in request.bands]
    known = [*dict.fromkeys(bands), *region.features.indices]
    allowed = {name.casefold() for name in known}
    return [
        f'{field}: got "{name}"; allowed: {", ".join(known)}{did_you_mean(name, known)}'
        for field, names in named.items()
        for name in names
        # VV_des and B04_p10 are layers of VV and B04
        if name.casefold() not in allowed and name.casefold().rpartition("_")[0] not in allowed
    ]


def _index_problems(region: Region) -> list[str]:
    named = {
        "features.indices": region.features.indices,
        "time_series.indices": region.time_series.indices,
    }
    problems = [
        f'{field}: got "{name}"; allowed: {", ".join(features.INDICES)}{did_you_mean(name, list(features.INDICES))}'
        for field, names in named.items()
        for name in names
        if name not in features.INDICES
    ]
    for name in region.time_series.channels:
        try:
            features.series_channel(name)
        except features.UnknownIndexError as error:
            problems.append(f"time_series.channels: {error.what}; {error.remedy}")
    return problems
