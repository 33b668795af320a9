"""Seventeen simulated crops across seasons (SIMULATED): four seasons teach, the next is named, as it is and under shocks.

    python benchmarks/simulated_crops.py [--seeds 0 1 2] [--parcels 1000] [--targets 2000] [--only usual drought …]

Parcels of 2020 to 2023 teach, those of 2024 are named: `simulation.parcel_series`, whose constants were set before any model was
taught. The shocks befall the target alone. Beside the platform's own recognition stand two models without any protection,
extremely randomised trees and a multilayer perceptron on the same series, and, as what a model can know at best, trees taught by
as many parcels of the target season itself (`in season`). Macro-F1 is over the classes present in the target; "small" is the
target's parcels below half a hectare, "large" the others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from agristat_platform.classification import accuracy
from agristat_platform.classification.cross_season import teach
from agristat_platform.simulation.parcel_series import ParcelSeason, Shock, simulate_parcel_season

PAST, TARGET = range(2020, 2024), 2024
TARGETS = {
    "usual": Shock(),
    "15 days later": Shock(late_days=15.0),
    "15 days earlier": Shock(late_days=-15.0),
    "drought": Shock(drought=0.3),
    "severe drought": Shock(drought=0.5),
    "clouds 15 April to 31 May": Shock(cloud_gap=((4, 15), (6, 1))),
    "parcels below 0.5 ha": Shock(small_parcels=True),
}


@dataclass(frozen=True)
class Score:
    """Of one model on one target."""

    overall: float
    macro_f1: float

    def __str__(self) -> str:
        return f"{self.overall:.3f}/{self.macro_f1:.3f}"


def score(truth: np.ndarray, named: Sequence[str | None]) -> Score:
    said = np.array(["" if name is None else name for name in named])
    found = accuracy(truth, said)
    return Score(found.overall_accuracy, found.macro_f1)


def flat(season: ParcelSeason) -> np.ndarray:
    """Series as rows for models that take no gaps: a parcel never seen gets the mean of all."""
    rows = season.series.reshape(len(season.series), -1).astype(np.float64)
    return np.where(np.isfinite(rows), rows, np.nanmean(rows, axis=0))


def unprotected(past: list[ParcelSeason], seed: int) -> dict[str, object]:
    series = np.concatenate([flat(season) for season in past])
    labels = np.concatenate([season.labels for season in past])
    trees = ExtraTreesClassifier(300, class_weight="balanced", random_state=seed)
    perceptron = make_pipeline(StandardScaler(), MLPClassifier((128,), early_stopping=True, random_state=seed))
    return {"ExtraTrees": trees.fit(series, labels), "MLP": perceptron.fit(series, labels)}


def run(seed: int, parcels: int, targets: int, only: list[str]) -> dict[tuple[str, str], Score]:
    past = [simulate_parcel_season(year, parcels, seed=seed) for year in PAST]
    series = np.concatenate([season.series for season in past])
    labels = np.concatenate([season.labels for season in past])
    seasons = np.repeat(list(PAST), parcels)
    places = np.concatenate([season.places for season in past])
    taught = teach(series, labels, seasons, places=places, seed=seed)  # done when the first target asks, in its time
    plain = unprotected(past, seed)
    itself = simulate_parcel_season(TARGET, targets + len(series), seed=seed)
    own = ExtraTreesClassifier(300, class_weight="balanced", random_state=seed)
    own.fit(flat(itself)[targets:], itself.labels[targets:])
    ceiling = own.predict(flat(itself)[:targets])
    found = {("usual", "in season"): score(itself.labels[:targets], ceiling)}
    for name in only:
        target = simulate_parcel_season(TARGET, targets, seed=seed, shock=TARGETS[name])
        started = time.process_time()
        answer = taught.recognise(target.series, target_places=target.places)
        spent = time.process_time() - started
        found[name, "platform"] = score(target.labels, answer.labels)
        if name == "usual":
            small = target.area_ha < 0.5
            for what, rows in (("platform, small", small), ("platform, large", ~small)):
                found[name, what] = score(target.labels[rows], answer.labels[rows])
        for model, fitted in plain.items():
            found[name, model] = score(target.labels, fitted.predict(flat(target)))  # type: ignore[attr-defined]
        told = ", ".join(f"{model} {value}" for (which, model), value in found.items() if which == name)
        print(f"seed {seed}, {name}: {told}; {answer.gate.chosen}; {spent:.0f} CPU s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parcels", type=int, default=1000, help="in each season that teaches")
    parser.add_argument("--targets", type=int, default=2000, help="parcels to be named")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    given = parser.parse_args()
    with threadpool_limits(limits=1):
        runs = [run(seed, given.parcels, given.targets, given.only) for seed in given.seeds]
    print(
        "\nSIMULATED. Mean (SD over seeds) of overall accuracy and macro-F1\n\n| target | model | OA | macro-F1 |\n|---|---|---:|---:|"
    )
    for key in runs[0]:
        values = np.array([[one[key].overall, one[key].macro_f1] for one in runs])
        spread = values.std(axis=0, ddof=1) if len(runs) > 1 else np.full(2, np.nan)
        cells = [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(values.mean(axis=0), spread, strict=True)]
        print(f"| {key[0]} | {key[1]} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
