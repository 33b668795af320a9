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
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from mato_grosso_series import read
from sklearn.ensemble import ExtraTreesClassifier

from agristat_platform.classification.review import (
    acceptance_threshold,
    calibration_error,
    choose_calibration,
    draw_audit_sample,
    error_by_chance,
    fit_calibration,
    fit_conformal,
    learning_queue,
    reliability_png,
    reliability_table,
)

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


def flat_series() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Series (n, steps × layers), season, place and label of each sample."""
    data = read()
    return data.series.reshape(len(data.labels), -1), data.seasons, data.places, data.labels


def trees_say(
    series: np.ndarray,
    names: np.ndarray,
    classes: np.ndarray,
    these: np.ndarray,
    seed: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Probabilities (n, k) of `these` by trees, put to equal shares of the classes."""
    trees = ExtraTreesClassifier(300, random_state=seed, n_jobs=1).fit(series, names, sample_weight=weights)
    votes = trees.predict_proba(these) + 0.02 / len(classes)
    full = np.zeros((len(votes), len(classes)))
    full[:, np.searchsorted(classes, trees.classes_)] = votes / np.array([np.mean(names == c) for c in trees.classes_])
    return full / full.sum(axis=1, keepdims=True)


def mato_grosso(seed: int) -> Population:
    series, seasons, places, names = flat_series()
    taught = seasons <= 2014
    classes = np.unique(names[taught])
    target = (seasons == 2015) & np.isin(names, classes)

    def named(learn: np.ndarray, these: np.ndarray) -> np.ndarray:
        return trees_say(series[learn], names[learn], classes, series[these], seed)

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
        if repeat % 5 == 0:  # twenty fits each
            taken = choose_calibration(
                plain[rows], codes_of(classes, label[rows]), classes, weights=weight.tolist(), seed=repeat
            )
            values = taken.calibration.apply(plain[left])
            hit = values.argmax(axis=1) == label[left]
            add("chosen: ECE", []).append(calibration_error(values.max(axis=1), hit, weights=back))
            add(f"chosen: {taken.calibration.method}", []).append(1.0)
        hit = right[rows]
        for bound in (0.95, 0.8):
            found = acceptance_threshold(
                confidence[rows], hit, weight, strata, population_sizes=audit.population_sizes, bound=bound
            )
            name = f"threshold, bound {bound:.0%}"
            through = confidence >= (2.0 if found.threshold is None else found.threshold)
            add(f"{name}: found", []).append(float(found.threshold is not None))
            add(f"{name}: wrongly given", []).append(float(through.any() and right[through].mean() < 0.95))
            if through.any():
                add(f"{name}: right above", []).append(float(right[through].mean()))
                add(f"{name}: let through", []).append(float(through.mean()))
        through = confidence >= (2.0 if found.by_estimate is None else found.by_estimate)
        add("threshold by estimate: found", []).append(float(through.any()))
        if through.any():
            add("threshold by estimate: right above", []).append(float(right[through].mean()))
            add("threshold by estimate: let through", []).append(float(through.mean()))
    return figures, notes


def codes_of(classes: tuple[str, ...], label: np.ndarray) -> list[str]:
    return [classes[j] for j in label.tolist()]


def _weights_back(strata: list[dict[str, Any]], confidence: np.ndarray) -> np.ndarray:
    """Weights of the parcels not drawn, so that strata count by their share of the population."""
    weight = np.ones(len(confidence))
    for row in strata:
        inside = (confidence >= row["confidence_from"]) & (confidence <= row["confidence_to"])
        weight[inside] = row["population_size"] / max(row["population_size"] - row["sample_size"], 1)
    return weight


def queue_against_chance(seed: int, size: int = 50) -> dict[str, float]:
    """Overall accuracy on parcels of 2015 in none of the samples, after `size` of them were reviewed and learned."""
    series, seasons, _, names = flat_series()
    taught = seasons <= 2014
    classes = np.unique(names[taught])
    target = np.flatnonzero((seasons == 2015) & np.isin(names, classes))
    plain = trees_say(series[taught], names[taught], classes, series[target], seed)
    ids = np.arange(len(target))
    queue = learning_queue(ids, plain, series[target], classes.tolist(), size=size, excluded=())
    by_margin = np.argsort(np.diff(np.sort(plain, axis=1)[:, -2:], axis=1)[:, 0], kind="stable")[:size]
    drawn = {
        "learning queue": queue["segment_id"].to_numpy().astype(int),
        "least margins": by_margin,
        "at random": np.random.default_rng(seed).choice(len(target), size, replace=False),
    }
    rest = np.setdiff1d(ids, np.concatenate(list(drawn.values())))
    truth = names[target][rest]
    figures = {"before": float((classes[plain[rest].argmax(axis=1)] == truth).mean())}
    for name, rows in drawn.items():
        for weight in (1.0, 10.0):
            learned = np.concatenate([np.flatnonzero(taught), target[rows]])
            weights = np.concatenate([np.ones(taught.sum()), np.full(size, weight)])
            said = trees_say(series[learned], names[learned], classes, series[target][rest], seed, weights)
            figures[f"{name}, weight {weight:.0f}"] = float((classes[said.argmax(axis=1)] == truth).mean())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="audits, shared out to the seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=["mato_grosso", "simulated"], default=["mato_grosso", "simulated"])
    parser.add_argument("--queue", action="store_true", help="also what 50 reviewed parcels of the queue are worth")
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
    if options.queue:
        worth = [queue_against_chance(seed) for seed in options.seeds]
        for figure in worth[0]:
            values = [one[figure] for one in worth]
            print(f"| {figure} | {np.mean(values):.3f} | {', '.join(f'{value:.3f}' for value in values)} |")


if __name__ == "__main__":
    main()
