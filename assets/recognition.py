"""Recognising the crops of a season from past seasons' labelled curves: as its model, or beside the season's own model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from agristat_platform import classification
from agristat_platform.classification import evaluation
from assets import checks
from assets.model_season import LABELS_PER_CLASS, LEAST_ACCURACY, PAIRS, ModelResult, ModelSeason, support_by_code
from assets.presentation import markdown_table, picture, preview, table_metadata
from assets.recognised_segments import Recognised, recognised_schema, recognised_segments
from assets.teaching import Teaching, ground_of
from resources.storage import Draft

RECOGNISED, GATE = "recognised", "gate"
JUDGED_BY = "this season's labels, never taught"
OPTIONS_SHOWN = 60


def write_recognition(season: ModelSeason, teaching: Teaching, draft: Draft, log: Any) -> ModelResult:
    """Name all segments by past seasons' curves, write what came of it, and judge it by this season's labels if there are any.

    Raises
    ------
    NoPastSeasonError
        No curve of a past season teaches.
    ClassificationError
        The curves can't teach (`classification.recognise`).
    """
    found = recognised_segments(season, teaching)
    gate, past = found.answer.gate, found.past
    log.info("the gate has %s; %d curves taught", "passed" if gate.passed else "failed", len(past))
    support = classification.class_support(past.labels.tolist(), season.nomenclature, groups=past.places.tolist())
    judged = _judged(season, found)
    card = season.card(
        taught_on=classification.taught_on(
            past.labels.tolist(),
            past.seasons.tolist(),
            sources=season.sources("previous", "time_series", "segments", "labels"),
            dropped=past.dropped_counts,
        ),
        features=() if teaching.form is None else teaching.form.channels,
        settings={**vars(found.settings), **season.training.recognition.model_dump(mode="json")},
        seeds={"recognition": season.training.seed, "intervals": season.training.seed},
        accuracy=None if judged is None else judged.report,
        accuracy_basis=JUDGED_BY,
        gate=gate,
        limits=found.notes,
    )
    text = classification.card_markdown(card)
    draft.write_portions(RECOGNISED, recognised_schema(found.answer.classes.tolist()), found.portions())
    draft.write_table(GATE, gate.table())
    draft.write_table("support", support)
    ground = [teaching.taught_ground(set(past.seasons.tolist()))]
    if season.reviewed_samples is not None:
        ground.append(ground_of(season, season.reviewed_samples))
    draft.write_table("taught_ground", pa.concat_tables(ground), crs=season.region.crs)
    draft.write_json("model_card", card.document())
    draft.write_bytes("model_card.md", text.encode())
    return ModelResult(
        parameters={
            "model": "recognition",
            "taught_by": sorted(set(past.seasons.tolist())),
            "samples": len(past),
            "segments": len(found.segment_ids),
            "settings": season.training.recognition.model_dump(mode="json"),
        },
        seeds={"recognition": season.training.seed},
        metadata={
            **table_metadata(support if judged is None else judged.by_class, rows=30),
            "named_by": f"recognition, taught by seasons {', '.join(sorted(set(past.seasons.tolist())))}",
            "assumed": dg.MetadataValue.md("\n".join(f"- {note}" for note in found.notes)),
            **gate_metadata(gate),
            **(
                judged.written(season, draft) if judged else {"accuracy": "no labels of this season: nothing is judged"}
            ),
            "model_card": dg.MetadataValue.md(text),
            "dropped_past_curves": past.dropped_counts,
        },
        checks=[
            _nothing_taught_is_judged(season, teaching, past),
            checks.at_least(
                "cross_validated_accuracy",
                held_out_accuracy(gate),
                LEAST_ACCURACY,
                what="overall accuracy on past seasons held out",
                warn_only=True,
            ),
            checks.class_support("class_support", support_by_code(support), minimum=LABELS_PER_CLASS),
            checks.holds(
                "gate_passed",
                gate.passed,
                description=gate.reasons[-1] if gate.reasons else "the gate gave no reason",
                gate=dg.MetadataValue.md(classification.gate_markdown(gate)),
            ),
        ],
    )


@dataclass(frozen=True)
class _Judged:
    """How right recognition was by labels of the season, which taught nothing."""

    overall: classification.Accuracy
    by_class: pa.Table
    confusion: pa.Table
    report: classification.AccuracyReport
    held_out: pa.Table

    def written(self, season: ModelSeason, draft: Draft) -> dict[str, Any]:
        """Write the tables and the picture, and return what is shown of them."""
        table = classification.figures_table([(JUDGED_BY, self.overall)])
        png = classification.confusion_png(self.confusion, season.nomenclature, simulated=season.region.simulated)
        draft.write_table("accuracy", table)
        draft.write_table("class_accuracy", self.by_class)
        draft.write_table("confusion", self.confusion)
        draft.write_table("accuracy_figures", self.report.figures)
        draft.write_table("confused_pairs", self.report.confused_pairs)
        draft.write_table("held_out", self.held_out)
        draft.write_bytes("confusion.png", png)
        return {
            "accuracy": markdown_table(table.to_pylist()),
            "overall_accuracy": float(self.overall.overall_accuracy),
            "confusion": picture(png, f"Confusion, judged by {JUDGED_BY} (rows: reference)"),
            "confused_pairs (reference → predicted)": markdown_table(self.report.confused_pairs.to_pylist()[:PAIRS]),
        }


def gate_metadata(gate: classification.Gate) -> dict[str, Any]:
    """The gate's verdict, what was tried on past seasons, and why it was chosen, as the asset's page shows it."""
    return {
        "gate_passed": gate.passed,
        "gate": preview(gate.table(), rows=OPTIONS_SHOWN),
        "gate_reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in gate.reasons)),
        "gate_report": dg.MetadataValue.md(classification.gate_markdown(gate)),
        "gate_left_out_curves": gate.dropped,
    }


def held_out_accuracy(gate: classification.Gate) -> float:
    """Overall accuracy of what was chosen on held-out past seasons: that of the last stage that could be tried; NaN if none was."""
    tried = [row.overall_accuracy for row in gate.rows if row.chosen and np.isfinite(row.overall_accuracy)]
    return tried[-1] if tried else float("nan")


def _judged(season: ModelSeason, found: Recognised) -> _Judged | None:
    samples = season.samples
    if samples is None:
        return None
    probabilities = found.of_samples(samples)
    named = np.asarray(np.isfinite(probabilities).all(axis=1))
    reviewed = None if season.reviewed_samples is None else season.reviewed_samples.segment_ids
    if reviewed is not None and samples.segment_ids is not None:
        named &= ~np.isin(samples.segment_ids, reviewed)  # a reviewer told those
    if not named.any():
        return None
    classes = found.answer.classes
    predicted = np.where(named, classes[np.nan_to_num(probabilities).argmax(axis=1)], "")
    confidence = np.where(named, probabilities.max(axis=1), np.nan)
    rows = samples.subset(named)
    codes = tuple(sorted({*classes.tolist(), *rows.y.tolist()}))
    return _Judged(
        classification.accuracy(rows.y, predicted[named], confidence=confidence[named], weights=rows.weights),
        classification.class_accuracy(rows.y, predicted[named], codes),
        classification.confusion_matrix(rows.y, predicted[named], codes),
        season.accuracy_report(rows, predicted[named], confidence[named], classes.tolist()),
        evaluation.held_out_table(rows.label_ids, rows.y, predicted[named], confidence[named]),
    )


def _nothing_taught_is_judged(
    season: ModelSeason, teaching: Teaching, past: classification.PastCurves
) -> dg.AssetCheckResult:
    """No curve that taught is one of this season's labels, by season and name, or by all its values."""
    judged = [] if season.samples is None else season.samples.label_ids.tolist()
    this = season.partition.season
    names = [f"{when} {label}" for when, label in zip(past.seasons, past.label_ids, strict=True)]
    values = past.series if not judged or teaching.curves is None else np.concatenate([past.series, teaching.curves])
    proof = classification.fold_identities(
        np.repeat([0, 1], [len(past), len(judged)]),
        {"label": [*names, *(f"{this} {label}" for label in judged)]},
        values=values if len(values) == len(past) + len(judged) else None,
    )
    shared = [f"{row['kind']} {name}" for row in proof.table.to_pylist() for name in row["examples"]]
    shared += [name for name, when in zip(names, past.seasons.tolist(), strict=True) if when >= this]
    return checks.nothing_shared(
        "no_leakage_between_folds", shared, first="past seasons' curves", second="this season's labels"
    )
