"""What an audit of 100 parcels promises, over many audits of one population.

Seeds are fixed. The error rates are those a fresh set of seeds would have: means lie more than five standard errors inside their
bounds, the 5th percentile and the shares more than three, so that each of these tests fails by chance less than once in 500.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.classification.review import (
    AuditOutcome,
    acceptance_threshold,
    audit_accuracy,
    calibration_error,
    draw_audit_sample,
    fit_calibration,
    fit_conformal,
)

pytestmark = pytest.mark.statistical

CLASSES = tuple(f"C{j}" for j in range(6))
AUDITS = 200


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """5,000 parcels, four in five of them right, by a model that is far too sure of itself."""
    random = np.random.default_rng(7)
    label = random.choice(6, 5000, p=[0.35, 0.25, 0.15, 0.1, 0.1, 0.05])
    scores = random.normal(size=(5000, 6))
    scores[np.arange(5000), label] += 2.2
    raised = np.exp(6.0 * scores)
    values = raised / raised.sum(axis=1, keepdims=True)
    codes = [CLASSES[j] for j in values.argmax(axis=1).tolist()]
    table = pa.table(
        {"segment_id": np.arange(5000, dtype=np.uint32), "crop_code": codes, "confidence": values.max(axis=1)}
    )
    return values, label, table


def test_sets_cover_nine_in_ten_and_calibration_reaches_its_bar(
    population: tuple[np.ndarray, np.ndarray, pa.Table],
) -> None:
    values, label, table = population
    coverage, errors = [], []
    for seed in range(AUDITS):
        sample = draw_audit_sample(table, seed=seed).sample
        rows, weight = sample["segment_id"].to_numpy().astype(int), sample["weight"].to_numpy()
        sets = fit_conformal(values[rows], label[rows], weight, CLASSES, rows).sets(values, np.arange(5000))
        coverage.append(sets[np.arange(5000), label].mean())
        calibrated = fit_calibration(values[rows], label[rows], CLASSES, "temperature", weights=weight).apply(values)
        errors.append(calibration_error(calibrated.max(axis=1), calibrated.argmax(axis=1) == label))
    assert 0.89 <= np.mean(coverage) <= 0.91
    assert np.quantile(coverage, 0.05) >= 0.84
    assert calibration_error(values.max(axis=1), values.argmax(axis=1) == label) > 0.1
    assert np.mean(errors) <= 0.05


def test_accuracy_of_the_map_is_unbiased_and_its_interval_covers(
    population: tuple[np.ndarray, np.ndarray, pa.Table],
) -> None:
    values, label, table = population
    right = values.argmax(axis=1) == label
    found, stated, inside = [], [], []
    for seed in range(AUDITS):
        audit = draw_audit_sample(table, seed=seed)
        rows = audit.sample["segment_id"].to_numpy().astype(int)
        reference = tuple(CLASSES[j] for j in label[rows].tolist())
        outcome = AuditOutcome(reference, np.ones(100, dtype=bool), right[rows], audit.sample["weight"].to_numpy())
        row = audit_accuracy(audit, outcome).table.to_pylist()[0]
        found.append(row["estimate"])
        stated.append(row["standard_error"])
        inside.append(row["ci_low"] <= right.mean() <= row["ci_high"])
    spread = float(np.std(found, ddof=1))
    assert abs(np.mean(found) - right.mean()) < 4 * spread / np.sqrt(AUDITS)
    # The standard error of a standard deviation from 200 audits is 5 % of it.
    assert np.sqrt(np.mean(np.square(stated))) == pytest.approx(spread, rel=0.2)
    # 95 % stated; with 200 audits one standard error is 1.5 points. Intervals on effective numbers are a little too long.
    assert 0.91 <= np.mean(inside) <= 0.995


def test_a_threshold_that_does_not_hold_is_given_in_one_audit_of_twenty_at_most() -> None:
    """Nowhere 95 % right, whatever the threshold: each one given is wrong; bound 95 %, three standard errors above."""
    random = np.random.default_rng(8)
    confidence = random.beta(5, 1.5, 5000)
    right = random.random(5000) < 0.94
    table = pa.table(
        {"segment_id": np.arange(5000, dtype=np.uint32), "crop_code": ["C0"] * 5000, "confidence": confidence}
    )
    given = 0
    for seed in range(AUDITS):
        audit = draw_audit_sample(table, seed=seed)
        rows = audit.sample["segment_id"].to_numpy().astype(int)
        found = acceptance_threshold(
            confidence[rows],
            right[rows],
            audit.sample["weight"].to_numpy(),
            audit.sample["stratum"].to_pylist(),
            population_sizes=audit.population_sizes,
        )
        given += found.threshold is not None and right[confidence >= found.threshold].mean() < 0.95
    assert given / AUDITS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / AUDITS)
