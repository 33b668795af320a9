"""What reviewed parcels of the new season bring: Mato Grosso's seasons up to 2014 teach, 25 to 100 parcels of 2015 are reviewed.

    AGRISTAT_REAL_DATA=… python benchmarks/reviewed_parcels.py [--seeds 0 1 2] [--sizes 50] [--smaller] [--blocks]

The platform names the season, its own learning queue asks for parcels (`review.learning_queue`), their true labels are the
reviewers' answers, and the season is named again. Figures are of the parcels that were not reviewed, before and after; macro-F1
is over the classes present among these. The gate decides how the reviews are used.

`--blocks` doesn't look at 2015: half of the places with labels of 2013 and 2014, dates moved by two sixteen-day steps, are
the season to review, and all samples of the other half teach. `--smaller` takes members of a few trees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from mato_grosso import SMALLER, taught
from mato_grosso_series import read

from agristat_platform.classification import accuracy, blocked_folds
from agristat_platform.classification.cross_season import MemberSettings, teach
from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.curves import fill_gaps, shift_in_time
from agristat_platform.classification.review import learning_queue


@dataclass(frozen=True)
class Case:
    """Samples that teach, and a season whose truth is known."""

    name: str
    series: np.ndarray
    labels: np.ndarray
    seasons: np.ndarray
    places: np.ndarray
    target: np.ndarray
    truth: np.ndarray


def cases(blocks: bool) -> Iterator[Case]:
    data = read()

    def case(name: str, training: np.ndarray, target: np.ndarray, later: float) -> Case:
        known = taught(data.labels[training])
        training = training & np.isin(data.labels, known)
        target = target & np.isin(data.labels, known)
        series = data.series[target]
        moved = shift_in_time(series, np.full(len(series), later)) if later else series
        return Case(
            name,
            data.series[training],
            data.labels[training],
            data.seasons[training],
            data.places[training],
            moved,
            data.labels[target],
        )

    if not blocks:
        yield case("2015", data.seasons <= 2014, data.seasons == 2015, 0.0)
        return
    past = np.flatnonzero(data.seasons <= 2014)
    half = np.full(len(data.labels), -1)
    half[past] = blocked_folds(data.labels[past], data.places[past], folds=2, seed=5)
    for number, later in ((0, 2.0), (1, -2.0)):
        held_out = (half == number) & (data.seasons >= 2013)
        yield case(f"half {number + 1}", half == 1 - number, held_out, later)


def run(case: Case, seed: int, sizes: list[int], settings: MemberSettings) -> list[tuple[int, float, float]]:
    """Print a row for each size; return size, overall accuracy and macro-F1 after the review."""
    started = time.process_time()
    teaching = teach(case.series, case.labels, case.seasons, places=case.places, seed=seed, settings=settings)
    before = teaching.recognise(case.target)
    reached = []
    for size in sizes:
        asked = learning_queue(
            np.arange(len(case.truth)),
            before.probabilities,
            curve_features(fill_gaps(case.target)[0]),
            before.classes.tolist(),
            size=size,
            excluded=[],
        )
        rows = np.asarray(asked["segment_id"], dtype=np.int64)
        rest = np.setdiff1d(np.arange(len(case.truth)), rows)
        after = teaching.recognise(case.target, reviewed=(rows, case.truth[rows]))
        was, now = (accuracy(case.truth[rest], found.labels[rest].astype(str)) for found in (before, after))
        judged = {row.option: row for row in after.gate.rows if row.stage == "reviewed"}
        others = ", ".join(f"{name} {row.gain:+.3f}" for name, row in judged.items() if name != "weighted")
        print(
            f"| {case.name} | {seed} | {size} | {was.overall_accuracy:.3f}/{was.macro_f1:.3f} | "
            f"{now.overall_accuracy:.3f}/{now.macro_f1:.3f} | {after.gate.chosen['reviewed']} | {others} | "
            f"{time.process_time() - started:.0f} |",
            flush=True,
        )
        reached.append((size, now.overall_accuracy, now.macro_f1))
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50])
    parser.add_argument("--smaller", action="store_true")
    parser.add_argument("--blocks", action="store_true", help="halves of the seasons before, moved, instead of 2015")
    options = parser.parse_args()
    settings = SMALLER if options.smaller else MemberSettings()
    print(
        "| season | seed | reviewed | the others before, OA/macro-F1 | after | chosen | gain of the other options over "
        "`weighted` | CPU s |\n|---|---:|---:|---:|---:|---|---|---:|"
    )
    reached = [
        row
        for case in cases(options.blocks)
        for seed in options.seeds
        for row in run(case, seed, options.sizes, settings)
    ]
    for size in options.sizes:
        figures = np.array([row[1:] for row in reached if row[0] == size])
        spread = figures.std(axis=0, ddof=1) if len(figures) > 1 else np.full(2, np.nan)
        mean = figures.mean(axis=0)
        print(
            f"\n{size} reviewed: overall accuracy {mean[0]:.3f} (SD {spread[0]:.3f}), macro-F1 {mean[1]:.3f} "
            f"(SD {spread[1]:.3f}), {len(figures)} runs"
        )


if __name__ == "__main__":
    main()
