"""training_labels: labelled places to learn from. Never units of the probability sample: these have the role "estimate"."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification
from agristat_platform.catalogue import Catalogue
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from resources.field_archive import FieldArchive
from resources.storage import StorageResource

LABELS_PER_CLASS = 5


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `training_labels`."""

    @asset_family(
        "training_labels",
        seasons,
        checks=[
            check("training_labels", "schema", "Columns and types as the contract says", blocking=True),
            check("training_labels", "labels_delivered", "There are labels of this season, to teach or to judge by"),
            check(
                "training_labels",
                "class_support",
                f"At least {LABELS_PER_CLASS} labels for every class of the nomenclature",
            ),
        ],
    )
    def training_labels(
        context: dg.AssetExecutionContext,
        catalogue: dg.ResourceParam[Catalogue],
        field_archive: dg.ResourceParam[FieldArchive],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Labels as delivered, checked against the nomenclature; conflicting ones are set apart and counted.

        A season that past ones teach may have none: the table is then empty, and nothing is judged.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        delivered = field_archive.training_labels(region, partition.season, nomenclature)
        checked = classification.validate_labels(delivered.labels, nomenclature)
        labels = checked.labels
        dropped = (
            checked.dropped if delivered.dropped is None else pa.concat_tables([delivered.dropped, checked.dropped])
        )

        with storage.store.draft("training_labels", partition, stage="classification") as draft:
            draft.write_table("labels", labels)
            draft.write_table("dropped", dropped)
            if delivered.series is not None:
                draft.write_table("series", delivered.series)
            counts = {row["values"]: row["counts"] for row in pc.value_counts(labels["crop_code"]).to_pylist()}
            found = f"{labels.num_rows} labels, {dropped.num_rows} set apart"
            if delivered.awaited_at is not None:
                found = (
                    f"No labels of this season were delivered (awaited at {delivered.awaited_at}): "
                    "past seasons teach, and nothing can be judged"
                )
                context.log.warning(found)
            support = {crop.code: counts.get(crop.code, 0) for crop in nomenclature.crops}
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"source": delivered.source, "nomenclature": region.crops},
                external=delivered.external,
                metadata={
                    **table_metadata(labels),
                    "delivered": found,
                    "support": markdown_table([{"crop": code, "labels": count} for code, count in support.items()]),
                    "dropped": markdown_table(_by_reason(dropped)),
                },
                checks=[
                    checks.schema("schema", draft.directory / "labels.parquet", classification.LABELS_SCHEMA),
                    checks.holds("labels_delivered", labels.num_rows > 0, description=found, warn_only=True),
                    checks.class_support("class_support", support, minimum=LABELS_PER_CLASS),
                ],
            )

    return training_labels


def _by_reason(dropped: pa.Table) -> list[dict[str, object]]:
    """How many labels were set apart for which reason."""
    counted = dropped.group_by("reason").aggregate([("label_id", "count")]).sort_by("reason")
    return [{"reason": row["reason"], "labels": row["label_id_count"]} for row in counted.to_pylist()]
