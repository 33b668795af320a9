"""Accuracy against the number of labels, and against the date: the curves of a season's evaluation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa

from agristat_platform.catalogue import IntervalsFromItemsError
from agristat_platform.classification import evaluation
from assets.model_season import ModelSeason
from assets.season_evaluation import Part, SeasonEvaluation, no_labels


def learning_curve(of: SeasonEvaluation) -> Part:
    """Accuracy against the number of labels, blocks held out."""
    samples, settings = of.samples, of.settings
    if samples is None:
        return no_labels()
    folds = of.season.training.folds
    table = evaluation.learning_curve(
        evaluation.ensemble_answer(samples.y, of.light_model),
        samples.X,
        samples.y,
        samples.groups,
        sizes=settings.sizes,
        folds=folds,
        seeds=of.seeds,
    )
    caption = f"Accuracy and number of labels: {of.model_said}, {folds} folds of blocks, {len(of.seeds)} repeats"
    return Part(
        "made",
        f"{len(samples.y)} samples; {of.model_said}, {folds} folds of whole blocks, {len(of.seeds)} repeats",
        tables={"learning_curve": table},
        pictures={
            "learning_curve": (
                evaluation.learning_curve_png(table, simulated=of.season.region.simulated),
                caption,
            )
        },
        shown=_shown(table, "labels", "overall_accuracy", "overall_accuracy_sd", "macro_f1", "gain", "gain_p"),
        shared=of.shared_by_folds,
    )


def in_season(of: SeasonEvaluation) -> Part:
    """Accuracy had the season ended at each of some intervals, blocks held out."""
    samples, settings = of.samples, of.settings
    if samples is None:
        return no_labels()
    folds = of.season.training.folds
    steps = evaluation.season_steps(samples.X, samples.feature_names)
    table = evaluation.in_season_curve(
        evaluation.ensemble_answer(samples.y, of.light_model),
        steps.values,
        samples.y,
        samples.groups,
        until=_last_days(of.season, steps.intervals),
        steps=evaluation.chosen_steps(len(steps.intervals), settings.dates),
        folds=folds,
        seeds=of.seeds,
    )
    caption = f"Accuracy had the season ended then: {of.model_said} on columns of the intervals until that day alone"
    return Part(
        "made",
        f"{len(samples.y)} samples; features of the intervals until each day, without phenology and smoothed series, on "
        f"segments{_filtered(of.season)} of the whole season; {of.model_said}, {folds} folds of whole blocks, {len(of.seeds)} repeats",
        tables={"in_season": table},
        pictures={
            "in_season": (evaluation.in_season_png(table, simulated=of.season.region.simulated), caption),
        },
        shown=_shown(table, "until", "overall_accuracy", "overall_accuracy_sd", "macro_f1"),
        shared=of.shared_by_folds,
    )


def _shown(table: pa.Table, *columns: str) -> list[dict[str, Any]]:
    return table.select(list(columns)).to_pylist()


def _filtered(season: ModelSeason) -> str:
    """Radar is of the whole season too where its filter takes all dates together."""
    imagery = season.region.imagery
    return " and radar filtered over the dates" if imagery is not None and imagery.speckle_filter is not None else ""


def _last_days(season: ModelSeason, intervals: tuple[int, ...]) -> list[str]:
    """Last day of each interval by its number; the number where intervals are those of imagery items."""
    try:
        ends = {one.index: one.end for one in season.region.intervals(season.partition.season)}
    except IntervalsFromItemsError:
        ends = {}
    return [
        (ends[number] - timedelta(days=1)).isoformat() if number in ends else f"interval {number}"
        for number in intervals
    ]
