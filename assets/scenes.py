"""scenes: which satellite scenes of a season can be used over a region, and why the others cannot."""

import json
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import imagery
from agristat_platform.catalogue import Catalogue, Interval
from agristat_platform.provenance import ExternalRecord
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import imagery_of, materialised
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from resources.imagery_catalogue import ImageryCatalogue
from resources.storage import StorageResource


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `scenes`."""

    @asset_family(
        "scenes",
        seasons,
        checks=[
            check("scenes", "schema", "Columns and types as the contract says", blocking=True),
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

        Cloud is measured over the area of interest from the scene's own mask; the scene's metadata speak of the whole tile.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        source = imagery_of(region)
        items = imagery_catalogue.search(region, partition.season)
        try:
            table = imagery.assess_scenes(items, region.grid(), region.aoi_projected(), source)
        except (imagery.AoiOutsideImageryError, imagery.NoScenesLeftError) as error:
            # imagery knows collections, a person looks for the region and season
            raise type(error)(error.what, where=f"{partition}, {error.where}", remedy=error.remedy) from error
        kept = table.filter(table["kept"])
        context.log.info("%d of %d scenes kept", kept.num_rows, table.num_rows)

        with storage.store.draft("scenes", partition, stage="imagery") as draft:
            draft.write_table("scenes", table)
            wanted = sorted(imagery.requested_bands(source.collections))
            by_collection: list[dict[str, Any]] = [
                {
                    "collection": name,
                    "found": pc.sum(pc.equal(table["collection"], name)).as_py() or 0,
                    "kept": pc.sum(pc.equal(kept["collection"], name)).as_py() or 0,
                }
                for name in wanted
            ]
            empty = (
                [] if source.interval == "item" else _empty_intervals(region.intervals(partition.season), kept, wanted)
            )
            dropped = table.filter(pc.invert(table["kept"])).select(["scene_id", "reason"]).to_pylist()
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "catalogue": source.catalogue,
                    "max_cloud_share": source.max_cloud_share,
                    "min_aoi_cover": source.min_aoi_cover,
                    "collections": {name: list(request.bands) for name, request in source.collections.items()},
                },
                external=[_scene_record(row) for row in table.to_pylist()],
                metadata={
                    **table_metadata(table),
                    "by_collection": markdown_table(by_collection),
                    "dropped": markdown_table(dropped),
                },
                checks=[
                    checks.schema("schema", draft.directory / "scenes.parquet", imagery.SCENES_SCHEMA),
                    checks.holds(
                        "every_interval_has_scenes",
                        not empty,
                        description=f"without a scene: {', '.join(empty)}" if empty else "every interval has scenes",
                        warn_only=True,
                    ),
                ],
            )

    return scenes


def _empty_intervals(intervals: list[Interval], kept: pa.Table, collections: list[str]) -> list[str]:
    """Collection and interval of every interval without a usable scene."""
    seen = {
        (row["collection"], i.index)
        for row in kept.to_pylist()
        for i in intervals
        if i.start <= row["datetime"].date() < i.end
    }
    return [f"{name} {i.label}" for name in collections for i in intervals if (name, i.index) not in seen]


def _scene_record(row: dict[str, Any]) -> ExternalRecord:
    """A scene as the manifest names it: its STAC id and the address of its first file."""
    assets = json.loads(row["item"])["assets"]
    return ExternalRecord(kind="scene", id=row["scene_id"], href=assets[min(assets)]["href"])
