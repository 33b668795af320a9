"""What past seasons teach, found once for any number of targets: evidence, choices, members; and answers for a target.

Not here: checks of the samples (`samples`), and the parts themselves (`evidence`, `gate`, `target_season`, `rotation`, …).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification.cross_season import degree_days as thermal
from agristat_platform.classification.cross_season import rotation
from agristat_platform.classification.cross_season.errors import (
    InvalidDegreeDaysError,
    InvalidHistoriesError,
    InvalidReviewsError,
)
from agristat_platform.classification.cross_season.evidence import past_evidence
from agristat_platform.classification.cross_season.gate import Gate, GateRow, Trials, choose, verdict
from agristat_platform.classification.cross_season.judging import SEASON_SHIFT
from agristat_platform.classification.cross_season.members import Bags, MemberSettings
from agristat_platform.classification.cross_season.options import Choice
from agristat_platform.classification.cross_season.reviewed import Reviewed, check_reviewed
from agristat_platform.classification.cross_season.reviewed_target import answer_after_review
from agristat_platform.classification.cross_season.samples import Samples, check_shares, check_target
from agristat_platform.classification.cross_season.shift_diagnostics import shift_diagnostics
from agristat_platform.classification.cross_season.target_season import fit_all, fit_target


@dataclass(frozen=True)
class Recognition:
    """Classes of the target series.

    Attributes
    ----------
    classes:
        Sorted labels of the training samples, and of reviewed parcels where there are some, str (k,).
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


@dataclass(frozen=True)
class _Decision:
    """What the gate decided, and what it says of it."""

    choice: Choice
    rotate: bool
    rows: tuple[GateRow, ...]
    reasons: tuple[str, ...]
    passed: bool
    why: str


@dataclass(eq=False)
class Teaching:
    """Samples of past seasons, ready for targets; made by `recognition.teach`.

    Evidence and members are computed when the first target asks for them, and kept.

    Attributes
    ----------
    samples:
        Those that can be used, with curves on the calendar's axis.
    series:
        float64 (n, steps, features) of these samples, NaN = missing; None without degree days, which alone need it.
    places:
        Keys of places as they were given, or None.
    histories, degree_days:
        Of these samples, or None.
    settings, seed:
        See `recognition.teach`.
    """

    samples: Samples
    series: np.ndarray | None
    places: Sequence[Any] | None
    histories: rotation.Histories | None
    degree_days: thermal.DegreeDays | None
    settings: MemberSettings
    seed: int
    _decisions: dict[bool, _Decision] = field(default_factory=dict, repr=False)

    def recognise(
        self,
        target_series: np.ndarray,
        *,
        target_places: Sequence[Any] | None = None,
        target_shares: Mapping[str, float] | None = None,
        target_histories: Sequence[Any] | None = None,
        target_degree_days: Sequence[float] | np.ndarray | None = None,
        reviewed: tuple[Any, ...] | None = None,
    ) -> Recognition:
        """Recognise the classes of a season; see `recognition.recognise` for arguments and errors."""
        target = check_target(target_series, self.samples, target_places)
        previous = self._previous(target_histories, len(target))
        warmth = self._warmth(target_degree_days, reviewed, len(target))
        review = check_reviewed(reviewed, self.samples, target)
        classes = self.samples.classes if review is None else review.classes
        given = check_shares(target_shares, classes)
        with_value = np.isfinite(target).any(axis=(1, 2))
        with threadpool_limits(limits=1):
            axis = self._axis[0]
            if warmth is not None and axis != "calendar":
                target, review = self._on_axis(target, warmth, reviewed)
            named = target if with_value.all() else target[with_value]  # a million series need no copy
            past = None if previous is None else previous[with_value]
            probabilities, gate = self._recognise(named, given, past, review)
        diagnostics = {
            "target_without_value": int((~with_value).sum()),
            "samples_at_target_places": _shared(self.places, target_places),
        }
        full = np.full((len(target), len(classes)), np.nan)
        full[with_value] = probabilities
        if review is not None:
            own = review.rows >= 0
            # What a reviewer saw is known.
            full[review.rows[own]] = np.eye(len(classes))[review.label[own]]
        labels = np.full(len(target), None, dtype=object)
        labels[with_value] = classes[full[with_value].argmax(axis=1)].tolist() if with_value.any() else []
        return Recognition(classes, full, labels, _with(gate, diagnostics))

    @cached_property
    def _axis(self) -> tuple[str, tuple[GateRow, ...], tuple[str, ...]]:
        if self.degree_days is None or self.series is None:
            return "calendar", (), ()
        name, rows, reason = thermal.choose_axis(self.samples, self.series, self.degree_days, self.settings, self.seed)
        return name, rows, (reason,)

    @cached_property
    def _evidence(self) -> tuple[Trials, float, list[str], list[str]]:
        samples = self.samples
        if self.degree_days is not None and self.series is not None:
            samples = thermal.on_axis(samples, self.series, self.degree_days, self._axis[0])
        return past_evidence(samples, self.settings, self.seed)

    @cached_property
    def _members(self) -> Bags:
        trials, amplitude, _, _ = self._evidence
        return fit_all(trials, amplitude)

    def _decision(self, *, shares_known: bool) -> _Decision:
        if shares_known not in self._decisions:
            trials = self._evidence[0]
            choice, rows, reasons = choose(trials, shares_known=shares_known)
            passed, why = verdict(trials, choice, shares_known=shares_known)
            rotate = False
            if self.histories is not None:
                rotate, more, reason = rotation.choose_rotation(
                    trials, choice, self.histories, shares_known=shares_known
                )
                rows, reasons = (*rows, *more), [*reasons, reason]
            self._decisions[shares_known] = _Decision(choice, rotate, rows, tuple(reasons), passed, why)
        return self._decisions[shares_known]

    def _recognise(
        self, target: np.ndarray, given: np.ndarray | None, previous: np.ndarray | None, review: Reviewed | None
    ) -> tuple[np.ndarray, Gate]:
        trials, amplitude, notes, folds = self._evidence
        samples = trials.samples
        decision = self._decision(shares_known=given is not None)
        choice = decision.choice
        classes = samples.classes if review is None else review.classes
        axis, axis_rows, axis_reasons = self._axis
        rows = [*axis_rows, *decision.rows]
        reasons = [*notes, *axis_reasons, *decision.reasons]
        chosen: dict[str, str] = dict(vars(choice)) if given is None else {**vars(choice), "prior": "given"}
        chosen |= {thermal.STAGE: axis} if self.degree_days is not None else {}
        chosen |= {rotation.STAGE: rotation.OPTIONS[decision.rotate]} if self.histories is not None else {}
        diagnostics: dict[str, Any] = {
            "amplitude_steps": amplitude,
            "steepness": trials.steepness.tolist(),
            "folds": folds,
        }
        probabilities = np.zeros((0, len(classes)))
        if len(target):
            taught = given if review is None else _of_taught(given, samples.classes, classes)
            season = fit_target(
                trials, target, taught, amplitude, align=choice.alignment != "none", members=self._members
            )
            probabilities, assumed, number = season.answer(choice)
            if review is not None:
                after = answer_after_review(season, choice, review, probabilities, assumed, given, number, amplitude)
                probabilities, assumed = after.probabilities, after.shares
                rows, reasons = [*rows, *after.rows], [*reasons, *after.reasons]
                chosen["reviewed"] = after.option
                diagnostics |= {"reviewed_parcels": len(review), "classes_added_by_reviews": list(review.added)}
            if decision.rotate and self.histories is not None and previous is not None:
                transitions = rotation.target_transitions(samples, self.histories)
                if transitions is not None:
                    wider = transitions.widened(samples.classes, classes)
                    probabilities = wider.applied(probabilities, previous, assumed)
                    diagnostics["histories_known"] = int((previous != rotation.UNKNOWN).sum())
            predicted = np.bincount(probabilities.argmax(axis=1), minlength=len(classes)) / len(target)
            shares = dict(zip(classes.tolist(), predicted.tolist(), strict=True))
            known = np.isin(classes, samples.classes)
            diagnostics |= shift_diagnostics(samples, season.some.values, predicted[known], self.seed)
            diagnostics["predicted_shares"] = shares
            diagnostics["assumed_shares"] = dict(zip(classes.tolist(), assumed.tolist(), strict=True))
            diagnostics["alignment_steps"] = number * SEASON_SHIFT * samples.curves.values.shape[1]
            diagnostics["season_timing"] = vars(season.timing) | {"demanded": season.timing.demanded}
        dropped = samples.dropped if review is None else samples.dropped | review.dropped
        gate = Gate(tuple(rows), chosen, (*reasons, decision.why), diagnostics, dropped, decision.passed)
        return probabilities, gate

    def _previous(self, target_histories: Sequence[Any] | None, series: int) -> np.ndarray | None:
        if (self.histories is None) != (target_histories is None):
            raise InvalidHistoriesError(
                f"{'histories' if self.histories is None else 'target_histories'} are missing",
                remedy="Give both, None for each parcel whose last class isn't known",
            )
        if self.histories is None or target_histories is None:
            return None
        return self.histories.numbers(target_histories, series)

    def _warmth(
        self,
        target_degree_days: Sequence[float] | np.ndarray | None,
        reviewed: tuple[Any, ...] | None,
        series: int,
    ) -> np.ndarray | None:
        if (self.degree_days is None) != (target_degree_days is None):
            raise InvalidDegreeDaysError(
                f"{'degree_days' if self.degree_days is None else 'target_degree_days'} are missing",
                remedy="Give degree days of the past seasons and of the target",
            )
        if self.degree_days is None or target_degree_days is None:
            return None
        warmth = self.degree_days.of_target(target_degree_days, series)
        if reviewed is not None and np.ndim(reviewed[0]) == 3 and len(warmth) > 1:
            raise InvalidReviewsError(
                "reviewed series have no degree days of their own where the target's are given for each series",
                remedy="Give rows of target_series for the reviewed parcels, or one course of degree days for the season",
            )
        return warmth

    def _on_axis(
        self, target: np.ndarray, warmth: np.ndarray, reviewed: tuple[Any, ...] | None
    ) -> tuple[np.ndarray, Reviewed | None]:
        """The target, and the reviews, on the time axis chosen."""
        assert self.degree_days is not None
        total, axis = self.degree_days.total, self._axis[0]
        moved = thermal.target_on_axis(target, warmth, total, axis)
        if reviewed is not None and np.ndim(reviewed[0]) == 3:
            own = thermal.target_on_axis(np.asarray(reviewed[0], dtype=np.float64), warmth, total, axis)
            reviewed = (own, *reviewed[1:])
        return moved, check_reviewed(reviewed, self.samples, moved)


def _of_taught(given: np.ndarray | None, taught: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """Shares (classes,) among the classes `taught` alone; None where these have none."""
    if given is None:
        return None
    part = given[np.searchsorted(classes, taught)]
    return part / part.sum() if part.sum() > 0 else None


def _with(gate: Gate, diagnostics: dict[str, Any]) -> Gate:
    return Gate(gate.rows, gate.chosen, gate.reasons, {**gate.diagnostics, **diagnostics}, gate.dropped, gate.passed)


def _shared(places: Sequence[Any] | None, target_places: Sequence[Any] | None) -> int | None:
    if places is None or target_places is None:
        return None
    known = {str(place) for place in target_places}
    return sum(str(place) in known for place in places)
