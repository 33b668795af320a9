"""Past seasons held out one at a time, and what the ensemble says of them: the evidence the gate decides on.

A class that past seasons show only once can't be judged by leaving its season out. For such classes blocks of places are
held out, and each is made into simulated seasons (`simulated_seasons`). It is weaker evidence, and the gate says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.curves import shift_in_time
from agristat_platform.classification.cross_season.members import (
    MEMBERS,
    Curves,
    MemberSettings,
    fit_members,
    fit_trees,
    spread,
    warped_copies,
)
from agristat_platform.classification.cross_season.priors import fit_steepness, steady_shares, tempered
from agristat_platform.classification.cross_season.samples import LEAST_SAMPLES, Samples
from agristat_platform.classification.cross_season.season_timing import SEASON_SHIFT, time_samples
from agristat_platform.classification.cross_season.simulated_seasons import draw_rows, past_turnover
from agristat_platform.classification.folds import blocked_folds

_SIMULATED = (-1, 0, 1)  # times SEASON_SHIFT
_DRAWS = 4  # of class shares for each simulated shift
_MOST_TAUGHT, _MOST_HELD_OUT = 4_000, 2_000  # rows of a fold; the gate compares, and needs no more for that
_AMPLITUDES = (1.0, 2.0)  # times SEASON_SHIFT; the stretch may add as much again at the season's ends


@dataclass(frozen=True)
class Fold:
    """Rows held out and rows learned from; `season` is the key of the season held out, None for a block of places."""

    name: str
    season: int | None
    training: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Judged:
    """What members fitted without a fold say of it.

    `probabilities`: (members, m, classes) of the held-out curves moved by so many times `SEASON_SHIFT`; classes the training
    part lacks have 0. `undone`: for each shift that trial seasons are simulated with, by how much their curves demand to be
    moved back (`season_timing`). `training_shares` (classes,): those that the members are taken to answer for;
    `last_shares`: those of the rows learned from in their latest season.
    """

    fold: Fold
    probabilities: dict[float, np.ndarray]
    undone: dict[int, float]
    training_shares: np.ndarray
    last_shares: np.ndarray


@dataclass(frozen=True)
class TrialSeason:
    """A season, real or simulated, on which options are compared: rows of a judged fold, moved by `shift`."""

    judged: int
    shift: int
    rows: np.ndarray


def judging_folds(
    samples: Samples, *, seasons: int = 3, blocks: int = 4, seed: int = 0
) -> tuple[list[Fold], list[str]]:
    """Folds that past seasons allow, and what is to be said of them.

    Rolling origin where there are three seasons or more (earlier ones teach, one is held out; the latest `seasons` of
    them), each season left out in turn where there are two; `blocks` blocks of places where there is one, and as well
    where some class was seen in no season that earlier ones could have taught. A fold learns from 4,000 rows at most and
    holds out 2,000 at most, drawn at random with every class kept.
    """
    notes: list[str] = []
    folds: list[Fold] = []
    last = len(samples.season_names) - 1
    judged: set[int] = set()
    for season in range(last, -1, -1):
        training = samples.season < season if last >= 2 else samples.season != season
        taught = np.bincount(samples.label[training], minlength=len(samples.classes)) >= LEAST_SAMPLES
        held_out = (samples.season == season) & taught[samples.label]
        if taught.sum() < 2 or len(np.unique(samples.label[held_out])) < 2 or len(folds) == seasons:
            continue
        training &= taught[samples.label]
        judged |= set(samples.label[held_out].tolist())
        name = f"season {samples.season_names[season]}"
        folds.append(Fold(name, season, np.flatnonzero(training), np.flatnonzero(held_out)))
    missing = [name for i, name in enumerate(samples.classes.tolist()) if i not in judged]
    if missing:
        notes.append(
            f"no past season could judge {', '.join(missing)}: blocks of places stand in, as simulated seasons"
        )
        folds += _block_folds(samples, blocks, seed, notes)
    return [_capped(fold, samples.label, seed) for fold in folds], notes


def _capped(fold: Fold, label: np.ndarray, seed: int) -> Fold:
    taught = fold.training[spread(label[fold.training], _MOST_TAUGHT, seed, each=LEAST_SAMPLES)]
    return replace(fold, training=taught, held_out=fold.held_out[spread(label[fold.held_out], _MOST_HELD_OUT, seed)])


def _block_folds(samples: Samples, blocks: int, seed: int, notes: list[str]) -> list[Fold]:
    if not samples.places_given:
        notes.append("no places are given: neighbours may stand on both sides of a fold, which flatters every option")
    places = len(np.unique(samples.place))
    if places < 2:
        notes.append("all samples are of one place: nothing can be held out")
        return []
    number = blocked_folds(samples.label, samples.place, folds=min(blocks, places), seed=seed)
    folds: list[Fold] = []
    for block in range(number.max() + 1):
        taught = np.bincount(samples.label[number != block], minlength=len(samples.classes)) >= LEAST_SAMPLES - 1
        lost = samples.classes[~taught & (np.bincount(samples.label, minlength=len(taught)) > 0)]
        if len(lost):
            notes.append(f"block {block + 1} holds nearly all samples of {', '.join(lost)}, which aren't judged there")
        usable = taught[samples.label]
        training, held_out = np.flatnonzero((number != block) & usable), np.flatnonzero((number == block) & usable)
        if taught.sum() >= 2 and len(held_out):
            folds.append(Fold(f"block {block + 1}", None, training, held_out))
    return folds


def judge(samples: Samples, fold: Fold, *, amplitude: float, settings: MemberSettings, seed: int) -> Judged:
    """Fit members on a fold's training rows and let them name what is held out, at every shift that trials need."""
    rows, held_out = fold.training, samples.curves.rows(fold.held_out)
    present, label = np.unique(samples.label[rows], return_inverse=True)
    members = fit_members(
        samples.curves.rows(rows), label, samples.place[rows], amplitude=amplitude, settings=settings, seed=seed
    )
    k = len(samples.classes)
    timed = time_samples(samples.curves.values[rows], samples.label[rows], samples.place[rows], k, seed=seed)
    shifts = _SIMULATED if fold.season is None else (0,)
    undone = {shift: timed.timing(moved(held_out, shift).values).undone for shift in shifts}
    found: dict[float, np.ndarray] = {}
    for number in sorted({*shifts, *(shift - back for shift, back in undone.items())}):
        said = members.probabilities(moved(held_out, number))
        found[float(number)] = np.zeros((*said.shape[:2], k))
        found[float(number)][:, :, present] = said
    shares = steady_shares(np.bincount(samples.label[rows], minlength=k))
    latest = rows[samples.season[rows] == samples.season[rows].max()]
    return Judged(fold, found, undone, shares, np.bincount(samples.label[latest], minlength=k) / len(latest))


def moved(curves: Curves, number: float) -> Curves:
    """Curves moved by `number` times `SEASON_SHIFT` of their length, later when positive."""
    if number == 0:
        return curves
    steps = curves.values.shape[1]
    return curves.with_values(shift_in_time(curves.values, np.full(len(curves), number * SEASON_SHIFT * steps)))


def trial_seasons(judged: list[Judged], samples: Samples, *, seed: int) -> list[TrialSeason]:
    """The seasons to compare options on: real ones as they are, blocks as simulated seasons.

    A simulated season is a block moved by one of three shifts, its rows drawn with replacement so that the shares of its
    classes lie as far from the block's as past seasons' shares lay from each other (`simulated_seasons`).
    """
    random = np.random.default_rng(seed)
    turnover = past_turnover(samples.label, samples.season, len(samples.classes))
    trials: list[TrialSeason] = []
    for i, one in enumerate(judged):
        if one.fold.season is not None:
            trials.append(TrialSeason(i, 0, np.arange(len(one.fold.held_out))))
            continue
        label = samples.label[one.fold.held_out]
        # The shifts take turns, from another one in each block: the first trial of a fold stands for it where few can be had.
        for draw in range(_DRAWS * len(_SIMULATED)):
            shift = _SIMULATED[(draw + i) % len(_SIMULATED)]
            trials.append(TrialSeason(i, shift, draw_rows(label, turnover, random)))
    return trials


def member_steepness(judged: list[Judged], samples: Samples) -> np.ndarray:
    """Steepness of each member's probabilities (`priors.tempered`), from what is held out, float64 (members,).

    Blocks count at the simulated shifts, seasons as they are; without a fold everything is left at 1.
    """
    if not judged:
        return np.ones(len(MEMBERS))
    said, truth = [], []
    for one in judged:
        for number in _SIMULATED if one.fold.season is None else (0,):
            said.append(one.probabilities[number])
            truth.append(samples.label[one.fold.held_out])
    together, label = np.concatenate(said, axis=1), np.concatenate(truth)
    return np.array([fit_steepness(member, label) for member in together])


def tune_amplitude(samples: Samples, folds: list[Fold], settings: MemberSettings, seed: int) -> float:
    """Amplitude of the warped copies in steps: least log loss of small forests on what is held out; 1 shift if none is."""
    unit = SEASON_SHIFT * samples.curves.values.shape[1]
    if not folds:
        return unit
    small = MemberSettings(trees=max(settings.trees // 4, 10))
    losses = []
    for amplitude in (a * unit for a in _AMPLITUDES):
        loss = 0.0
        for fold in folds:
            present, label = np.unique(samples.label[fold.training], return_inverse=True)
            values = samples.curves.values[fold.training]
            table = [curve_features(v) for v in (values, *warped_copies(values, amplitude, 1, seed))]
            forest = fit_trees(np.concatenate(table), np.tile(label, 2), small, seed)
            truth = np.searchsorted(present, samples.label[fold.held_out])
            for number in _SIMULATED if fold.season is None else (0,):
                held_out = moved(samples.curves.rows(fold.held_out), number)
                said = forest.predict_proba(curve_features(held_out.values))
                sharp = tempered(said, fit_steepness(said, truth))
                loss -= float(np.mean(np.log(sharp[np.arange(len(truth)), truth])))
        losses.append(loss)
    return unit * _AMPLITUDES[int(np.argmin(losses))]
