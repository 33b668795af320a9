"""reviewed_maps: the crop map with reviewers' decisions on it, calibrated confidence, and how right the audit found the map.

Not what official estimates rest on: see docs/decisions.
"""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from agristat_platform import mapping
from agristat_platform.catalogue import Catalogue
from agristat_platform.classification import review
from assets import checks
from assets.families import asset_family, check
from assets.map_judgement import (
    LARGEST_CALIBRATION_ERROR,
    calibration_check,
    judged,
    set_sizes,
    write_judgement,
)
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from assets.review_tables import tables_as_agreed
from resources.storage import Draft, StorageResource, StoredVersion

SCHEMAS = {
    "reviewed": review.REVIEWED_SCHEMA,
    "accuracy": review.AUDIT_ACCURACY_SCHEMA,
    "accuracy_by_area": review.AUDIT_ACCURACY_SCHEMA,
    "confusion": review.AUDIT_CONFUSION_SCHEMA,
    "calibration_errors": review.CALIBRATION_ERROR_SCHEMA,
    "calibration_errors_before": review.CALIBRATION_ERROR_SCHEMA,
    "reliability": review.RELIABILITY_SCHEMA,
    "reliability_before": review.RELIABILITY_SCHEMA,
    "calibration_trials": review.CALIBRATION_SCHEMA,
    "acceptance": review.ACCEPTANCE_SCHEMA,
    "to_look_at": review.REVIEW_QUEUE_SCHEMA,
    "pixel_counts": mapping.PIXEL_COUNTS_SCHEMA,
}
CHANGED_COLUMNS = ("segment_id", "mapped_crop_code", "mapped_confidence", "crop_code", "decided_by", "drawn_for")


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `reviewed_maps`."""

    @asset_family(
        "reviewed_maps",
        seasons,
        ins={
            "crop_maps": upstream("training"),
            "segments": upstream("imagery"),
            "review_samples": upstream("training"),
            "review_decisions": upstream("training"),
        },
        checks=[
            check("reviewed_maps", "schema", "Columns and types as the contract says", blocking=True),
            check("reviewed_maps", "crs_and_grid", "Map and confidence lie on the region's grid", blocking=True),
            check(
                "reviewed_maps",
                "same_map",
                "Samples were drawn on this very map, and decisions are on these samples",
                blocking=True,
            ),
            check(
                "reviewed_maps", "decisions_are_on_the_map", "The map shows every crop that was decided", blocking=True
            ),
            check("reviewed_maps", "audited", "The whole audit sample is decided"),
            check(
                "reviewed_maps",
                "calibration",
                f"Calibrated confidence is off by at most {LARGEST_CALIBRATION_ERROR:.2f} on average, or by what chance alone does",
            ),
        ],
    )
    def reviewed_maps(
        context: dg.AssetExecutionContext,
        crop_maps: StoredVersion,
        segments: StoredVersion,
        review_samples: StoredVersion,
        review_decisions: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Decisions go over the model's map; accuracy, calibration and sets are of the map as it was when the audit was drawn.

        Its pixel counts are not an estimate of area, and official estimates rest on the model's map, not on this one.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        classified, flags = crop_maps.table("segments"), review_samples.table("flags")
        probabilities = review.MapProbabilities.of_table(crop_maps.table("probabilities"))
        decisions = review_decisions.table("decisions")
        judgement = judged(region.review, review_samples, segments, flags, decisions, probabilities)
        confidence, possible, possible_number = review.calibrated_map(
            probabilities, judgement.calibration, judgement.sets
        )
        with storage.store.draft("reviewed_maps", partition, stage="review") as draft:
            reviewed = review.apply_decisions(
                classified,
                decisions,
                nomenclature,
                confidence=confidence,
                threshold=judgement.threshold,
                flagged=_flagged(flags, classified),
                possible=possible,
            )
            files = mapping.write_crop_map(
                segments.path("segments.tif"),
                _for_the_raster(reviewed, classified),
                nomenclature,
                draft.directory,
                simulated=region.simulated,
            )
            counts = mapping.pixel_counts(files.crop_map, nomenclature)
            png = mapping.crop_map_png(
                files.crop_map, nomenclature, simulated=region.simulated, title="Reviewed crop map"
            )
            draft.write_bytes("quicklook.png", png)
            draft.write_table("reviewed", reviewed)
            draft.write_table("pixel_counts", counts)
            draft.write_table("to_look_at", _to_look_at(reviewed, flags, judgement.threshold, review_samples))
            shown = write_judgement(draft, judgement, simulated=region.simulated)
            status = {row["values"]: row["counts"] for row in pc.value_counts(reviewed["status"]).to_pylist()}
            same = _same_map(crop_maps, review_samples, review_decisions)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    **region.review.model_dump(
                        mode="json", include={"first_threshold", "share_right", "bound", "coverage"}
                    ),
                    "state": judgement.state,
                    "threshold": judgement.threshold,
                    "threshold_basis": judgement.threshold_basis,
                    "calibration": judgement.calibration.method,
                },
                metadata={
                    **table_metadata(reviewed),
                    "quicklook": picture(png, "Reviewed crop map"),
                    "state": f"{judgement.state}: {judgement.decided} of {judgement.asked} audited parcels are decided",
                    **shown,
                    "parcels by status": markdown_table(
                        [
                            {"status": name, "parcels": number, "share": number / reviewed.num_rows}
                            for name, number in sorted(status.items())
                        ]
                    ),
                    "share accepted automatically": status.get("accepted", 0) / max(reviewed.num_rows, 1),
                    "threshold": "none" if judgement.threshold is None else float(judgement.threshold),
                    "threshold rests on": judgement.threshold_basis,
                    "possible crops": markdown_table(set_sizes(possible_number)),
                    "parcels changed by decisions": _changed(reviewed).num_rows,
                    "changed parcels": markdown_table(
                        _changed(reviewed).select(list(CHANGED_COLUMNS)).slice(0, 20).to_pylist()
                    ),
                    "pixel_counts (not an estimate)": markdown_table(counts.to_pylist()),
                },
                checks=[
                    tables_as_agreed("schema", draft.directory, SCHEMAS),
                    checks.raster_grid("crs_and_grid", list(vars(files).values()), region.grid()),
                    checks.holds("same_map", not same, description="; ".join(same) or "they were"),
                    checks.holds(
                        "decisions_are_on_the_map",
                        not (lost := _not_shown(draft, decisions, nomenclature.codes)),
                        description=f"not as decided: {lost}" if lost else f"{decisions.num_rows} decisions",
                    ),
                    checks.holds(
                        "audited",
                        judgement.state == review.AUDITED,
                        description=f"{judgement.state}: {judgement.decided} of {judgement.asked} audited parcels",
                        warn_only=True,
                    ),
                    calibration_check(judgement),
                ],
            )

    return reviewed_maps


def _flagged(flags: pa.Table, classified: pa.Table) -> Any:
    order = np.argsort(flags["segment_id"].to_numpy(), kind="stable")
    ids = flags["segment_id"].to_numpy()[order]
    at = order[np.searchsorted(ids, classified["segment_id"].to_numpy())]
    return flags["flags"].to_numpy()[at] > 0


def _for_the_raster(reviewed: pa.Table, classified: pa.Table) -> pa.Table:
    """`CLASSIFIED_SCHEMA` of the reviewed map: a person's decision has neither confidence nor a second class."""
    model = pc.equal(reviewed["source"], "model")
    return pa.table(
        {
            "segment_id": reviewed["segment_id"],
            "crop_code": reviewed["crop_code"],
            "class_id": reviewed["class_id"],
            "confidence": reviewed["confidence"],
            **{
                name: pc.if_else(model, classified[name], pa.scalar(None, classified.schema.field(name).type))
                for name in ("second_crop_code", "second_probability")
            },
        },
        schema=mapping.CLASSIFIED_SCHEMA,
    )


def _to_look_at(
    reviewed: pa.Table, flags: pa.Table, threshold: float | None, review_samples: StoredVersion
) -> pa.Table:
    decided = reviewed.filter(pc.equal(reviewed["status"], "decided"))["segment_id"].to_pylist()
    audited = review_samples.table("audit", columns=["segment_id"])["segment_id"].to_pylist()
    return review.review_queue(
        reviewed["segment_id"].to_pylist(),
        reviewed["confidence"].to_pylist(),
        threshold=1.01 if threshold is None else threshold,
        flags=flags,
        excluded=[*decided, *audited],
    )


def _changed(reviewed: pa.Table) -> pa.Table:
    """Parcels whose class a decision changed."""
    before, after = reviewed["mapped_crop_code"].fill_null(""), reviewed["crop_code"].fill_null("")
    return reviewed.filter(pc.not_equal(before, after))


def _same_map(crop_maps: StoredVersion, review_samples: StoredVersion, review_decisions: StoredVersion) -> list[str]:
    """What was made from other versions than those at hand."""
    wanted = (
        (review_samples, crop_maps, "the samples were drawn on"),
        (review_decisions, review_samples, "decisions are on"),
    )
    return [
        f"{said} another version of {source.asset}: materialise {made.asset} again"
        for made, source, said in wanted
        if source.version not in {record.version for record in made.manifest.inputs if record.asset == source.asset}
    ]


def _not_shown(draft: Draft, decisions: pa.Table, codes: list[str]) -> str:
    """Decided crops that the written table does not show."""
    table = pq.read_table(draft.directory / "reviewed.parquet", columns=["segment_id", "crop_code"])
    decided = dict(zip(decisions["segment_id"].to_pylist(), decisions["decision"].to_pylist(), strict=True))
    shown = table.filter(pc.is_in(table["segment_id"], decisions["segment_id"].combine_chunks())).to_pylist()
    return ", ".join(
        str(row["segment_id"])
        for row in shown
        if decided[row["segment_id"]] in codes and decided[row["segment_id"]] != row["crop_code"]
    )
