"""crop_maps: the class of every segment with its confidence, as a table and as rasters."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import mapping
from agristat_platform.catalogue import Catalogue, CropNomenclature, Partition, Region
from assets import carried_crops, checks, class_probabilities, past_crop_maps
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.storage import StorageResource, StoredVersion

LABELLED_SHARE = 0.95
TO_THE_STORE = "../../../../.."  # from the folder of a version


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `crop_maps`."""

    @asset_family(
        "crop_maps",
        seasons,
        ins={
            "crop_models": upstream("training"),
            "segments": upstream("imagery"),
            "features": upstream("imagery"),
            "previous_maps": upstream("training", key="crop_maps", mapping=previous, optional=True),
        },
        checks=[
            check("crop_maps", "schema", "Columns and types as the contract says", blocking=True),
            check("crop_maps", "crs_and_grid", "Map and confidence lie on the region's grid", blocking=True),
            check(
                "crop_maps",
                "probabilities_schema",
                "A row's probabilities stand in one column a class",
                blocking=True,
            ),
            check("crop_maps", "one_row_per_segment", "Every segment has one row and no other has", blocking=True),
            check(
                "crop_maps",
                "probabilities_add_up",
                "Each segment's probabilities sum to 1 or are all missing",
                blocking=True,
            ),
            check("crop_maps", "classified_share", f"At least {LABELLED_SHARE:.0%} of the segments have a class"),
        ],
    )
    def crop_maps(
        context: dg.AssetExecutionContext,
        crop_models: StoredVersion,
        segments: StoredVersion,
        features: StoredVersion,
        previous_maps: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> Iterator[dg.MaterializeResult]:
        """Crop map with colour table and confidence. Its pixel counts are not an estimate of area: see official_estimates."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        source = class_probabilities.probability_source(crop_models, features, nomenclature)

        with storage.store.draft("crop_maps", partition, stage="mapping") as draft:
            classified = class_probabilities.write_classes(draft, source, nomenclature)
            files = mapping.write_crop_map(
                segments.path("segments.tif"), classified, nomenclature, draft.directory, simulated=region.simulated
            )
            carried = carried_crops.carried_crops(segments, previous_maps, classified, context.log)
            if carried is not None:
                draft.write_table(carried_crops.TABLE, carried)
            counts = mapping.pixel_counts(files.crop_map, nomenclature)
            draft.write_table("pixel_counts", counts)
            png = mapping.crop_map_png(files.crop_map, nomenclature, simulated=region.simulated)
            draft.write_bytes("quicklook.png", png)
            item = _item(partition, region, counts, nomenclature, {"crop_models": crop_models, "segments": segments})
            draft.write_json(mapping.ITEM_FILE, item)
            share = 1.0 - classified["crop_code"].null_count / max(1, classified.num_rows)
            result = materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"nomenclature": region.crops, "segments": classified.num_rows, "made_by": source.made_by},
                metadata={
                    **table_metadata(classified),
                    "quicklook": picture(png, "Crop map"),
                    "pixel_counts (not an estimate)": markdown_table(counts.to_pylist()),
                    "stac_item": item,
                    **({} if carried is None else {"crops a year before": _changes(carried)}),
                    "mean_confidence": float(pc.mean(classified["confidence"]).as_py() or 0.0),
                },
                checks=[
                    checks.schema("schema", draft.directory / "segments.parquet", mapping.CLASSIFIED_SCHEMA),
                    checks.raster_grid("crs_and_grid", list(vars(files).values()), region.grid()),
                    *class_probabilities.probability_checks(
                        draft, source, segments.table("segments", columns=["segment_id"])["segment_id"]
                    ),
                    checks.at_least("classified_share", share, LABELLED_SHARE, what="share of segments with a class"),
                ],
            )
        yield result
        # Dagster takes the next event only after it has published the one before
        past_crop_maps.report(context, storage.store.current("crop_maps", partition))

    return crop_maps


def _changes(carried: pa.Table) -> dg.MetadataValue:
    return markdown_table(carried_crops.changes(carried))


def _item(
    partition: Partition,
    region: Region,
    counts: pa.Table,
    nomenclature: CropNomenclature,
    made_from: dict[str, StoredVersion],
) -> dict[str, Any]:
    """The map's STAC item, with links within the store to the versions that it was made from."""
    season = region.season(partition.season)
    links = [
        {
            "rel": "derived_from",
            "href": f"{TO_THE_STORE}/{stored.place.version_directory(stored.version)}/{file}",
            "title": f"{name} of {partition}",
        }
        for (name, stored), file in zip(made_from.items(), ("model_card.json", "segments.parquet"), strict=True)
        if file in stored.names  # a model of an earlier release has no card
    ]
    links.append({"rel": "related", "href": "../current.json", "title": f"Which version of {partition} is current"})
    item = mapping.crop_map_item(
        counts,
        nomenclature,
        region.grid(),
        region=region.code,
        season=partition.season,
        start=season.start,
        end=season.end,
        simulated=region.simulated,
        links=links,
    )
    return mapping.crop_map_document(item)
