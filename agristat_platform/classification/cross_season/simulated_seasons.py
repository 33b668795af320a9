"""Seasons simulated from held-out samples: how much class shares change is taken from what past seasons did.

Shares drawn uniformly say nothing about the size of a real change. What is known of it are the seasons seen: which classes
each of them had, and how far the shares of those that two consecutive ones share had moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_USUAL_SPREAD = 1.0  # SD of a class's log share from one season to the next, before any season is seen: a factor of e
_USUAL_ABSENCE = 0.1  # chance that a season lacks a class
_WEIGHT = 10.0  # of these two, in observations
_MOST_ABSENCE = 0.5


@dataclass(frozen=True)
class Turnover:
    """How class shares change from season to season: SD of log shares, and the chance that a class is absent."""

    spread: float
    absence: float


def past_turnover(label: np.ndarray, season: np.ndarray, classes: int) -> Turnover:
    """Turnover that past seasons show, shrunk to usual values with the weight of ten observations.

    Parameters
    ----------
    label, season:
        int64 (n,), class and season of each sample.
    classes:
        Number of classes.

    Notes
    -----
    The spread is the root mean square of the differences of log shares between consecutive seasons, of classes that both
    have and relative to their mean. The absence is the share of (class, season) pairs without a sample, of at most one half.
    """
    counts = np.array([np.bincount(label[season == s], minlength=classes) for s in np.unique(season)])
    squares, freedom = 0.0, 0
    for before, after in pairwise(counts):
        both = (before > 0) & (after > 0)
        if both.sum() > 1:
            change = np.log(after[both]) - np.log(before[both])
            squares += float(((change - change.mean()) ** 2).sum())
            freedom += int(both.sum()) - 1
    spread = np.sqrt((squares + _WEIGHT * _USUAL_SPREAD**2) / (freedom + _WEIGHT))
    # One season alone can't show an absence: its classes are the classes.
    pairs = counts.size if len(counts) > 1 else 0
    missing = float((counts == 0).sum()) if pairs else 0.0
    absence = (missing + _WEIGHT * _USUAL_ABSENCE) / (pairs + _WEIGHT)
    return Turnover(float(spread), min(absence, _MOST_ABSENCE))


def draw_rows(label: np.ndarray, turnover: Turnover, random: np.random.Generator) -> np.ndarray:
    """Rows (n,) drawn with replacement from samples of classes `label` (n,), so that shares are those of another season.

    Log shares of the classes move by independent normal deviates from the samples' own; classes drop out at random, but two
    of them, whichever, stay.
    """
    present, counts = np.unique(label, return_counts=True)
    shares = counts * np.exp(random.normal(0.0, turnover.spread, len(present)))
    stays = random.random(len(present)) >= turnover.absence
    stays[random.permutation(len(present))[:2]] = True
    chance = (np.where(stays, shares, 0.0) / counts)[np.searchsorted(present, label)]
    return random.choice(len(label), len(label), p=chance / chance.sum())
