"""review_decisions: what reviewers decided, with who and when; what can be used of it, and what it teaches the next model."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification
from agristat_platform.catalogue import Catalogue
from agristat_platform.classification import review
from assets import checks, reviewed_parcels
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from assets.review_tables import drawn_parcels, tables_as_agreed
from resources.review_folder import ReviewFolder
from resources.storage import StorageResource, StoredVersion

SCHEMAS = {
    "decisions": review.DECISIONS_SCHEMA,
    "refused": review.REFUSED_SCHEMA,
    "progress": review.PROGRESS_SCHEMA,
    "labels": classification.LABELS_SCHEMA,
}
NOBODY_YET = "nobody has decided anything yet: the map stands as the model made it"


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `review_decisions`."""

    @asset_family(
        "review_decisions",
        seasons,
        ins={"review_samples": upstream("training"), "segments": upstream("imagery")},
        checks=[
            check("review_decisions", "schema", "Columns and types as the contract says", blocking=True),
            check(
                "review_decisions",
                "audit_teaches_nobody",
                "No label comes from an audited parcel or from a unit of the estimation sample",
                blocking=True,
            ),
            check("review_decisions", "audit_is_decided", "Every parcel of the audit sample has a decision"),
            check("review_decisions", "no_parcel_refused", "No drawn parcel has refused decisions alone"),
        ],
    )
    def review_decisions(
        context: dg.AssetExecutionContext,
        review_samples: StoredVersion,
        segments: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> Iterator[dg.MaterializeResult]:
        """Decisions that can be used, one a parcel, and those that can't, each with its reason; labels for the next model.

        Without any decision yet there are empty tables, and checks that warn.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        drawn = drawn_parcels(review_samples)
        sample = str(review_samples.manifest.parameters["sample"])
        delivered = ReviewFolder(catalogue.settings).delivered(
            region, partition.season, review_samples.table("to_review"), nomenclature, drawn=drawn, sample=sample
        )
        progress = review.review_progress(
            None if delivered is None else delivered.decisions,
            nomenclature,
            drawn=drawn,
            sample=sample,
            parcels=segments.table("segments", columns=["segment_id"])["segment_id"].to_pylist(),
        )
        ground = review_samples.table("estimation_ground")
        labels, left_out = review.review_labels(
            progress.accepted, _ground_of(segments, progress.accepted), ground, audited=drawn[review.AUDIT]
        )
        kept_apart = {*drawn[review.AUDIT], *ground["segment_id"].to_pylist()}
        taught = {int(label.rpartition("/")[2]) for label in labels["label_id"].to_pylist()}
        state = NOBODY_YET if not progress.accepted.num_rows else f"{progress.accepted.num_rows} parcels are decided"

        with storage.store.draft("review_decisions", partition, stage="review") as draft:
            draft.write_table("decisions", progress.accepted)
            draft.write_table("refused", progress.refused)
            draft.write_table("progress", progress.table)
            draft.write_table("labels", labels, crs=region.crs)
            audit = progress.table.slice(0, 1).to_pylist()[0]
            result = materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "source": "none yet" if delivered is None else delivered.source,
                    "sample": sample,
                    "state": state,
                },
                external=() if delivered is None else delivered.external,
                metadata={
                    **table_metadata(progress.accepted, rows=20),
                    "state": state,
                    "source": "none yet" if delivered is None else delivered.source,
                    "progress": markdown_table(progress.table.to_pylist()),
                    "by reviewer": markdown_table(review.by_reviewer(progress.accepted)),
                    "refused": markdown_table(
                        [{"reason": reason, "rows": rows} for reason, rows in progress.refused_by_reason.items()]
                    ),
                    "refused rows": markdown_table(progress.refused.slice(0, 20).to_pylist()),
                    "contradicting parcels": list(progress.checked.contradicting),
                    "labels for the next model": labels.num_rows,
                    "left out of the labels": left_out,
                },
                checks=[
                    tables_as_agreed("schema", draft.directory, SCHEMAS),
                    checks.nothing_shared(
                        "audit_teaches_nobody",
                        [str(parcel) for parcel in sorted(taught & kept_apart)],
                        first="the labels",
                        second="the audit or the estimation sample",
                    ),
                    checks.holds(
                        "audit_is_decided",
                        audit["waiting"] == 0,
                        description=f"{audit['decided']} of {audit['drawn']} audited parcels are decided",
                        warn_only=True,
                    ),
                    checks.holds(
                        "no_parcel_refused",
                        not progress.lost,
                        description=f"{len(progress.lost)} parcels have refused decisions alone"
                        + (f", such as {', '.join(map(str, progress.lost[:10]))}" if progress.lost else ""),
                        warn_only=True,
                    ),
                ],
            )
        yield result
        # Dagster takes the next event only after it has published the one before
        reviewed_parcels.report(context, storage.store.current("review_decisions", partition))

    return review_decisions


def _ground_of(segments: StoredVersion, accepted: pa.Table) -> pa.Table:
    decided = accepted["segment_id"].combine_chunks()
    return pa.concat_tables(
        portion.filter(pc.is_in(portion["segment_id"], decided))
        for portion in segments.portions("segments", columns=["segment_id", "geometry"])
    )
