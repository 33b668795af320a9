"""past_crop_maps, older_crop_maps: crop maps of one and two years before, as what is known of a place before its season begins.

The features of a season look back at crop maps, which are made from the features of theirs. Over the years that is no circle,
but among assets it would be one, and Dagster allows that of an asset with itself alone. So features read external assets,
which nothing in the graph makes: publishing a crop map reports its version to them. Two, because Dagster maps an asset's
partitions to those of another in one way only. See docs/decisions/0013-history-through-external-assets.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from agristat_platform import features, segmentation
from agristat_platform.catalogue import Catalogue
from assets.families import FAMILIES
from assets.materialisation import upstream
from assets.partitions import homologous_season
from resources.storage import StoredVersion

YEARS_BEFORE: Mapping[str, int] = {"past_crop_maps": 1, "older_crop_maps": 2}
"""External assets, and how many years before a season its features read them."""

DATA_VERSION = "dagster/data_version"


def build(seasons: dg.MultiPartitionsDefinition) -> list[dg.AssetSpec]:
    """The external assets."""
    family = FAMILIES["crop_maps"]
    return [
        dg.AssetSpec(
            name,
            partitions_def=seasons,
            group_name=family.group,
            kinds=set(family.kinds),
            owners=[family.owner],
            description=f"Crop maps as the features of {years} year{'s' if years > 1 else ''} later read them. "
            "Each event points to a version of crop_maps, which reports it when it is published",
        )
        for name, years in YEARS_BEFORE.items()
    ]


def inputs(catalogue: Catalogue) -> dict[str, dg.AssetIn]:
    """Inputs of an asset that looks back: a version of crop_maps or None each."""
    return {
        name: upstream(
            "training", mapping=homologous_season(catalogue, years), optional=True, stored_as="crop_maps"
        )
        for name, years in YEARS_BEFORE.items()
    }  # fmt: skip


def report(context: dg.AssetExecutionContext, published: StoredVersion) -> None:
    """Tell Dagster that a version of crop_maps is there to be looked back at."""
    for name in YEARS_BEFORE:
        context.log_event(
            dg.AssetMaterialization(
                name,
                partition=str(published.partition),
                tags={DATA_VERSION: published.version},
                metadata={
                    "asset": "crop_maps",
                    "version": published.version,
                    "uri": dg.MetadataValue.path(published.uri),
                    "manifest_sha256": published.manifest_sha256,
                },
            )
        )


def join_history(
    columns: features.FeatureColumns,
    segments: StoredVersion,
    past: Mapping[str, StoredVersion | None],
    catalogue: Catalogue,
    log: Any,
) -> dict[str, str]:
    """Add what past crop maps say of the segments and their neighbours, and which segments are the same as a year before.

    A map on another grid than the region has now is left out with a warning.

    Parameters
    ----------
    past:
        By name of the external asset the version read, or None.

    Returns
    -------
    Version of the crop map by the external asset's name, of those that were used.
    """
    labels = segments.path("segments.tif")
    used: dict[str, str] = {}
    maps: dict[int, Path] = {}
    for name, stored in past.items():
        if stored is None:
            continue
        path = stored.path("crop_map.tif")
        if segmentation.on_one_grid(path, labels):
            used[name], maps[YEARS_BEFORE[name]] = stored.version, path
        else:
            log.warning("the crop map of %s lies on another grid and gives no history", stored.partition)
    identities = segmentation.segment_identities(segments.table("links")) if segments.has("links") else None
    nomenclature = catalogue.nomenclature(segments.partition.region)
    for feature in features.history_features(columns.segment_ids, labels, maps, nomenclature, identities):
        columns.add(feature)
    return used
