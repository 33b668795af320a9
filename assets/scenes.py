"""scenes: which satellite scenes of a season can be used over a region, and why the others cannot."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import imagery
from agristat_platform.catalogue import Catalogue, ImagerySource, Region
from agristat_platform.provenance import ExternalRecord
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import imagery_of, materialised, require_known_indices
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.imagery_catalogue import ImageryCatalogue, searched_dates
from resources.storage import StorageResource

MOST_TILES_NAMED = 4  # in a line about an overpass


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `scenes`."""

    @asset_family(
        "scenes",
        seasons,
        checks=[
            check("scenes", "schema", "Columns and types as the contract says", blocking=True),
            check(
                "scenes", "overpasses_schema", "Columns and types of the overpasses as the contract says", blocking=True
            ),
            check(
                "scenes",
                "every_interval_has_scenes",
                "Each collection has a usable scene in every interval of the season",
            ),
        ],
    )
    def scenes(
        context: dg.AssetExecutionContext,
        catalogue: dg.ResourceParam[Catalogue],
        imagery_catalogue: ImageryCatalogue,
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Scenes of the season from the region's STAC catalogue, each kept or dropped with its reason.

        Cloud and its shadow are measured over the area of interest from the scene's own mask; the scene's metadata speak
        of the whole tile. Scenes shortly before and after the season are there for the ends of series.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        source, season = imagery_of(region), region.season(partition.season)
        require_known_indices(region)
        answers = imagery_catalogue.answers(region, partition.season)
        items = [item for answer in answers for item in answer.items]
        try:
            found = imagery.assess_season(items, region.grid(), region.aoi_projected(), source, season=season)
        except (imagery.AoiOutsideImageryError, imagery.NoScenesLeftError) as error:
            # imagery knows collections, a person looks for the region and season
            raise type(error)(error.what, where=f"{partition}, {error.where}", remedy=error.remedy) from error
        table, overpasses = found.scenes, found.overpasses
        windows = None
        if source.ingest:
            folder = Path(imagery_catalogue.archive_dir) / region.code / "windows"
            progress = partial(_logged, context.log)
            table, windows = imagery.ingest_kept_scenes(table, region.grid(), source, folder, progress=progress)
        inside = table.filter(table["in_season"])
        kept = inside.filter(inside["kept"])
        context.log.info(
            "%d of %d scenes kept, and %d around the season",
            kept.num_rows,
            inside.num_rows,
            table.num_rows - inside.num_rows,
        )
        searches = [_search_record(name, answer) for name, answer in zip(source.by_catalogue(), answers, strict=True)]
        first, end = searched_dates(region, partition.season)
        empty = _empty_intervals(region, partition.season, kept)
        calendar = imagery.sky_calendar(table, season=season, simulated=region.simulated)

        with storage.store.draft("scenes", partition, stage="imagery") as draft:
            draft.write_table("scenes", table)
            draft.write_table("overpasses", overpasses)
            draft.write_bytes("sky_calendar.png", calendar)
            dropped = table.filter(pc.invert(table["kept"])).select(["scene_id", "reason"]).to_pylist()
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "catalogue": source.catalogue,
                    "searched": f"{first}/{end}",
                    "searches": searches,
                    "max_cloud_share": source.max_cloud_share,
                    "min_aoi_cover": source.min_aoi_cover,
                    "cloud_dilation_m": source.masks.cloud_dilation_m,
                    "shadow_dilation_m": source.masks.shadow_dilation_m,
                    "collections": {name: list(request.bands) for name, request in source.collections.items()},
                    "ingest": source.ingest,
                },
                external=[_scene_record(row) for row in table.to_pylist()],
                metadata={
                    **table_metadata(table),
                    "searches": markdown_table(searches),
                    "by_collection": markdown_table(_by_collection(source, table)),
                    "overpasses": markdown_table([_overpass_line(row) for row in overpasses.to_pylist()]),
                    "sky": picture(calendar, "Clear share by date and tile"),
                    "superseded": sum(imagery.superseded_counts(table).values()),
                    "dropped": markdown_table(dropped),
                    **({} if windows is None else {"windows": markdown_table([_windows_line(windows)])}),
                },
                checks=[
                    checks.schema("schema", draft.directory / "scenes.parquet", imagery.SCENES_SCHEMA),
                    checks.schema(
                        "overpasses_schema", draft.directory / "overpasses.parquet", imagery.OVERPASSES_SCHEMA
                    ),
                    checks.holds(
                        "every_interval_has_scenes",
                        not empty,
                        description=f"without a scene: {', '.join(empty)}" if empty else "every interval has scenes",
                        warn_only=True,
                    ),
                ],
            )

    return scenes


def _search_record(catalogue: str, answer: imagery.SearchAnswer) -> dict[str, Any]:
    """What a catalogue counted and what came, under its name: the address of an embedded one is another each time."""
    expected = "unknown" if answer.expected is None else answer.expected
    return {**answer.counts, "catalogue": catalogue, "expected": expected}


def _by_collection(source: ImagerySource, scenes: pa.Table) -> list[dict[str, Any]]:
    """Scenes found and kept in the season, and kept around it, of each collection."""
    rows = scenes.select(["collection", "in_season", "kept"]).to_pylist()
    lines = []
    for name in sorted(imagery.requested_bands(source.collections)):
        own = [row for row in rows if row["collection"] == name]
        inside = [row for row in own if row["in_season"]]
        lines.append(
            {
                "collection": name,
                "found": len(inside),
                "kept": sum(row["kept"] for row in inside),
                "kept_around_the_season": sum(row["kept"] and not row["in_season"] for row in own),
            }
        )
    return lines


def _overpass_line(row: dict[str, Any]) -> dict[str, Any]:
    """An overpass in one short line: whole percent, and the number of tiles where there are many."""
    tiles = row["tiles"]
    shares = {
        name: None if row[column] is None else f"{row[column]:.0%}"
        for name, column in (
            ("covered", "aoi_cover"),
            ("clear", "clear_share"),
            ("cloud", "cloud_share"),
            ("shadow", "shadow_share"),
            ("snow", "snow_share"),
        )
    }
    return {
        "date": row["date"].isoformat() + ("" if row["in_season"] else " (around the season)"),
        "collection": row["collection"],
        "platform": row["platform"],
        "tiles": " ".join(tiles) or None if len(tiles) <= MOST_TILES_NAMED else f"{len(tiles)} tiles",
        **shares,
        "kept": f"{row['kept_scenes']} of {row['scenes']}",
    }


def _empty_intervals(region: Region, season: str, kept: pa.Table) -> list[str]:
    """Collection and interval of every interval without a usable scene."""
    source = imagery_of(region)
    if source.interval == "item":
        return []
    intervals = region.intervals(season)
    seen = {
        (row["collection"], i.index)
        for row in kept.select(["collection", "datetime"]).to_pylist()
        for i in intervals
        if i.start <= row["datetime"].date() < i.end
    }
    wanted = sorted(imagery.requested_bands(source.collections))
    return [f"{name} {i.label}" for name in wanted for i in intervals if (name, i.index) not in seen]


def _logged(log: dg.DagsterLogManager, what: str, done: int, total: int) -> None:
    """A line in the log at every tenth of the way."""
    if done * 10 // total != (done - 1) * 10 // total:
        log.info("%s: %d of %d", what, done, total)


def _windows_line(windows: imagery.IngestedWindows) -> dict[str, Any]:
    return {
        "fetched": windows.fetched,
        "reused": windows.reused,
        "left where they are": windows.left,
        "MiB fetched": round(windows.bytes / 2**20, 1),
    }


def _scene_record(row: dict[str, Any]) -> ExternalRecord:
    """A scene as the manifest names it: its STAC id and the address of its first file, where the catalogue keeps it."""
    assets = json.loads(row["item"])["assets"]
    first = assets[min(assets)]
    return ExternalRecord(kind="scene", id=row["scene_id"], href=first.get(imagery.ORIGIN, first["href"]))
