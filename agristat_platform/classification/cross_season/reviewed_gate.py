"""Whether and how reviewed parcels are used: judged by leaving some of them out, and by reviewing past seasons.

A review of a past season is simulated as it would have been done: the learning queue is drawn from what was said of that
season before, its true labels are what reviewers would have said, and the other parcels judge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.gate import (
    LEAST_ERRORS,
    GateRow,
    Trials,
    gate_reason,
    gate_row,
    is_better,
    oa_and_macro_f1,
)
from agristat_platform.classification.cross_season.judging import TrialSeason, moved
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.options import Choice, vote
from agristat_platform.classification.cross_season.reviewed import (
    SHARES_OF_WEIGHT,
    Reviewed,
    answered,
    reteach,
)
from agristat_platform.classification.cross_season.reviewed_head import fit_head
from agristat_platform.classification.review.learning_queue import LEAST_QUEUE, MOST_QUEUE, learning_queue

STAGE = "reviewed"
OPTIONS = ("weighted", "none", "head_only", "heavily_weighted")
_FOLDS = 4
_LEAST_LEFT_OUT = 2 * _FOLDS  # reviewed parcels, to leave some of them out
_MOST_SEASONS = 3


def choose_reviewed(
    trials: Trials,
    choice: Choice,
    reviewed: Reviewed,
    base: np.ndarray,
    given: np.ndarray | None,
    *,
    amplitude: float,
) -> tuple[str, tuple[GateRow, ...], list[str]]:
    """The option to take, the gate's rows of this stage, and sentences.

    Members learn from the reviewed parcels with a fifth of all weight unless another option is better by the gate's rule
    (`gate.choose`): that labels of the very season help is what one would defend without any trial. Trials are up to three
    past seasons (else blocks of places), each with a simulated review, and the reviewed parcels themselves, a quarter left
    out at a time. Where these last are named worse than without a review, by more than one standard error, nothing is
    learned from the reviews.

    Parameters
    ----------
    base:
        (r, classes) what is said of the reviewed parcels without them, over `reviewed.classes`.
    given:
        (classes,) shares of the target season, or None.
    amplitude:
        Of the warped copies, in steps.
    """
    light = lighter(trials.settings)
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in OPTIONS}
    fold: list[int] = []
    for trial in _seasons_to_review(trials):
        found = _review_of_the_past(trials, trial, choice, len(reviewed), given is not None, amplitude, light)
        for name in OPTIONS:
            scores[name].append(found[name])
        fold.append(trial.judged)
    left_out: dict[str, np.ndarray] = {}
    if len(reviewed) >= _LEAST_LEFT_OUT:
        left_out = _left_out(trials, choice, reviewed, base, given, amplitude, light)
        for name in OPTIONS:
            scores[name].append(oa_and_macro_f1(reviewed.label, left_out[name]))
        fold.append(-1)
    tried = {name: np.array(values).reshape(-1, 2) for name, values in scores.items()}
    entries = [gate_row(STAGE, name, tried[name], tried[OPTIONS[0]], np.array(fold)) for name in OPTIONS]
    better = [i for i, row in enumerate(entries) if i and is_better(row)]
    taken = max(better, key=lambda i: entries[i].gain - LEAST_ERRORS * entries[i].standard_error) if better else 0
    reasons = [gate_reason(STAGE, entries, taken)]
    if left_out and OPTIONS[taken] != "none":
        right = {name: (left_out[name] == reviewed.label).astype(float) for name in (OPTIONS[taken], "none")}
        change = right[OPTIONS[taken]] - right["none"]
        error = float(change.std(ddof=1) / np.sqrt(len(change)))
        if change.mean() < -error:
            reasons.append(
                f"{STAGE}: none, because {OPTIONS[taken]} named reviewed parcels left out worse than nothing learned from "
                f"them, by {-change.mean():.3f} (standard error {error:.3f}): look at the reviews"
            )
            taken = OPTIONS.index("none")
    return OPTIONS[taken], tuple(replace(row, chosen=i == taken) for i, row in enumerate(entries)), reasons


def lighter(settings: MemberSettings) -> MemberSettings:
    """Settings of members that are compared with each other only: many are fitted."""
    return replace(
        settings,
        trees=max(settings.trees // 4, 10),
        rounds=max(settings.rounds // 2, 5),
        kernel_columns=max(settings.kernel_columns // 3, 84),
        copies=1,
        bags=1,
    )


def _seasons_to_review(trials: Trials) -> list[TrialSeason]:
    """The first trial of each fold that is large enough, past seasons before blocks of places."""
    firsts: dict[int, TrialSeason] = {}
    for trial in trials.seasons:
        firsts.setdefault(trial.judged, trial)
    enough = [t for t in firsts.values() if len(np.unique(t.rows)) >= 3 * LEAST_QUEUE]
    enough.sort(key=lambda t: (trials.judged[t.judged].fold.season is None, t.judged))
    return enough[:_MOST_SEASONS]


def _review_of_the_past(
    trials: Trials,
    trial: TrialSeason,
    choice: Choice,
    number: int,
    shares_known: bool,
    amplitude: float,
    light: MemberSettings,
) -> dict[str, tuple[float, float]]:
    """Overall accuracy and macro-F1 of each option on the parcels of a past season that its queue left."""
    samples = trials.samples
    rows = np.unique(trial.rows)
    # A parcel drawn twice must not judge what was learned from it.
    single = replace(trial, rows=rows)
    truth, said, _ = trials.said(single, choice, shares_known=shares_known)
    held = trials.judged[trial.judged].fold
    curves = moved(samples.curves.rows(held.held_out[rows]), trial.shift)
    queue = learning_queue(
        np.arange(len(rows)),
        said,
        curve_features(curves.values),
        samples.classes.tolist(),
        size=int(np.clip(min(number, len(rows) // 3), LEAST_QUEUE, MOST_QUEUE)),
        excluded=[],
    )
    asked = np.asarray(queue["segment_id"], dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(rows)), asked)
    review = Reviewed(
        curves.rows(asked), truth[asked], np.ones(len(asked)), np.full(len(asked), -1), samples.classes, (), {}
    )
    shares = np.bincount(truth, minlength=len(samples.classes)) / len(truth) if shares_known else None
    training = held.training
    named: dict[str, Any] = {"none": said[rest].argmax(axis=1)}
    head = fit_head(said[asked], truth[asked], review.weight)
    named["head_only"] = head.applied(said[rest]).argmax(axis=1)
    for name, share in SHARES_OF_WEIGHT.items():
        taught = reteach(
            samples.curves.rows(training),
            samples.label[training],
            samples.place[training],
            review,
            share=share,
            amplitude=amplitude,
            settings=light,
            seed=trials.seed,
        )
        voted = vote(taught.probabilities(curves.rows(rest)), trials.steepness, choice.augmentation)
        named[name] = answered(voted, taught, shares)[0].argmax(axis=1)
    return {name: oa_and_macro_f1(truth[rest], answer) for name, answer in named.items()}


def _left_out(
    trials: Trials,
    choice: Choice,
    reviewed: Reviewed,
    base: np.ndarray,
    given: np.ndarray | None,
    amplitude: float,
    light: MemberSettings,
) -> dict[str, np.ndarray]:
    """Class numbers (r,) that each option gives reviewed parcels, taught by those of the other quarters."""
    samples = trials.samples
    label = np.searchsorted(reviewed.classes, samples.classes)[samples.label]
    named = {name: np.zeros(len(reviewed), dtype=np.int64) for name in OPTIONS}
    named["none"] = base.argmax(axis=1)
    quarter = _dealt(reviewed.label, trials.seed)
    for number in range(_FOLDS):
        out, kept = np.flatnonzero(quarter == number), np.flatnonzero(quarter != number)
        teachers = reviewed.some(kept)
        head = fit_head(base[kept], teachers.label, teachers.weight)
        named["head_only"][out] = head.applied(base[out]).argmax(axis=1)
        for name, share in SHARES_OF_WEIGHT.items():
            taught = reteach(
                samples.curves,
                label,
                samples.place,
                teachers,
                share=share,
                amplitude=amplitude,
                settings=light,
                seed=trials.seed,
            )
            voted = vote(taught.probabilities(reviewed.curves.rows(out)), trials.steepness, choice.augmentation)
            named[name][out] = answered(voted, taught, given)[0].argmax(axis=1)
    return named


def _dealt(label: np.ndarray, seed: int) -> np.ndarray:
    """Quarter of each parcel, int64 (r,): classes are dealt evenly."""
    order = np.random.default_rng(seed).permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    quarter = np.empty(len(label), dtype=np.int64)
    quarter[order] = np.arange(len(label)) % _FOLDS
    return quarter
