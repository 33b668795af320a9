"""Accuracy of crop recognition on real labels: western Bahia's 922 series, blocked cross-validation, several seeds.

    AGRISTAT_REAL_DATA=… python benchmarks/western_bahia_accuracy.py [--seeds 1 2 3 4 5]

It uses the region's own file: its nomenclature, block size and folds, and the platform's defaults for the ensemble, as the
asset `crop_models` does. A seed decides both the folds and the models. The spread over seeds is no standard error: the
labels are the same each time, and they are no probability sample.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.classification import (
    EnsembleSettings,
    TrainingSet,
    cross_validate,
    read_labelled_series,
    training_set_from_series,
    validate_labels,
)

REGION = "br-western-bahia"
LEAST_SAMPLES = 2  # as in assets/crop_models.py


def samples(config: Path) -> tuple[TrainingSet, int]:
    """The training set of the region, and how many folds its file asks for."""
    catalogue = load_catalogue(load_settings(config))
    region, nomenclature = catalogue.region(REGION), catalogue.nomenclature(REGION)
    if region.training is None or region.training.file is None:
        raise SystemExit(f"{REGION} names no file of labels")
    delivered = read_labelled_series(catalogue.settings.data_file(region.training.file), nomenclature, region.crs)
    checked = validate_labels(delivered.labels, nomenclature)
    training_set = training_set_from_series(checked.labels, delivered.series, block_size_m=region.training.block_size_m)
    print(f"{delivered.labels.num_rows} labels, dropped {checked.counts or 'none'}")
    return training_set.without_small_classes(LEAST_SAMPLES), region.training.folds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--config", type=Path, default=Path(__file__).resolve().parent.parent / "config")
    options = parser.parse_args()

    training_set, folds = samples(options.config)
    blocks = len(set(training_set.groups.tolist()))
    crops = ", ".join(f"{crop} {np.sum(training_set.y == crop)}" for crop in np.unique(training_set.y))
    print(f"{len(training_set.y)} samples, {len(training_set.feature_names)} features, {blocks} blocks, {folds} folds")
    print(f"samples by crop: {crops}\n")
    print("| seed of folds and models | overall accuracy | macro-F1 | SD over folds (OA) | calibration error | CPU s |")
    print("|---|---:|---:|---:|---:|---:|")
    figures = []
    for seed in options.seeds:
        started = time.process_time()
        result = cross_validate(training_set, EnsembleSettings(seed=seed), folds=folds, seed=seed)
        if result.leaks:
            raise SystemExit(f"folds share {result.leaks[0]}")
        overall = result.overall
        figures.append((overall.overall_accuracy, overall.macro_f1))
        print(
            f"| {seed} | {overall.overall_accuracy:.3f} | {overall.macro_f1:.3f} | "
            f"{result.spread['overall_accuracy']:.3f} | {overall.expected_calibration_error:.3f} | "
            f"{time.process_time() - started:.1f} |",
            flush=True,
        )
    means, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
    print(f"\nmean over {len(figures)} seeds: overall accuracy {means[0]:.3f} (SD {spread[0]:.3f}), ", end="")
    print(f"macro-F1 {means[1]:.3f} (SD {spread[1]:.3f})")


if __name__ == "__main__":
    main()
