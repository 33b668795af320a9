"""The platform's own choice of model and adaptation: past seasons' samples in, the classes of a new season out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification.cross_season.gate import Gate, Trials, choose, verdict
from agristat_platform.classification.cross_season.judging import (
    SEASON_SHIFT,
    judge,
    judging_folds,
    member_steepness,
    trial_seasons,
    tune_amplitude,
)
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.samples import Samples, check_samples, check_shares, check_target
from agristat_platform.classification.cross_season.shift_diagnostics import shift_diagnostics
from agristat_platform.classification.cross_season.target_season import fit_target


@dataclass(frozen=True)
class Recognition:
    """Classes of the target series.

    Attributes
    ----------
    classes:
        Sorted labels of the training samples, str (k,).
    probabilities:
        float64 (m, k), rows sum to 1; NaN where a target series has no value.
    labels:
        The likeliest class of each target series, object (m,): str, None where a target series has no value.
    gate:
        What was tried on past seasons, what was chosen, and whether it can be used.
    """

    classes: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    gate: Gate


def recognise(
    series: np.ndarray,
    labels: Sequence[Any],
    seasons: Sequence[Any],
    target_series: np.ndarray,
    *,
    places: Sequence[Any] | None = None,
    target_places: Sequence[Any] | None = None,
    target_shares: Mapping[str, float] | None = None,
    seed: int = 0,
    settings: MemberSettings | None = None,
) -> Recognition:
    """Recognise the classes of a season that has no labels from samples of past seasons.

    Trees, boosted trees and convolution kernels, the former two on series as they are and on time-warped copies, vote;
    their probabilities are put to the target's shares of classes. What is adapted, and how, is chosen by the gate on past
    seasons (`gate.choose`). The bytes of the result don't depend on the number of threads.

    Parameters
    ----------
    series:
        (n, steps, features), NaN = missing; past seasons on one grid of steps from the season's start.
    labels, seasons:
        (n,) class of each sample, and the season it is of: keys of one kind that sort from early to late.
    target_series:
        (m, steps, features), NaN = missing.
    places:
        (n,) keys of places or spatial blocks, which are held out whole; None takes each sample for a place of its own.
    target_places:
        (m,) keys of the same kind; training samples at a target's place are counted in the gate's diagnostics.
    target_shares:
        Share of each class in the target season, from official statistics; classes that aren't named don't occur. None
        leaves the choice to the gate, among equal shares, past shares and shares estimated from the target.
    seed:
        Everything random follows from it.
    settings:
        Of the members; None for the defaults.

    Raises
    ------
    ClassificationError
        See `samples.check_samples`, `check_target` and `check_shares`.
    """
    samples = check_samples(series, labels, seasons, places)
    given = check_shares(target_shares, samples.classes)
    target = check_target(target_series, samples, target_places)
    with_value = np.isfinite(target).any(axis=(1, 2))
    with threadpool_limits(limits=1):
        named = target if with_value.all() else target[with_value]  # a million series need no copy
        probabilities, gate = _recognise(samples, named, given, settings or MemberSettings(), seed)
    gate = replace(
        gate,
        diagnostics={
            **gate.diagnostics,
            "target_without_value": int((~with_value).sum()),
            "samples_at_target_places": _shared(places, target_places),
        },
    )
    full = np.full((len(target), len(samples.classes)), np.nan)
    full[with_value] = probabilities
    names = np.full(len(target), None, dtype=object)
    names[with_value] = samples.classes[probabilities.argmax(axis=1)].tolist() if len(probabilities) else []
    return Recognition(samples.classes, full, names, gate)


def past_evidence(samples: Samples, settings: MemberSettings, seed: int) -> tuple[Trials, float, list[str], list[str]]:
    """Hold past seasons out: the trials, the amplitude of warped copies in steps, notes, and the folds as text."""
    folds, notes = judging_folds(samples, seed=seed)
    amplitude = tune_amplitude(samples, folds, settings, seed)
    # Half the trees: for a comparison they are enough.
    half = replace(settings, trees=max(settings.trees // 2, 1))
    judged = [judge(samples, fold, amplitude=amplitude, settings=half, seed=seed) for fold in folds]
    steepness = member_steepness(judged, samples)
    trials = Trials(samples, judged, trial_seasons(judged, samples, seed=seed), steepness, settings, seed)
    return trials, amplitude, notes, [f"{fold.name}: {len(fold.training)} → {len(fold.held_out)}" for fold in folds]


def _recognise(
    samples: Samples, target: np.ndarray, given: np.ndarray | None, settings: MemberSettings, seed: int
) -> tuple[np.ndarray, Gate]:
    trials, amplitude, notes, folds = past_evidence(samples, settings, seed)
    choice, rows, reasons = choose(trials, shares_known=given is not None)
    passed, why = verdict(trials, choice, shares_known=given is not None)
    diagnostics: dict[str, Any] = {
        "amplitude_steps": amplitude,
        "steepness": trials.steepness.tolist(),
        "folds": folds,
    }
    probabilities = np.zeros((0, len(samples.classes)))
    if len(target):
        season = fit_target(trials, target, given, amplitude, align=choice.alignment != "none")
        probabilities, assumed, number = season.answer(choice)
        predicted = np.bincount(probabilities.argmax(axis=1), minlength=len(samples.classes)) / len(target)
        diagnostics |= shift_diagnostics(samples, season.some.values, predicted, seed)
        diagnostics["assumed_shares"] = dict(zip(samples.classes.tolist(), assumed.tolist(), strict=True))
        diagnostics["alignment_steps"] = number * SEASON_SHIFT * samples.curves.values.shape[1]
    chosen = dict(vars(choice)) if given is None else {**vars(choice), "prior": "given"}
    return probabilities, Gate(rows, chosen, (*notes, *reasons, why), diagnostics, samples.dropped, passed)


def _shared(places: Sequence[Any] | None, target_places: Sequence[Any] | None) -> int | None:
    if places is None or target_places is None:
        return None
    known = {str(place) for place in target_places}
    return sum(str(place) in known for place in places)
