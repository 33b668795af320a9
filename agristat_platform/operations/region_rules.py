"""Names in a region file that only the science packages can judge: collections and bands.

What belongs here: rules for `agristat region check` and `add` beyond the schema. The schema itself is in `catalogue`.
"""

from __future__ import annotations

from agristat_platform import imagery
from agristat_platform.catalogue import Region, did_you_mean


def imagery_problems(region: Region) -> list[str]:
    """Collections without a band table and bands that a collection does not have, a line each: field, value, allowed."""
    problems = []
    for name, request in region.imagery.collections.items() if region.imagery else ():
        try:
            bands = list(imagery.collection_table(name).bands)
        except imagery.UnknownCollectionError:
            known = list(imagery.COLLECTIONS)
            problems.append(
                f'imagery.collections: got "{name}"; allowed: {", ".join(known)}{did_you_mean(name, known)}'
            )
            continue
        problems += [
            f'imagery.collections.{name}.bands: got "{band}"; allowed: {", ".join(bands)}{did_you_mean(band, bands)}'
            for band in request.bands
            if band not in bands
        ]
    return problems
