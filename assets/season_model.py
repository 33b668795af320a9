"""The crop model that a season's own labels teach: soft vote of trees and a network on segment features, blocked cross-validation."""

from __future__ import annotations

from typing import Any

import dagster as dg

from agristat_platform import classification
from agristat_platform.classification import evaluation
from assets import checks
from assets.model_choice import chosen_model
from assets.model_season import (
    LABELS_PER_CLASS,
    LEAST_ACCURACY,
    LEAST_SAMPLES,
    PAIRS,
    ModelResult,
    ModelSeason,
    support_by_code,
)
from assets.presentation import markdown_table, picture, table_metadata
from assets.season_transfer import Transfer, transfer
from assets.teaching import Teaching
from resources.storage import Draft


def write_season_model(season: ModelSeason, teaching: Teaching, draft: Draft, log: Any, *, scratch: str) -> ModelResult:
    """Teach, judge and write the ensemble, and judge last season's knowledge beside it; `scratch` as in `chosen_model`.

    Raises
    ------
    NoTrainingSamplesError, TooFewClassesError
        The season's labels can't teach.
    """
    training = season.training
    delivered = season.samples
    if delivered is None:
        raise classification.NoTrainingSamplesError(
            "no labels of this season were delivered, and training.model is ensemble",
            where=str(season.partition),
            remedy="Deliver labels, or set training.model to recognition, which past seasons teach",
        )
    support = delivered.support(season.nomenclature)
    samples = delivered.without_small_classes(LEAST_SAMPLES)
    choice = chosen_model(season, samples, scratch=scratch, log=log)
    model, validation = choice.model, choice.validation
    log.info("overall accuracy %.3f in %d blocked folds", validation.overall.overall_accuracy, training.folds)
    past = transfer(season, teaching, samples, log)
    table = classification.figures_table(
        [("blocked cross-validation", validation.overall), *choice.figures, *past.figures]
    )
    report = season.accuracy_report(samples, validation.predicted, validation.confidence, validation.classes)
    card = season.card(
        taught_on=classification.taught_on(
            samples.y.tolist(),
            season.partition.season,
            sources={"training_labels": season.labels.version, **season.sources("segments", "features")},
            dropped=samples.dropped_counts,
        ),
        features=model.feature_names_in_.tolist(),
        settings={name: value for name, value in vars(choice.settings).items() if name != "workers"}
        | {"use_history": training.use_history, "block_size_m": training.block_size_m},
        seeds={"model": training.seed, "folds": training.seed, "intervals": training.seed},
        accuracy=report,
        accuracy_basis=choice.basis,
    )
    text = classification.card_markdown(card)
    png = classification.confusion_png(validation.confusion, season.nomenclature, simulated=season.region.simulated)
    importance = model.feature_importance()
    classification.save_model(model, draft.directory)
    for name, content in {
        "accuracy": table,
        "class_accuracy": validation.by_class,
        "confusion": validation.confusion,
        "accuracy_figures": report.figures,
        "confused_pairs": report.confused_pairs,
        "folds": validation.folds,
        "held_out": evaluation.held_out_table(
            samples.label_ids, samples.y, validation.predicted, validation.confidence, validation.fold
        ),
        "support": support,
        "importance": importance,
        "dropped": samples.dropped,
    }.items():
        draft.write_table(name, content)
    taught = classification.taught_ground(samples, season.segments.table("segments"))
    draft.write_table("taught_ground", taught, crs=season.region.crs)
    draft.write_bytes("confusion.png", png)
    draft.write_json("model_card", card.document())
    draft.write_bytes("model_card.md", text.encode())
    choice.write(draft)
    past.write(draft)
    return ModelResult(
        parameters={
            "model": "ensemble",
            "folds": training.folds,
            "block_size_m": training.block_size_m,
            "samples": len(samples.y),
            "features": len(model.feature_names_in_),
            "use_history": training.use_history,
            **choice.parameters,
        },
        seeds={"model": training.seed, "folds": training.seed},
        metadata={
            **table_metadata(validation.by_class, rows=30),
            "confusion": picture(png, "Confusion in blocked cross-validation (rows: reference)"),
            "accuracy": markdown_table(table.to_pylist()),
            "model_card": dg.MetadataValue.md(text),
            "confused_pairs (reference → predicted)": markdown_table(report.confused_pairs.to_pylist()[:PAIRS]),
            "overall_accuracy": float(validation.overall.overall_accuracy),
            "spread_over_folds": {name: float(value) for name, value in validation.spread.items()},
            "importance": markdown_table(importance.to_pylist()),
            "dropped_labels": samples.dropped_counts,
            **choice.metadata,
            **past.metadata(),
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
            checks.class_support("class_support", support_by_code(support), minimum=LABELS_PER_CLASS),
            _gate_is_not_asked(past),
        ],
    )


def _gate_is_not_asked(past: Transfer) -> dg.AssetCheckResult:
    verdict = (
        "" if past.gate is None else f"; judged beside it, recognition {'passes' if past.gate.passed else 'fails'} it"
    )
    return checks.holds("gate_passed", True, description=f"not asked: this season's labels teach the model{verdict}")
