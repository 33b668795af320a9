"""segments: the objects of a region and season, as labels and as polygons."""

import dagster as dg
import pyarrow.compute as pc

from agristat_platform import features, segmentation
from agristat_platform.catalogue import Catalogue
from assets import checks
from assets.families import asset_family, check
from assets.layers import layer_reader
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import picture, table_metadata
from resources.storage import StorageResource, StoredVersion


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `segments`."""

    @asset_family(
        "segments",
        seasons,
        ins={"composites": upstream("imagery")},
        checks=[
            check("segments", "schema", "Columns and types as the contract says", blocking=True),
            check("segments", "crs_and_grid", "The label raster lies on the region's grid", blocking=True),
            check("segments", "geometry", "Polygons are valid, none is empty, all lie on the grid", blocking=True),
            check("segments", "labels_and_polygons_agree", "As many polygons as labels, with the same area"),
        ],
    )
    def segments(
        context: dg.AssetExecutionContext,
        composites: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Shepherd segmentation (k-means seeds, clumps, elimination of small segments) of the clearest intervals."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        settings, grid = region.segmentation, region.grid()
        stacked = features.layer_image(
            composites.table("layers"), layer_reader(composites), settings.layers, max_intervals=settings.max_intervals
        )
        result = segmentation.segment_image(
            stacked.image,
            nodata=features.NODATA,
            n_clusters=settings.n_clusters,
            min_pixels=settings.min_pixels,
            max_distance=settings.max_distance,
            seed=settings.seed,
        )
        polygons = segmentation.segment_polygons(result.labels, grid.transform, grid.crs)
        context.log.info("%d segments from %s", polygons.num_rows, ", ".join(stacked.names))

        with storage.store.draft("segments", partition, stage="segmentation") as draft:
            segmentation.write_labels(draft.path("segments.tif"), result.labels, grid)
            draft.write_table("segments", polygons)
            png = segmentation.outlines_over(composites.path("quicklook.png").read_bytes(), result.labels)
            draft.write_bytes("quicklook.png", png)
            labelled = int((result.labels > 0).sum())
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "method": "Shepherd et al. 2019",
                    "layers": list(stacked.names),
                    "n_clusters": settings.n_clusters,
                    "min_pixels": settings.min_pixels,
                    "max_distance": result.max_distance,
                },
                seeds={"k_means": settings.seed},
                metadata={
                    **table_metadata(polygons),
                    "quicklook": picture(png, "Segments over the composite"),
                    "median_area_ha": float(pc.quantile(polygons["area_ha"], 0.5)[0].as_py()),
                    "gap_filled_share": stacked.filled_share,
                    "small_parcels": int(pc.sum(polygons["small_parcel"]).as_py()),
                },
                checks=[
                    checks.schema("schema", draft.directory / "segments.parquet", segmentation.SEGMENTS_SCHEMA),
                    checks.raster_grid("crs_and_grid", [draft.path("segments.tif")], grid),
                    checks.geometry("geometry", polygons, grid),
                    checks.holds(
                        "labels_and_polygons_agree",
                        polygons.num_rows == int(result.labels.max())
                        and pc.sum(polygons["pixels"]).as_py() == labelled,
                        description=f"{polygons.num_rows} polygons, {int(result.labels.max())} labels, {labelled} labelled pixels",
                    ),
                ],
            )

    return segments
