"""A target season some of whose parcels were reviewed: what is said of all of them afterwards.

Not here: checks of the reviews and the models themselves (`reviewed`), how an option is judged (`reviewed_gate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.cross_season.gate import GateRow
from agristat_platform.classification.cross_season.judging import moved
from agristat_platform.classification.cross_season.members import Curves
from agristat_platform.classification.cross_season.options import Choice, vote, with_shares
from agristat_platform.classification.cross_season.reviewed import (
    SHARES_OF_WEIGHT,
    Retaught,
    Reviewed,
    answered,
    reteach,
    widened,
)
from agristat_platform.classification.cross_season.reviewed_gate import choose_reviewed
from agristat_platform.classification.cross_season.reviewed_head import fit_head
from agristat_platform.classification.cross_season.target_season import MOST_TOGETHER, TargetSeason


@dataclass(frozen=True)
class AfterReview:
    """Answers (m, classes) over the reviews' classes, the shares (classes,) they assume, and the gate's word on it."""

    probabilities: np.ndarray
    shares: np.ndarray
    option: str
    rows: tuple[GateRow, ...]
    reasons: tuple[str, ...]


def answer_after_review(
    season: TargetSeason,
    choice: Choice,
    review: Reviewed,
    probabilities: np.ndarray,
    assumed: np.ndarray,
    given: np.ndarray | None,
    number: float,
    amplitude: float,
) -> AfterReview:
    """Let the gate decide how reviewed parcels are used, and answer so.

    Parameters
    ----------
    probabilities, assumed:
        Answers (m, taught classes) without the reviews, and the shares that they assume.
    given:
        Shares of the target over the reviews' classes, or None.
    number:
        Shift at which the target is read (× `SEASON_SHIFT`), which holds for the reviewed parcels too.
    amplitude:
        Of the warped copies, in steps.
    """
    trials = season.trials
    taught, classes = trials.samples.classes, review.classes
    before, shares = widened(probabilities, taught, classes), widened(assumed, taught, classes)
    added = tuple(
        f"reviewed: reviewers add {name}, which no past season shows and nothing judges" for name in review.added
    )
    if not len(review):
        return AfterReview(before, shares, "none", (), (*added, "reviewed: none, no review could be used"))
    review = review.at(number)
    said = vote(season.members.probabilities(review.curves), trials.steepness, choice.augmentation)
    alone = with_shares(said, None, trials.samples.steady_shares, assumed, trials.steepness)
    base = widened(alone, taught, classes)
    option, rows, reasons = choose_reviewed(trials, choice, review, base, given, amplitude=amplitude)
    told = (*added, *reasons)
    if option == "none":
        return AfterReview(before, shares, option, rows, told)
    if option == "head_only":
        head = fit_head(base, review.label, review.weight)
        return AfterReview(head.applied(before), shares, option, rows, told)
    label = np.searchsorted(classes, taught)[trials.samples.label]
    again = reteach(
        trials.samples.curves,
        label,
        trials.samples.place,
        review,
        share=SHARES_OF_WEIGHT[option],
        amplitude=amplitude,
        settings=trials.settings,
        seed=trials.seed,
    )
    found, assumed_now = _named(season, again, choice, given, number)
    return AfterReview(found, assumed_now, option, rows, told)


def _named(
    season: TargetSeason, again: Retaught, choice: Choice, given: np.ndarray | None, number: float
) -> tuple[np.ndarray, np.ndarray]:
    """Answers of retaught members for the whole target, a chunk at a time, and the shares that they assume."""
    found = np.empty((len(season.series), len(again.shares)))
    for start in range(0, len(season.series), MOST_TOGETHER):
        chunk = slice(start, start + MOST_TOGETHER)
        curves = moved(Curves(*fill_gaps(season.series[chunk])), number)
        voted = vote(again.probabilities(curves), season.trials.steepness, choice.augmentation)
        found[chunk], shares = answered(voted, again, given)
    return found, shares
