"""crop_models: the classifier of a region and season, with what blocked cross-validation says of it."""

import dagster as dg
import pyarrow as pa

from agristat_platform import classification
from agristat_platform.catalogue import Catalogue, CropNomenclature, Partition, Region, TrainingSettings
from assets import checks
from assets.errors import FamilyDoesNotApplyError
from assets.families import asset_family, check
from assets.layers import folder_of
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.storage import StorageResource, StoredVersion

LEAST_ACCURACY = 0.60
LABELS_PER_CLASS = 5
PAIRS = 10
LEAST_SAMPLES = 2  # a class with fewer can't be both taught and tested; the support table keeps it in sight


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `crop_models`."""

    @asset_family(
        "crop_models",
        seasons,
        ins={
            "training_labels": upstream("training"),
            "segments": upstream("imagery"),
            "features": upstream("imagery"),
            "previous_model": upstream("training", key="crop_models", mapping=previous, optional=True),
        },
        checks=[
            check(
                "crop_models",
                "no_leakage_between_folds",
                "No block, segment or parcel is both learned from and judged by",
                blocking=True,
            ),
            check(
                "crop_models",
                "cross_validated_accuracy",
                f"Overall accuracy in blocked cross-validation is at least {LEAST_ACCURACY:.0%}",
            ),
            check(
                "crop_models",
                "class_support",
                f"At least {LABELS_PER_CLASS} training samples for every class of the nomenclature",
            ),
        ],
    )
    def crop_models(
        context: dg.AssetExecutionContext,
        training_labels: StoredVersion,
        segments: StoredVersion,
        features: StoredVersion,
        previous_model: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Soft vote of extremely randomised trees and a multilayer perceptron on the segments' features.

        Last season's model, where there is one, is judged on this season's labels: how far recognition carries from one
        season to the next without new labels.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        training = _training_of(region)
        nomenclature = catalogue.nomenclature(region.code)
        samples = _training_set(training_labels, segments, features, training)
        support = samples.support(nomenclature)
        samples = samples.without_small_classes(LEAST_SAMPLES)
        settings = classification.EnsembleSettings(seed=training.seed)
        validation = classification.cross_validate(samples, settings, folds=training.folds, seed=training.seed)
        model = _fitted(samples, settings)
        figures = [("blocked cross-validation", validation.overall)]
        if previous_model is not None:
            earlier = classification.load_model(folder_of(previous_model, classification.MODEL_FILES))
            carried = classification.transfer_accuracy(earlier, samples)
            figures.append(("last season's model on this season's labels", carried.overall))
        table = classification.figures_table(figures)
        report = _accuracy_report(samples, validation, segments, nomenclature, training.seed)
        inputs = {"training_labels": training_labels, "segments": segments, "features": features}
        card = _card(partition, region, samples, settings, report, {name: v.version for name, v in inputs.items()})
        card_text = classification.card_markdown(card)
        context.log.info(
            "overall accuracy %.3f in %d blocked folds", validation.overall.overall_accuracy, training.folds
        )

        with storage.store.draft("crop_models", partition, stage="classification") as draft:
            classification.save_model(model, draft.directory)
            draft.write_table("accuracy", table)
            draft.write_table("class_accuracy", validation.by_class)
            draft.write_table("confusion", validation.confusion)
            draft.write_table("accuracy_figures", report.figures)
            draft.write_table("confused_pairs", report.confused_pairs)
            draft.write_table("folds", validation.folds)
            draft.write_table("support", support)
            draft.write_table("importance", model.feature_importance())
            taught = classification.taught_ground(samples, segments.table("segments"))
            draft.write_table("taught_ground", taught, crs=region.crs)
            draft.write_table("dropped", samples.dropped)
            png = classification.confusion_png(validation.confusion, nomenclature, simulated=region.simulated)
            draft.write_bytes("confusion.png", png)
            draft.write_json("model_card", card.document())
            draft.write_bytes("model_card.md", card_text.encode())
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "folds": training.folds,
                    "block_size_m": training.block_size_m,
                    "samples": len(samples.y),
                    "features": len(samples.feature_names),
                    "use_history": training.use_history,
                },
                seeds={"model": training.seed, "folds": training.seed},
                metadata={
                    **table_metadata(validation.by_class, rows=30),
                    "confusion": picture(png, "Confusion in blocked cross-validation (rows: reference)"),
                    "accuracy": markdown_table(table.to_pylist()),
                    "model_card": dg.MetadataValue.md(card_text),
                    "confused_pairs (reference → predicted)": markdown_table(report.confused_pairs.to_pylist()[:PAIRS]),
                    "overall_accuracy": float(validation.overall.overall_accuracy),
                    "spread_over_folds": {name: float(value) for name, value in validation.spread.items()},
                    "importance": markdown_table(model.feature_importance().to_pylist()),
                    "dropped_labels": samples.dropped_counts,
                },
                checks=[
                    checks.nothing_shared(
                        "no_leakage_between_folds",
                        [f"{leak.kind} {leak.shared}" for leak in validation.leaks],
                        first="training",
                        second="validation folds",
                    ),
                    checks.at_least(
                        "cross_validated_accuracy",
                        validation.overall.overall_accuracy,
                        LEAST_ACCURACY,
                        what="overall accuracy",
                        warn_only=True,
                    ),
                    checks.class_support("class_support", _support_by_code(support), minimum=LABELS_PER_CLASS),
                ],
            )

    return crop_models


def _training_of(region: Region) -> TrainingSettings:
    if region.training is None:
        raise FamilyDoesNotApplyError(
            f"region {region.code} has no training section, so no model can be taught",
            where=f"config/regions/{region.code}.yaml",
            remedy="Give it a section training with a source of labels",
        )
    return region.training


def _training_set(
    labels: StoredVersion, segments: StoredVersion, features: StoredVersion, training: TrainingSettings
) -> classification.TrainingSet:
    """Labels joined to segments, or to the features that they bring themselves."""
    if labels.has("series"):
        return classification.training_set_from_series(
            labels.table("labels"), labels.table("series"), block_size_m=training.block_size_m
        )
    return classification.assemble_training_set(
        labels.table("labels"),
        segments.table("segments"),
        features.table("features"),
        block_size_m=training.block_size_m,
        use_history=training.use_history,
    )


def _fitted(
    samples: classification.TrainingSet, settings: classification.EnsembleSettings
) -> classification.CropEnsemble:
    model = classification.CropEnsemble(settings)
    return model.fit(samples.X, samples.y, samples.weights, samples.groups, samples.feature_names)


def _accuracy_report(
    samples: classification.TrainingSet,
    validation: classification.CrossValidation,
    segments: StoredVersion,
    nomenclature: CropNomenclature,
    seed: int,
) -> classification.AccuracyReport:
    """Held-out predictions against labels, blocks as places, by the size of the segments where labels were joined to them."""
    groupings = {}
    if samples.segment_ids is not None:
        table = segments.table("segments")
        area = dict(zip(table["segment_id"].to_pylist(), table["area_ha"].to_pylist(), strict=True))
        groupings["parcel_size"] = classification.size_class(
            [area[segment] for segment in samples.segment_ids.tolist()]
        )
    return classification.accuracy_report(
        samples.y,
        validation.predicted,
        nomenclature=nomenclature,
        taught=validation.classes,
        confidence=validation.confidence,
        places=samples.groups,
        groupings=groupings,
        seed=seed,
    )


def _card(
    partition: Partition,
    region: Region,
    samples: classification.TrainingSet,
    settings: classification.EnsembleSettings,
    report: classification.AccuracyReport,
    sources: dict[str, str],
) -> classification.ModelCard:
    training = _training_of(region)
    return classification.model_card(
        title=f"Crop model of {region.code}, season {partition.season}",
        region=region.code,
        simulated=region.simulated,
        taught_on=classification.taught_on(
            samples.y.tolist(), partition.season, sources=sources, dropped=samples.dropped_counts
        ),
        features=samples.feature_names,
        settings={name: value for name, value in vars(settings).items() if name != "workers"}
        | {"use_history": training.use_history, "block_size_m": training.block_size_m},
        seeds={"model": training.seed, "folds": training.seed, "intervals": training.seed},
        accuracy=report,
        accuracy_basis=f"labels held out in spatial blocks, {training.folds} folds",
    )


def _support_by_code(support: pa.Table) -> dict[str, int]:
    return dict(zip(support["crop_code"].to_pylist(), support["samples"].to_pylist(), strict=True))
