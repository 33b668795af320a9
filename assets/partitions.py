"""Regions × seasons: the one partitioning of every asset, and the mapping to the homologous previous season.

A season is a time window (Dagster then knows which season is latest, and schedules and automation act on that one alone).
Tiles are never partitions.
"""

from __future__ import annotations

import dagster as dg

from agristat_platform.catalogue import Catalogue, Partition

REGION, SEASON = "region", "season"


def region_seasons(catalogue: Catalogue) -> dg.MultiPartitionsDefinition:
    """Every region of the catalogue × every season from the first one any region declares up to the current one."""
    months = ",".join(str(month) for month in catalogue.settings.seasons_start_months)
    return dg.MultiPartitionsDefinition(
        {
            REGION: dg.StaticPartitionsDefinition(sorted(catalogue.regions)),
            SEASON: dg.TimeWindowPartitionsDefinition(
                start=catalogue.first_season(), fmt="%Y-%m", cron_schedule=f"0 0 1 {months} *", end_offset=1
            ),
        }
    )


def homologous_season(catalogue: Catalogue, years: int = 1) -> dg.MultiPartitionMapping:
    """The same region so many years earlier; a first season has none, which is no error."""
    seasons_back = years * len(catalogue.settings.seasons_start_months)
    return dg.MultiPartitionMapping(
        {
            REGION: dg.DimensionPartitionMapping(REGION, dg.IdentityPartitionMapping()),
            SEASON: dg.DimensionPartitionMapping(
                SEASON,
                dg.TimeWindowPartitionMapping(
                    start_offset=-seasons_back, end_offset=-seasons_back, allow_nonexistent_upstream_partitions=True
                ),
            ),
        }
    )


def partition_of(context: dg.AssetExecutionContext, catalogue: Catalogue) -> Partition:
    """The region and season this step works on.

    Dagster offers every season of the calendar for every region; a region has only those of its own file.

    Raises
    ------
    UnknownRegionError, UnknownSeasonError
        The region has no such season.
    """
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError(f"asset partitions are region × season, got {key!r}")
    partition = Partition(region=key.keys_by_dimension[REGION], season=key.keys_by_dimension[SEASON])
    catalogue.region(partition.region).season(partition.season)
    return partition


def partition_key(partition: Partition) -> dg.MultiPartitionKey:
    """Dagster's key of a partition."""
    return dg.MultiPartitionKey({REGION: partition.region, SEASON: partition.season})
