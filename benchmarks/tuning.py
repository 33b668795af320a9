"""What stacking, boosting, class weights, fewer features and tuning change, on labels held out in blocks.

    AGRISTAT_REAL_DATA=… python benchmarks/tuning.py [--data western_bahia | mato_grosso] [--seeds 1 2 3] [--trials 12] [--models …]

`western_bahia`: 922 labelled CBERS-4 series, as in western_bahia_accuracy.py. `mato_grosso`: MODIS series up to 2013 (no
season that is judged elsewhere), unequal classes, blocks of half a degree. Every model is judged on the same outer folds; a
seed decides folds and models. `selected` chooses features, `tuned` repeats its whole study, without each outer fold. The
spread over seeds is no standard error: the labels are the same each time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from mato_grosso_series import LAYERS, read
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

ROOT = Path(__file__).resolve().parent.parent
LAST_YEAR = 2013
LEAST_SAMPLES = 20
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
MODELS = (*SETTINGS, "selected by statistic", "selected by date", "tuned")


def past_mato_grosso() -> TrainingSet:
    """Series that start up to `LAST_YEAR` as a training set; classes of fewer than 20 are left out."""
    data = read()
    past = data.seasons <= LAST_YEAR
    crops, counts = np.unique(data.labels[past], return_counts=True)
    rows = np.flatnonzero(past & np.isin(data.labels, crops[counts >= LEAST_SAMPLES]))
    steps = data.series.shape[1]
    names = [str(row) for row in rows]
    return TrainingSet(
        X=data.series[rows].reshape(len(rows), -1).astype(np.float32),
        y=data.labels[rows],
        groups=data.places[rows],
        feature_names=tuple(f"{layer}_t{step + 1:02d}_mean" for step in range(steps) for layer in LAYERS),
        label_ids=np.array(names),
        segment_ids=None,
        weights=np.ones(len(rows)),
        places=pa.table({"label_id": names, "parcel_id": names, "geometry": pa.nulls(len(rows), pa.binary())}),
    )


def judged(
    model: str, training_set: TrainingSet, folds: int, seed: int, trials: int, folder: Path | None
) -> CrossValidation:
    base = EnsembleSettings(seed=seed)
    if model in SETTINGS:
        return cross_validate(training_set, EnsembleSettings(seed=seed, **SETTINGS[model]), folds=folds, seed=seed)
    if model == "tuned":
        tuning = TuningSettings(trials=trials, minutes=None)
        validation, table = tuned_cross_validation(
            training_set, base, tuning, folds=folds, seed=seed, folder=None if folder is None else folder / str(seed)
        )
        chosen = [row for row in table.to_pylist() if row["chosen"]]
        for row in chosen:
            said = {
                k: row[k] for k in ("trial", "combine", "trees_share", "boosting_share", "balance", "feature_choice")
            }
            print(f"  seed {seed}, {row['study']}: {said}", flush=True)
        return validation
    return cross_validate(training_set, base, folds=folds, seed=seed, fit=selecting(model.rpartition(" ")[2], seed))


def selecting(by: str, seed: int) -> Callable[[TrainingSet, int], CropEnsemble]:
    def fit(inside: TrainingSet, fold: int) -> CropEnsemble:
        groups = feature_groups(inside.feature_names, by=by)
        chosen = select_features(inside, groups, EnsembleSettings(trees=100, networks=0, seed=seed), seed=seed)
        own = chosen.of(inside)
        model = CropEnsemble(EnsembleSettings(seed=seed, min_class_samples=1))
        return model.fit(own.X, own.y, own.weights, own.groups, own.feature_names)

    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("western_bahia", "mato_grosso"), default="western_bahia")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="keep journals here: a run that was ended goes on")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    training_set, folds = samples(ROOT / "config") if options.data == "western_bahia" else (past_mato_grosso(), 5)
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
            result = judged(model, training_set, folds, seed, options.trials, options.folder)
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
