"""Confidence with an audit: coverage of 90 % sets, calibration error, acceptance threshold, over many repeated audits.

    AGRISTAT_REAL_DATA=… python benchmarks/confidence.py [--repeats 1000] [--seeds 0 1 2] [--only mato_grosso simulated] [--png FILE]

Two populations of parcels with a model's probabilities and the truth. `mato_grosso`: 2,115 labelled MODIS series, trees taught
by the seasons up to 2014 (unweighted, then put to equal shares) name those of 2015; past seasons, each held out with its
places, give the calibration and the sets one would have without an audit. `simulated`: 20,000 parcels of twelve classes whose
probabilities are overconfident, unequally so by class, in a season that has shifted.

Each repetition draws an audit of 100 parcels with a new seed. Coverage and calibration error are of the parcels that were not
drawn, weighted back to the strata's shares of the population.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.ensemble import ExtraTreesClassifier

from agristat_platform.classification.review import (
    acceptance_threshold,
    calibration_error,
    choose_calibration,
    draw_audit_sample,
    error_by_chance,
    fit_calibration,
    fit_conformal,
    reliability_png,
    reliability_table,
)

LAYERS = ("blue", "red", "nir", "mir", "ndvi", "evi")
SCORES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("LAC", {"score": "lac"}),
    ("APS", {"score": "aps"}),
    ("LAC by class", {"score": "lac", "by_class": True}),
)


@dataclass(frozen=True)
class Population:
    """A target season's parcels, and past seasons' held-out predictions (None: there are none)."""

    name: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    label: np.ndarray
    past: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None


def mato_grosso(seed: int) -> Population:
    path = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data")) / "mato_grosso_modis" / "series.parquet"
    if not path.is_file():
        raise SystemExit(f"{path} isn't there: set AGRISTAT_REAL_DATA to the folder with the real data")
    table = pq.read_table(path).sort_by([("sample_id", "ascending"), ("step", "ascending")])
    steps = len(np.unique(np.asarray(table["step"])))
    series = np.stack([np.asarray(table[layer]) for layer in LAYERS], axis=1).reshape(-1, steps * len(LAYERS))
    seasons = np.asarray(table["season_start_year"])[::steps]
    lon, lat = (np.floor(np.asarray(table[name])[::steps] / 0.5) for name in ("longitude", "latitude"))
    places = np.array([f"{x:.0f} {y:.0f}" for x, y in zip(lon, lat, strict=True)])
    names = np.array(table["label"].to_pylist()[::steps])
    taught = seasons <= 2014
    classes = np.unique(names[taught])
    target = (seasons == 2015) & np.isin(names, classes)

    def named(learn: np.ndarray, these: np.ndarray) -> np.ndarray:
        trees = ExtraTreesClassifier(300, random_state=seed, n_jobs=1).fit(series[learn], names[learn])
        votes = trees.predict_proba(series[these]) + 0.02 / len(classes)
        full = np.zeros((len(votes), len(classes)))
        known = np.searchsorted(classes, trees.classes_)
        shares = np.array([np.mean(names[learn] == c) for c in trees.classes_])
        full[:, known] = votes / shares
        return full / full.sum(axis=1, keepdims=True)

    past = []
    for season in np.unique(seasons[taught]).tolist():
        these = taught & (seasons == season)
        learn = taught & (seasons != season) & ~np.isin(places, places[these])
        these &= np.isin(names, names[learn])
        if these.sum() >= 20 and len(set(names[learn])) > 1:
            past.append((named(learn, these), np.searchsorted(classes, names[these]), seasons[these], places[these]))
    held_out = tuple(np.concatenate(parts) for parts in zip(*past, strict=True))
    return Population(
        "mato_grosso",
        tuple(classes.tolist()),
        named(taught, target),
        np.searchsorted(classes, names[target]),
        held_out,  # type: ignore[arg-type]
    )


def simulated(seed: int) -> Population:
    random = np.random.default_rng(seed)
    k, n = 12, 20_000

    def season(n: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
        label = random.choice(k, n, p=np.arange(k, 0, -1) / (k * (k + 1) / 2))
        scores = random.normal(size=(n, k))
        scores[np.arange(n), label] += 3.2 - shift * (0.5 + label / k)
        raised = np.exp(scores * (1.6 + 0.6 * random.random((n, 1))))
        return raised / raised.sum(axis=1, keepdims=True), label

    past, past_label = season(3000, 0.0)
    values, label = season(n, 1.2)
    years = np.repeat([2021, 2022, 2023], 1000)
    return Population(
        "simulated",
        tuple(f"C{j:02d}" for j in range(k)),
        values,
        label,
        (past, past_label, years, np.arange(3000)),
    )


def repetitions(population: Population, repeats: int, seed: int) -> tuple[dict[str, list[float]], list[Any]]:
    """Figures of each repetition by name."""
    plain, label, classes = population.probabilities, population.label, population.classes
    past = population.past
    assert past is not None
    chosen = choose_calibration(past[0], [classes[j] for j in past[1]], classes, seasons=past[2], places=past[3])
    before = chosen.calibration.apply(plain)
    predicted, keys = plain.argmax(axis=1), np.arange(len(plain))
    right = predicted == label
    codes = np.array(classes)[predicted].tolist()
    old_sets = fit_conformal(past[0], past[1], np.ones(len(past[1])), classes, np.arange(len(past[1])))
    figures: dict[str, list[float]] = {
        "past: coverage": [float(old_sets.sets(plain, keys)[keys, label].mean())],
        "plain: ECE": [calibration_error(plain.max(axis=1), right)],
        "past: ECE": [calibration_error(before.max(axis=1), before.argmax(axis=1) == label)],
        "first day: right above 0.65": [float(right[plain.max(axis=1) >= 0.65].mean())],
        "overall accuracy": [float(right.mean())],
    }
    notes: list[Any] = [f"past seasons' calibration: {chosen.reason}"]
    confidence = plain.max(axis=1)
    mapped = pa.table({"segment_id": keys.astype(np.uint32), "crop_code": codes, "confidence": confidence})
    for repeat in range(repeats):
        audit = draw_audit_sample(mapped, seed=seed * 1_000_000 + repeat)
        rows = audit.sample["segment_id"].to_numpy().astype(np.int64)
        weight = audit.sample["weight"].to_numpy()
        strata = audit.sample["stratum"].to_pylist()
        left = np.setdiff1d(keys, rows)
        back = _weights_back(audit.strata.to_pylist(), confidence[left])
        add = figures.setdefault
        for name, options in SCORES:
            sets = fit_conformal(plain[rows], label[rows], weight, classes, rows, **options).sets(plain[left], left)
            inside = sets[np.arange(len(left)), label[left]]
            add(f"{name}: coverage", []).append(float(np.average(inside, weights=back)))
            add(f"{name}: size", []).append(float(np.average(sets.sum(axis=1), weights=back)))
            worst = min(
                np.average(inside[m], weights=back[m]) for m in (label[left] == j for j in np.unique(label[left]))
            )
            add(f"{name}: worst class", []).append(float(worst))
        for method in ("temperature", "vector", "isotonic"):
            fitted = fit_calibration(plain[rows], label[rows], classes, method, weights=weight)
            values = fitted.apply(plain[left])
            hit = values.argmax(axis=1) == label[left]
            add(f"{method}: ECE", []).append(calibration_error(values.max(axis=1), hit, weights=back))
            add(f"{method}: ECE by chance", []).append(
                error_by_chance(values.max(axis=1), weights=back, repeats=20, seed=repeat)
            )
        hit = right[rows]
        found = acceptance_threshold(confidence[rows], hit, weight, strata, population_sizes=audit.population_sizes)
        add("threshold: found", []).append(float(found.threshold is not None))
        if found.threshold is not None:
            through = confidence >= found.threshold
            add("threshold: right above", []).append(float(right[through].mean()))
            add("threshold: let through", []).append(float(through.mean()))
        add("threshold: wrongly given", []).append(
            float(found.threshold is not None and right[confidence >= found.threshold].mean() < 0.95)
        )
    return figures, notes


def _weights_back(strata: list[dict[str, Any]], confidence: np.ndarray) -> np.ndarray:
    """Weights of the parcels not drawn, so that strata count by their share of the population."""
    weight = np.ones(len(confidence))
    for row in strata:
        inside = (confidence >= row["confidence_from"]) & (confidence <= row["confidence_to"])
        weight[inside] = row["population_size"] / max(row["population_size"] - row["sample_size"], 1)
    return weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="audits, shared out to the seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=["mato_grosso", "simulated"], default=["mato_grosso", "simulated"])
    parser.add_argument("--png", type=Path, help="reliability diagram of the first seed's last population")
    options = parser.parse_args()
    makers = {"mato_grosso": mato_grosso, "simulated": simulated}
    for name in options.only:
        started = time.process_time()
        together: dict[str, list[float]] = {}
        for seed in options.seeds:
            population = makers[name](seed)
            found, notes = repetitions(population, options.repeats // len(options.seeds), seed)
            for figure, values in found.items():
                together.setdefault(figure, []).extend(values)
            print(f"{name}, seed {seed}: {len(population.label)} parcels; {'; '.join(notes)}")
        print("\n| figure | mean | SD | 5 % | 95 % | repetitions |\n|---|---:|---:|---:|---:|---:|")
        for figure, values in together.items():
            low, high = np.quantile(values, [0.05, 0.95])
            print(
                f"| {figure} | {np.mean(values):.3f} | {np.std(values):.3f} | {low:.3f} | {high:.3f} | {len(values)} |"
            )
        print(f"\n{name}: CPU {time.process_time() - started:.0f} s\n", flush=True)
        if options.png:
            plain = population.probabilities
            right = plain.argmax(axis=1) == population.label
            table = reliability_table(plain.max(axis=1), right)
            options.png.write_bytes(reliability_png({"as the model says": table}, simulated=name == "simulated"))


if __name__ == "__main__":
    main()
