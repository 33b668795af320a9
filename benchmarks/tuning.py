"""What stacking, boosting, class weights, fewer features and tuning change, on labels held out in blocks.

    AGRISTAT_REAL_DATA=… python benchmarks/tuning.py [--data western_bahia | simulated] [--seeds 1 2 3] [--trials 12] [--models …]

`western_bahia`: 922 labelled CBERS-4 series, as in western_bahia_accuracy.py. `simulated`: parcels of one season
without pixels, seventeen crops in unequal shares, places of 10 km. Every model is judged on the same outer folds; a
seed decides folds and models. `selected` chooses features, `tuned` repeats its whole study, without each outer fold. The
spread over seeds is no standard error: the labels are the same each time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from western_bahia_accuracy import samples

from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification import (
    CropEnsemble,
    CrossValidation,
    EnsembleSettings,
    TrainingSet,
    cross_validate,
)
from agristat_platform.classification.selection import feature_groups, select_features
from agristat_platform.classification.tuning import tuned_cross_validation
from agristat_platform.features import TENSOR_INDICES
from agristat_platform.simulation.parcel_series import simulate_parcel_season

ROOT = Path(__file__).resolve().parent.parent
PARCELS = 700
LEAST_SAMPLES = 5
SETTINGS = {
    "default": {},
    "not balanced": {"balance": 0.0},
    "fully balanced": {"balance": 1.0},
    "vote chosen": {"voting": "cross_validated"},
    "stacked": {"combine": "stack"},
    "with boosting": {"boosting": "histogram"},
    "with LightGBM": {"boosting": "lightgbm"},
    "stacked with boosting": {"boosting": "histogram", "combine": "stack"},
}
SMALL = {"trees": 100, "networks": 1, "max_epochs": 40}
MODELS = (*SETTINGS, "selected by statistic", "selected by date", "tuned")


def simulated() -> TrainingSet:
    """Simulated parcels of one season, seventeen crops in unequal shares; crops of fewer than `LEAST_SAMPLES` are left out."""
    season = simulate_parcel_season(2018, PARCELS, seed=1)
    crops, counts = np.unique(season.labels, return_counts=True)
    rows = np.flatnonzero(np.isin(season.labels, crops[counts >= LEAST_SAMPLES]))
    steps = season.series.shape[1]
    names = [str(row) for row in rows]
    return TrainingSet(
        X=season.series[rows].reshape(len(rows), -1),
        y=season.labels[rows],
        groups=season.places[rows],
        feature_names=tuple(f"{index}_t{step + 1:02d}_mean" for step in range(steps) for index in TENSOR_INDICES),
        label_ids=np.array(names),
        segment_ids=None,
        weights=np.ones(len(rows)),
        places=pa.table({"label_id": names, "parcel_id": names, "geometry": pa.nulls(len(rows), pa.binary())}),
    )


def judged(
    model: str, training_set: TrainingSet, folds: int, seed: int, options: argparse.Namespace
) -> CrossValidation:
    base = EnsembleSettings(seed=seed, **(SMALL if options.small else {}))
    if model in SETTINGS:
        return cross_validate(training_set, replace(base, **SETTINGS[model]), folds=folds, seed=seed)
    if model == "tuned":
        tuning = TuningSettings(trials=options.trials, minutes=None)
        validation, table = tuned_cross_validation(
            training_set, base, tuning, folds=folds, seed=seed, folder=options.folder and options.folder / str(seed)
        )
        chosen = [row for row in table.to_pylist() if row["chosen"]]
        for row in chosen:
            said = {
                k: row[k] for k in ("trial", "combine", "trees_share", "boosting_share", "balance", "feature_choice")
            }
            print(f"  seed {seed}, {row['study']}: {said}", flush=True)
        return validation
    return cross_validate(training_set, base, folds=folds, seed=seed, fit=selecting(model.rpartition(" ")[2], base))


def selecting(by: str, base: EnsembleSettings) -> Callable[[TrainingSet, int], CropEnsemble]:
    def fit(inside: TrainingSet, fold: int) -> CropEnsemble:
        groups = feature_groups(inside.feature_names, by=by)
        chosen = select_features(
            inside, groups, EnsembleSettings(trees=100, networks=0, seed=base.seed), seed=base.seed
        )
        own = chosen.of(inside)
        model = CropEnsemble(replace(base, min_class_samples=1))
        return model.fit(own.X, own.y, own.weights, own.groups, own.feature_names)

    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("western_bahia", "simulated"), default="western_bahia")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--small", action="store_true", help="100 trees and one network of 40 epochs, to save time")
    parser.add_argument("--folder", type=Path, help="keep journals here: a run that was ended goes on")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    training_set, folds = samples(ROOT / "config") if options.data == "western_bahia" else (simulated(), 5)
    crops = ", ".join(f"{crop} {np.sum(training_set.y == crop)}" for crop in np.unique(training_set.y))
    print(f"{len(training_set.y)} samples, {len(training_set.feature_names)} features, {folds} folds: {crops}\n")
    print(
        "| model | overall accuracy (SD over seeds) | macro-F1 (SD) | least recall (SD) | calibration error | CPU s a seed |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for model in options.models:
        figures = []
        started = time.process_time()
        for seed in options.seeds:
            result = judged(model, training_set, folds, seed, options)
            if result.leaks:
                raise SystemExit(f"folds share {result.leaks[0]}")
            least = min(v for v in result.by_class["producers_accuracy"].to_pylist() if v is not None)
            overall = result.overall
            figures.append((overall.overall_accuracy, overall.macro_f1, least, overall.expected_calibration_error))
        mean = np.mean(figures, axis=0)
        spread = np.std(figures, axis=0, ddof=1) if len(figures) > 1 else np.full(4, np.nan)
        seconds = (time.process_time() - started) / len(figures)
        columns = [f"{m:.3f} ({s:.3f})" for m, s in zip(mean[:3], spread[:3], strict=True)]
        print(f"| {model} | {' | '.join(columns)} | {mean[3]:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
