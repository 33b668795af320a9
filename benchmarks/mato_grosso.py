"""Recognition of a new season on real labels: 2,115 MODIS series of Mato Grosso, earlier seasons teach, a later one is named.

    AGRISTAT_REAL_DATA=… python benchmarks/mato_grosso.py [--seeds 0 1 2] [--tasks crops all] [--options] [--pairs]

Two tasks. `crops`: all samples up to the season 2014 → 2015. `all`: the samples of 2015, with the classes that aren't crops
(Cerrado, Forest, Pasture, Soy_Fallow) up to 2013 → 2014; Fallow_Cotton, of which nothing could have been learned, is left
out of the figures and counted. Places are cells of half a degree. Macro-F1 is over the classes present in the target.

The platform chooses everything by itself; nothing here is set for the data. `--options` also prints what every other option
of the gate would have given on the target, which tells how far from the best one the gate's choice was. `--pairs` names
each season from 2003 to 2015 from all before it, with smaller members and one seed, for that distance alone: classes that
no earlier season had are left out. "Plain" is nothing adapted, against which harm is counted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from mato_grosso_series import LabelledSeries, read
from threadpoolctl import threadpool_limits

from agristat_platform.classification import accuracy
from agristat_platform.classification.class_counts import LEAST_SAMPLES
from agristat_platform.classification.cross_season import MemberSettings
from agristat_platform.classification.cross_season.gate import choose, verdict
from agristat_platform.classification.cross_season.options import PLAIN, STAGES, Choice
from agristat_platform.classification.cross_season.recognition import past_evidence
from agristat_platform.classification.cross_season.samples import check_samples
from agristat_platform.classification.cross_season.target_season import fit_target

NOT_CROPS = ("Cerrado", "Forest", "Pasture", "Soy_Fallow")
SMALLER = MemberSettings(trees=60, rounds=30, kernel_columns=840, copies=1, bags=1)
PAIRS = range(2003, 2016)


def task(data: LabelledSeries, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows to name."""
    if name == "crops":
        return data.seasons <= 2014, data.seasons == 2015
    if name.startswith("season "):
        year = int(name.removeprefix("season "))
        return data.seasons < year, data.seasons == year
    earlier = (data.seasons <= 2013) & np.isin(data.labels, NOT_CROPS)
    return earlier | (data.seasons == 2015), data.seasons == 2014


def taught(labels: np.ndarray) -> np.ndarray:
    """Classes with three samples or more, the fewest that recognition takes."""
    names, counts = np.unique(labels, return_counts=True)
    return np.asarray(names[counts >= LEAST_SAMPLES])


def run(
    data: LabelledSeries, name: str, seed: int, every_option: bool, settings: MemberSettings
) -> tuple[float, float]:
    """Print one task's figures with one seed; return overall accuracy and macro-F1."""
    training, target = task(data, name)
    training &= np.isin(data.labels, taught(data.labels[training]))
    truth = data.labels[target]
    known = np.isin(truth, taught(data.labels[training]))
    started = time.process_time()
    samples = check_samples(
        data.series[training], data.labels[training].tolist(), data.seasons[training].tolist(), data.places[training]
    )
    trials, amplitude, _, _ = past_evidence(samples, settings, seed)
    choice, rows, _ = choose(trials, shares_known=False)
    passed, _ = verdict(trials, choice, shares_known=False)
    season = fit_target(trials, data.series[target], None, amplitude, align=True)

    def figures(of: Choice) -> tuple[float, float]:
        named = samples.classes[season.answer(of)[0].argmax(axis=1)]
        found = accuracy(truth[known], named[known])
        return found.overall_accuracy, found.macro_f1

    reached = figures(choice)
    options = {f"{stage} {o}": figures(choice.with_option(stage, o)) for stage, of in STAGES.items() for o in of}
    best = max(options, key=lambda option: options[option][0])
    print(
        f"| {name} | {seed} | {known.sum()} ({(~known).sum()} left out) | {reached[0]:.3f} | {reached[1]:.3f} | "
        f"{' · '.join(vars(choice).values())} | {passed} | {best} {options[best][0]:.3f} | {figures(PLAIN)[0]:.3f} | "
        f"{time.process_time() - started:.0f} |",
        flush=True,
    )
    if every_option:
        judged = {(row.stage, row.option): row for row in rows}
        for stage, names in STAGES.items():
            for option in names:
                row, (overall, f1) = judged[stage, option], figures(choice.with_option(stage, option))
                print(
                    f"    {stage} {option}: target {overall:.3f}/{f1:.3f}; past {row.overall_accuracy:.3f}/"
                    f"{row.macro_f1:.3f}, gain {row.gain:+.3f} (standard error {row.standard_error:.3f})"
                )
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=["crops", "all"], default=["crops", "all"])
    parser.add_argument("--options", action="store_true")
    parser.add_argument("--pairs", action="store_true", help="every season from 2003 on instead of the two tasks")
    options = parser.parse_args()
    data = read()
    print(
        "| task | seed | samples | overall accuracy | macro-F1 | chosen | passed | best of its neighbours | plain | CPU s |\n"
        "|---|---|---:|---:|---:|---|---|---|---:|---:|"
    )
    if options.pairs:
        with threadpool_limits(limits=1):
            for year in PAIRS:
                run(data, f"season {year}", options.seeds[0], options.options, SMALLER)
        return
    for name in options.tasks:
        with threadpool_limits(limits=1):
            reached = np.array([run(data, name, seed, options.options, MemberSettings()) for seed in options.seeds])
        spread = reached.std(axis=0, ddof=1) if len(reached) > 1 else np.full(2, np.nan)
        mean = reached.mean(axis=0)
        print(
            f"\n{name}: overall accuracy {mean[0]:.3f} (SD {spread[0]:.3f}), macro-F1 {mean[1]:.3f} (SD {spread[1]:.3f}), "
            f"{len(reached)} seeds\n"
        )


if __name__ == "__main__":
    main()
