"""Accuracy against the number of labels and against the date in the season, on Mato Grosso's 2,115 real MODIS series.

    AGRISTAT_REAL_DATA=… python benchmarks/label_curves.py [--trees 100] [--pictures FOLDER]

The ensemble of `crop_models` (60 trees, one perceptron of 20 epochs) on NDVI, EVI, NIR and MIR at 23 dates, all seasons and nine
classes together. Blocks of half a degree that share no place are held out (3 folds), for three seeds. Also: how many places
folds by row order would have parted.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification import EnsembleSettings
from agristat_platform.classification.evaluation import (
    ensemble_answer,
    fold_identities,
    in_season_curve,
    in_season_png,
    joined_groups,
    learning_curve,
    learning_curve_png,
    place_folds,
)

SEEDS = (0, 1, 2)


def main() -> None:
    """Print both curves, the proof that folds share nothing, and CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=60)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    source = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data")) / "mato_grosso_modis" / "series.parquet"
    table = pq.read_table(source).to_pandas().sort_values(["sample_id", "step"])
    first = table[table.step == 0]
    series = table[["ndvi", "evi", "nir", "mir"]].to_numpy(dtype=np.float32).reshape(len(first), 23, 4)
    y = first.label.to_numpy().astype(str)
    place = [f"{x} {y}" for x, y in zip(first.longitude, first.latitude, strict=True)]
    block = [f"{x // 0.5} {y // 0.5}" for x, y in zip(first.longitude, first.latitude, strict=True)]
    until = [f"{day:%d %b}" for day in table[table.sample_id == first.sample_id.iloc[0]].date]

    by_row = fold_identities(np.arange(len(y)) % 3, {"place": place}, values=series)
    held = fold_identities(
        place_folds(y, place, block, folds=3, seed=0), {"place": place, "block": block}, values=series
    )
    for told, proof in (("folds by row order", by_row), ("place_folds", held.require())):
        print(told, [(r["kind"], r["on_both_sides"], "of", r["identities"]) for r in proof.table.to_pylist()])

    groups = joined_groups(place, block)
    answer = ensemble_answer(y, EnsembleSettings(trees=asked.trees, networks=1, max_epochs=20))
    started = time.process_time()
    with threadpool_limits(limits=1):
        labels = learning_curve(answer, series, y, groups, sizes=[50, 200, 800, 1300], folds=3, seeds=SEEDS)
        dates = in_season_curve(
            answer, series, y, groups, until=until, steps=[3, 7, 11, 15, 19, 23], folds=3, seeds=SEEDS
        )
    shown = ["overall_accuracy", "overall_accuracy_sd", "macro_f1", "macro_f1_sd"]
    print(labels.select(["labels", *shown]).to_pandas().round(4).to_string(index=False))
    print(dates.select(["until", *shown]).to_pandas().round(4).to_string(index=False))
    print(f"{time.process_time() - started:.0f} CPU seconds")
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
        (asked.pictures / "learning_curve.png").write_bytes(learning_curve_png(labels))
        (asked.pictures / "in_season.png").write_bytes(in_season_png(dates))


if __name__ == "__main__":
    main()
