"""segments: the objects of a region and season, as labels and as polygons, and what became of the season's before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import features, segmentation
from agristat_platform.catalogue import Catalogue, Region
from agristat_platform.provenance import ExternalRecord
from assets import checks
from assets.families import asset_family, check
from assets.layers import layer_reader
from assets.materialisation import file_record, materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.storage import StorageResource, StoredVersion


@dataclass(frozen=True)
class _Segments:
    """Segments from wherever they came, and what the manifest and the page say of that."""

    labels: npt.NDArray[np.uint32]
    polygons: pa.Table
    parameters: Mapping[str, Any]
    metadata: Mapping[str, Any]
    seeds: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    external: tuple[ExternalRecord, ...] = ()


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `segments`."""

    @asset_family(
        "segments",
        seasons,
        ins={
            "composites": upstream("imagery"),
            "previous_segments": upstream("imagery", key="segments", mapping=previous, optional=True),
        },
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
        previous_segments: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Shepherd segmentation of the clearest intervals (k-means seeds, clumps, elimination), or parcels of a register.

        Where the homologous season before has segments, links say which are the same, split, merged, new or gone.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        grid = region.grid()
        if region.segmentation.source == "register":
            path = catalogue.settings.data_file(region.segmentation.file or "", partition.season)
            made = _from_register(region, path)
        else:
            made = _from_imagery(region, composites)
        context.log.info("%d segments: %s", made.polygons.num_rows, dict(made.parameters))

        with storage.store.draft("segments", partition, stage="segmentation") as draft:
            segmentation.write_labels(draft.path("segments.tif"), made.labels, grid)
            draft.write_table("segments", made.polygons)
            for name, table in made.tables.items():
                draft.write_table(name, table)
            linked = _links(context, previous_segments, draft.path("segments.tif"))
            if linked is not None:
                draft.write_table("links", linked)
            png = segmentation.outlines_over(composites.path("quicklook.png").read_bytes(), made.labels)
            draft.write_bytes("quicklook.png", png)
            labelled = int((made.labels > 0).sum())
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={**made.parameters, **({} if linked is None else {"same_share": segmentation.SAME_SHARE})},
                seeds=made.seeds,
                external=made.external,
                metadata={
                    **table_metadata(made.polygons),
                    "quicklook": picture(png, "Segments over the composite"),
                    "median_area_ha": float(pc.quantile(made.polygons["area_ha"], 0.5)[0].as_py()),
                    "small_parcels": int(pc.sum(made.polygons["small_parcel"]).as_py()),
                    **made.metadata,
                    **({} if linked is None else {"identities": _identities(linked)}),
                },
                checks=[
                    checks.schema("schema", draft.directory / "segments.parquet", segmentation.SEGMENTS_SCHEMA),
                    checks.raster_grid("crs_and_grid", [draft.path("segments.tif")], grid),
                    checks.geometry("geometry", made.polygons, grid),
                    checks.holds(
                        "labels_and_polygons_agree",
                        made.polygons.num_rows == int(made.labels.max())
                        and pc.sum(made.polygons["pixels"]).as_py() == labelled,
                        description=f"{made.polygons.num_rows} polygons, {int(made.labels.max())} labels, {labelled} labelled pixels",
                    ),
                ],
            )

    return segments


def _from_imagery(region: Region, composites: StoredVersion) -> _Segments:
    """Shepherd segmentation of the clearest intervals."""
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
    return _Segments(
        labels=result.labels,
        polygons=segmentation.segment_polygons(result.labels, grid.transform, grid.crs),
        parameters={
            "method": "Shepherd et al. 2019",
            "layers": list(stacked.names),
            "n_clusters": settings.n_clusters,
            "min_pixels": settings.min_pixels,
            "max_distance": result.max_distance,
        },
        seeds={"k_means": settings.seed},
        metadata={"gap_filled_share": stacked.filled_share},
    )


def _from_register(region: Region, path: Path) -> _Segments:
    """Parcels of the register that the region file names."""
    settings = region.segmentation
    register = segmentation.read_register(path, region.crs, id_column=settings.id_column, layer=settings.file_layer)
    result = segmentation.register_segments(register, region.grid(), region.aoi_projected(), invalid=settings.invalid)
    repaired = int(pc.sum(result.parcels["repaired"]).as_py() or 0)
    return _Segments(
        labels=result.labels,
        polygons=result.segments,
        parameters={"method": "register of parcels", "id_column": settings.id_column, "invalid": settings.invalid},
        tables={"parcels": result.parcels, "overlaps": result.overlaps},
        external=(file_record("register of parcels", path),),
        metadata={
            "parcels": markdown_table([{"outcome": key, "parcels": n} for key, n in result.outcomes.items()]),
            "repaired_polygons": repaired,
            "overlapping_pairs": result.overlaps.num_rows,
            "overlap_ha": float(pc.sum(result.overlaps["overlap_ha"]).as_py() or 0.0),
        },
    )


def _links(context: dg.AssetExecutionContext, previous: StoredVersion | None, labels: Path) -> pa.Table | None:
    """Links to the homologous season's segments; none in a first season, nor where the region's grid has changed since."""
    if previous is None:
        return None
    try:
        return segmentation.link_segment_files(previous.path("segments.tif"), labels)
    except segmentation.LabelGridError as error:
        context.log.warning("no links to the season before: %s", error)
        return None


def _identities(links: pa.Table) -> dg.MetadataValue:
    """How many of this season's segments are what with regard to the season before, and how many of its are gone."""
    counted = pc.value_counts(segmentation.segment_identities(links)["identity"]).to_pylist()
    rows = sorted((row["values"], row["counts"]) for row in counted)
    gone = int(pc.sum(pc.equal(links["relation"], "gone")).as_py() or 0)
    return markdown_table([{"identity": name, "segments": n} for name, n in [*rows, ("gone", gone)]])
