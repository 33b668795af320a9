"""segments: the objects of a region and season, as labels and as polygons, and what became of the season's before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from agristat_platform import imagery, segmentation
from agristat_platform.catalogue import Catalogue, Partition, Region
from assets import checks, segment_sources
from assets.families import FAMILIES, asset_family, check
from assets.layers import folder_of
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.field_archive import FieldArchive, ReferenceParcels
from resources.storage import Draft, StorageResource, StoredVersion

LEAST_F = 0.6
WHOLE_PICTURE = 1280  # pixels a side up to which a picture shows every segment of the region
PART_PICTURE = 640
CHECKS = [
    check("segments", "schema", "Columns and types as the contract says", blocking=True),
    check("segments", "crs_and_grid", "The label raster lies on the region's grid", blocking=True),
    check("segments", "geometry", "Polygons are valid, none is empty, all lie on the grid", blocking=True),
    check("segments", "labels_and_polygons_agree", "As many polygons as labels, with the same area"),
    check("segments", "links_to_season_before", "Where there is a season before, its segments are linked with these"),
    check(
        "segments",
        "agreement_with_reference",
        f"Against reference parcels, where the region names some, F is at least {LEAST_F}",
    ),
]


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `segments`."""

    @asset_family(
        "segments",
        seasons,
        ins={
            "composites": upstream("imagery"),
            "previous_segments": upstream("imagery", key="segments", mapping=previous, optional=True),
        },
        checks=CHECKS,
    )
    def segments(
        context: dg.AssetExecutionContext,
        composites: StoredVersion,
        previous_segments: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        field_archive: dg.ResourceParam[FieldArchive],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Segments of the clearest intervals (Shepherd segmentation or region growing), or parcels of a register.

        Where the homologous season before has segments, links say which are the same, split, merged, new or gone.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        reference = field_archive.reference_parcels(region, partition.season)
        if region.segmentation.source == "register":
            path = catalogue.settings.data_file(region.segmentation.file or "", partition.season)
            made = segment_sources.from_register(region, path)
        else:
            made = segment_sources.from_imagery(region, composites, Path(storage.scratch_dir), context.log.info)

        with storage.store.draft("segments", partition, stage=FAMILIES["segments"].group) as draft:
            labels, parameters = made.labels, dict(made.parameters)
            segmentation.write_labels(draft.path("segments.tif"), labels, region.grid())
            draft.write_portions("segments", made.schema, made.portions)
            for name, table in made.tables.items():
                draft.write_table(name, table)
            seeds, external = made.seeds, list(made.external)
            shown = {**_table_shown(draft), **made.metadata}
            del made  # with the regions that polygons were traced from
            context.log.info("%d segments: %s", shown["dagster/row_count"], parameters)

            links = _links(region, previous_segments, draft.path("segments.tif"))
            _write_identities(draft, partition, links, previous_segments)
            if links.table is not None:
                draft.write_table("links", links.table)
                parameters["same_share"] = region.segmentation.same_share
                shown["identities"] = _identities(links.table)
            agreement = None
            if reference is not None:
                agreement = segmentation.agreement_with_parcels(
                    draft.path("segments.tif"), reference.parcels, region.grid()
                )
                draft.write_table("agreement", agreement.by_size)
                parameters["reference"] = reference.source
                external += reference.external
                shown |= _agreement_shown(agreement, reference)
            png, caption = _picture(composites, labels, region)
            draft.write_bytes("quicklook.png", png)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters=parameters,
                seeds=seeds,
                external=external,
                metadata={"quicklook": picture(png, caption), **shown},
                checks=[
                    checks.schema("schema", draft.directory / "segments.parquet", segmentation.SEGMENTS_SCHEMA),
                    checks.raster_grid("crs_and_grid", [draft.path("segments.tif")], region.grid()),
                    checks.geometry_of_file("geometry", draft.path("segments.parquet"), region.grid()),
                    _labels_and_polygons(labels, draft),
                    checks.holds(
                        "links_to_season_before", links.problem is None, description=links.said, warn_only=True
                    ),
                    _agreement_check(agreement),
                ],
            )

    return segments


def _table_shown(draft: Draft) -> dict[str, Any]:
    """Schema, count and preview of the polygons, of whose table no more than a portion is held, and their areas."""
    path = draft.path("segments.parquet")
    counted = pq.read_table(path, columns=["area_ha", "small_parcel"])
    with pq.ParquetFile(path) as file:
        first = file.read_row_group(0) if file.num_row_groups else file.schema_arrow.empty_table()
    return {
        **table_metadata(first),
        "dagster/row_count": counted.num_rows,
        "median_area_ha": float(pc.quantile(counted["area_ha"], 0.5)[0].as_py()),
        "small_parcels": int(pc.sum(counted["small_parcel"]).as_py()),
    }


def _labels_and_polygons(labels: npt.NDArray[np.uint32], draft: Draft) -> dg.AssetCheckResult:
    pixels = pq.read_table(draft.path("segments.parquet"), columns=["pixels"])["pixels"]
    most, labelled = int(labels.max()), int(np.count_nonzero(labels))
    return checks.holds(
        "labels_and_polygons_agree",
        len(pixels) == most and pc.sum(pixels).as_py() == labelled,
        description=f"{len(pixels)} polygons, {most} labels, {labelled} labelled pixels",
    )


@dataclass(frozen=True)
class _Links:
    """Links to the season before, or why there are none; `problem` where there should be some."""

    table: pa.Table | None
    said: str
    problem: str | None = None


def _links(region: Region, previous: StoredVersion | None, labels: Path) -> _Links:
    """Links to the homologous season's segments; none in a first season, nor where the region's grid has changed since."""
    if previous is None:
        return _Links(None, "no segments of the season before, so nothing to link")
    try:
        table = segmentation.link_segment_files(
            previous.path("segments.tif"), labels, same_share=region.segmentation.same_share
        )
    except segmentation.LabelGridError as error:
        said = f"No links: every parcel counts as seen for the first time. {error}"
        return _Links(None, said, problem=str(error))
    return _Links(table, f"linked with {previous.partition}")


def _write_identities(draft: Draft, partition: Partition, links: _Links, previous: StoredVersion | None) -> None:
    """The key by which each parcel is known over the seasons."""
    before = previous if links.table is not None else None
    draft.write_table(
        "identities",
        segmentation.parcel_identities(
            pq.read_table(draft.path("segments.parquet"), columns=["segment_id"])["segment_id"],
            partition.season,
            links=links.table,
            previous_season=None if before is None else before.partition.season,
            previous=before.table("identities") if before is not None and before.has("identities") else None,
        ),
    )


def _identities(links: pa.Table) -> dg.MetadataValue:
    """How many of this season's segments are what with regard to the season before, and how many of its are gone."""
    counted = pc.value_counts(segmentation.segment_identities(links)["identity"]).to_pylist()
    rows = sorted((row["values"], row["counts"]) for row in counted)
    gone = int(pc.sum(pc.equal(links["relation"], "gone")).as_py() or 0)
    return markdown_table([{"identity": name, "segments": n} for name, n in [*rows, ("gone", gone)]])


def _agreement_shown(agreement: segmentation.TableAgreement, reference: ReferenceParcels) -> dict[str, Any]:
    left_out = [{"left out": name.replace("_", " "), "number": n} for name, n in agreement.left_out.items()]
    return {
        "reference": reference.source,
        "agreement": markdown_table(agreement.by_size.to_pylist()),
        "agreement_f": agreement.overall.f,
        "left_out_of_agreement": markdown_table(left_out),
    }


def _agreement_check(agreement: segmentation.TableAgreement | None) -> dg.AssetCheckResult:
    if agreement is None:
        return checks.holds("agreement_with_reference", True, description="the region names no reference parcels")
    found = agreement.overall
    return checks.holds(
        "agreement_with_reference",
        found.f >= LEAST_F,
        description=f"F {found.f:.3f} against {found.n_parcels} reference parcels (purity {found.purity:.3f}, "
        f"completeness {found.completeness:.3f}); over-segmentation {found.over_segmentation:.3f}, "
        f"under-segmentation {found.under_segmentation:.3f}",
        warn_only=True,
        least_f=LEAST_F,
    )


def _picture(composites: StoredVersion, labels: npt.NDArray[np.uint32], region: Region) -> tuple[bytes, str]:
    """PNG of segments over the composite with its caption: the whole region, or of a large one the part fullest of segments."""
    if max(labels.shape) <= WHOLE_PICTURE:
        below = composites.path("quicklook.png").read_bytes()
        return segmentation.outlines_over(below, labels), "Segments over the composite"
    layers = composites.table("layers")
    rows, cols = part = _fullest_part(labels)
    folder = folder_of(composites, sorted(set(layers["file"].to_pylist())))
    below = imagery.quicklook(folder, layers, simulated=region.simulated, part=part)
    caption = (
        f"Segments over the composite: rows {rows.start} to {rows.stop - 1} and columns {cols.start} to {cols.stop - 1} "
        f"of {labels.shape[0]} × {labels.shape[1]}"
    )
    return segmentation.outlines_over(below, labels[rows, cols]), caption


def _fullest_part(labels: npt.NDArray[np.uint32]) -> tuple[slice, slice]:
    """The square with the most labelled pixels, of equals the one nearest to the middle; every eighth pixel is looked at."""
    sides = [
        [slice(first, first + PART_PICTURE) for first in range(0, max(1, side - PART_PICTURE + 1), PART_PICTURE)]
        for side in labels.shape
    ]
    middle = np.asarray(labels.shape) / 2

    def rank(part: tuple[slice, slice]) -> tuple[int, float]:
        rows, cols = part
        seen = int(np.count_nonzero(labels[rows, cols][::8, ::8]))
        centre = np.array([rows.start, cols.start]) + PART_PICTURE / 2
        return -seen, float(np.hypot(*(centre - middle)))

    rows, cols = min(((rows, cols) for rows in sides[0] for cols in sides[1]), key=rank)
    return slice(rows.start, min(rows.stop, labels.shape[0])), slice(cols.start, min(cols.stop, labels.shape[1]))
