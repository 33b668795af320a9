"""Do intervals of figures on labels hold the truth as often as they say? Clustered samples of a known confusion."""

import numpy as np
import pytest

from agristat_platform.classification.evaluation import accuracy_report

pytestmark = pytest.mark.statistical

SHARES = np.array([0.5, 0.3, 0.2])
RIGHT = np.array([0.85, 0.75, 0.6])
CLASSES = np.array(["A", "B", "C"])
TRIALS, PLACES = 300, 60
# With true coverage of 93 % the count below 0.89 · 300 happens in about 4 of 1,000 runs, above 0.985 · 300 in 1 of 100,000.
LEAST, MOST = 0.89, 0.985


def truth() -> dict[str, float]:
    """Overall accuracy and macro-F1 of the population: an error goes to the next class."""
    confusion = np.diag(SHARES * RIGHT) + np.roll(np.diag(SHARES * (1 - RIGHT)), 1, axis=1)
    f1 = 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))
    recall = np.diag(confusion) / confusion.sum(axis=1)
    return {
        "overall_accuracy": float(np.trace(confusion)),
        "macro_f1": float(f1.mean()),
        "balanced_accuracy": float(recall.mean()),
    }


def covered() -> dict[str, float]:
    """Share of trials whose interval holds the truth; places differ in accuracy and hold 1 to 12 labels."""
    random = np.random.default_rng(20261121)
    hits = dict.fromkeys(truth(), 0)
    for trial in range(TRIALS):
        place = np.repeat(np.arange(PLACES), random.integers(1, 13, PLACES))
        reference = random.choice(3, len(place), p=SHARES)
        # Half the places are better, half are worse: places vary, the accuracy of the population does not
        luck = random.random(PLACES)
        right = random.random(len(place)) < np.where(
            luck[place] < 0.5, RIGHT[reference] - 0.15, RIGHT[reference] + 0.15
        )
        predicted = np.where(right, reference, (reference + 1) % 3)
        report = accuracy_report(CLASSES[reference], CLASSES[predicted], places=place, replicates=200, seed=trial)
        for figure, value in truth().items():
            row = report.value(figure)
            hits[figure] += row["ci_low"] <= value <= row["ci_high"]
    return {figure: count / TRIALS for figure, count in hits.items()}


def test_intervals_of_95_percent_hold_the_truth_about_as_often():
    for figure, share in covered().items():
        assert LEAST <= share <= MOST, (figure, share)
