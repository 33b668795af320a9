"""The evidence of past seasons: all that the gate's decisions rest on, fitted once."""

from __future__ import annotations

from dataclasses import replace

from agristat_platform.classification.cross_season.gate import Trials
from agristat_platform.classification.cross_season.judging import (
    judge,
    judging_folds,
    member_steepness,
    trial_seasons,
    tune_amplitude,
)
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.samples import Samples


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
