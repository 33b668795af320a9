"""composites: clean, harmonised mosaics per interval on the region's one grid."""

from pathlib import Path

import dagster as dg

from agristat_platform import imagery
from agristat_platform.catalogue import Catalogue
from agristat_platform.provenance import ExternalRecord
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import file_record, imagery_of, materialised, upstream
from assets.partitions import partition_of
from assets.presentation import picture, table_metadata
from resources.storage import StorageResource, StoredVersion

CLEAR_COVER = 0.90  # of the AOI, per optical layer


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `composites`."""

    @asset_family(
        "composites",
        seasons,
        ins={"scenes": upstream("imagery")},
        checks=[
            check("composites", "schema", "Columns and types of the layer table as the contract says", blocking=True),
            check("composites", "crs_and_grid", "Every raster lies on the region's grid", blocking=True),
            check(
                "composites",
                "cloud_free_cover",
                f"Every layer has a clear value on {CLEAR_COVER:.0%} of the area of interest",
            ),
        ],
    )
    def composites(
        context: dg.AssetExecutionContext,
        scenes: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Masked medians per interval, band and collection: reflectance, linear backscatter, kelvin; missing stays missing."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        source = imagery_of(region)
        table = scenes.table("scenes")
        intervals = None if source.interval == "item" else region.intervals(partition.season)

        with storage.store.draft("composites", partition, stage="imagery") as draft:
            made = imagery.build_composites(
                table, region.grid(), intervals, source, draft.directory, aoi_projected=region.aoi_projected()
            )
            draft.write_table("layers", made.layers)
            quicklook = imagery.quicklook(draft.directory, made.layers, simulated=region.simulated)
            draft.write_bytes("quicklook.png", quicklook)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "interval": source.interval,
                    "intervals": sorted(
                        {f"{row['interval_start']}/{row['interval_end']}" for row in made.layers.to_pylist()}
                    ),
                    "collections": {name: list(request.bands) for name, request in source.collections.items()},
                },
                external=[_scene_file_record(file) for file in imagery.files_of_kept_scenes(table, source)],
                metadata={
                    **table_metadata(made.layers),
                    "quicklook": picture(quicklook, "Composite"),
                    "files": [path.name for path in made.files],
                },
                checks=[
                    checks.schema("schema", draft.directory / "layers.parquet", imagery.LAYERS_SCHEMA),
                    checks.raster_grid("crs_and_grid", made.files, region.grid()),
                    checks.cloud_free_cover("cloud_free_cover", made.layers, minimum=CLEAR_COVER),
                ],
            )

    return composites


def _scene_file_record(file: imagery.SceneFile) -> ExternalRecord:
    """A file the composite was made from; hashed where it lies on this machine, a remote one is known by its address."""
    name, path = f"{file.scene_id}/{file.band}", Path(file.href)
    if path.is_file():
        return file_record("scene file", path, name)
    return ExternalRecord(kind="scene file", id=name, href=file.href)
