"""Everything an audit says of a map at once: its accuracy by design, calibrated confidence, sets of possible crops, threshold.

Each part has a module of its own; here they are put together, for a map with an audit, with half of one and with none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.review.acceptance import ACCEPTANCE_SCHEMA, acceptance_threshold
from agristat_platform.classification.review.audit_accuracy import (
    AUDIT_ACCURACY_SCHEMA,
    AUDIT_CONFUSION_SCHEMA,
    AuditOutcome,
    audit_accuracy,
    audit_confusion,
    audit_outcome,
)
from agristat_platform.classification.review.audit_sample import AuditSample
from agristat_platform.classification.review.calibration import METHODS, Calibration, identity
from agristat_platform.classification.review.calibration_choice import CALIBRATION_SCHEMA, choose_calibration
from agristat_platform.classification.review.conformal import ConformalSets, fit_conformal
from agristat_platform.classification.review.decisions import AUDIT
from agristat_platform.classification.review.errors import NoDecisionsError
from agristat_platform.classification.review.map_probabilities import MapProbabilities
from agristat_platform.classification.review.probabilities import label_columns
from agristat_platform.classification.review.reliability import (
    CALIBRATION_ERROR_SCHEMA,
    RELIABILITY_SCHEMA,
    calibration_errors,
    reliability_table,
)

LEAST_AUDITED = 30
"""Audited parcels with a known crop from which on confidence is calibrated and sets are made."""
MANY_AUDITED = 500
"""From which on calibrations with more than one number are tried: on 100 they fit chance (docs/measurements.md)."""
NOT_AUDITED, TOO_FEW, PARTLY, AUDITED = "no decisions", "too few decisions", "partly decided", "audited"
STATED, CALIBRATED = "as the model says", "calibrated on the audit"


@dataclass(frozen=True)
class Judgement:
    """What an audit says of a map.

    Attributes
    ----------
    state:
        "no decisions", "too few decisions" (figures of accuracy alone), "partly decided" or "audited".
    decided, known, asked:
        Audited parcels with a decision, with a crop or other known ground, and in the sample.
    accuracy, accuracy_by_area:
        `AUDIT_ACCURACY_SCHEMA` by parcels and by hectares; empty without decisions.
    confusion:
        `AUDIT_CONFUSION_SCHEMA`.
    overall_range:
        Overall accuracy if all parcels without a known crop were wrong, and right; None without decisions.
    calibration, trials, calibration_reason:
        What confidence is calibrated by, `CALIBRATION_SCHEMA`, and why.
    calibration_errors, reliability:
        `CALIBRATION_ERROR_SCHEMA` and `RELIABILITY_SCHEMA` by name: as the model says, and calibrated without the parcel itself.
    sets:
        Possible crops; None without an audit.
    outside_classes:
        Share of the known parcels, by weight, whose ground is none of the model's classes: no set holds it.
    threshold, threshold_basis:
        Least confidence of an accepted parcel, None for none, and what it rests on.
    acceptance:
        `ACCEPTANCE_SCHEMA`.
    """

    state: str
    decided: int
    known: int
    asked: int
    accuracy: pa.Table
    accuracy_by_area: pa.Table
    confusion: pa.Table
    overall_range: tuple[float, float] | None
    calibration: Calibration
    trials: pa.Table
    calibration_reason: str
    calibration_errors: dict[str, pa.Table]
    reliability: dict[str, pa.Table]
    sets: ConformalSets | None
    outside_classes: float | None
    threshold: float | None
    threshold_basis: str
    acceptance: pa.Table

    @property
    def overall(self) -> dict[str, Any] | None:
        """Row of overall accuracy by parcels."""
        return self.accuracy.slice(0, 1).to_pylist()[0] if self.accuracy.num_rows else None


def judge_map(
    audit: AuditSample,
    decisions: pa.Table,
    probabilities: MapProbabilities,
    *,
    area_ha: Mapping[int, float],
    groups: Mapping[str, Sequence[Any]],
    first_threshold: float,
    share_right: float = 0.95,
    bound: float = 0.95,
    coverage: float = 0.9,
    seed: int = 0,
) -> Judgement:
    """Judge a map by what was decided on its audit sample.

    Parcels still to be decided count like those nobody can tell: they leave the figures, and `overall_range` says what they could
    change. Calibration is by temperature alone up to `MANY_AUDITED` parcels. Where the audit shows no threshold, the one by its
    estimate alone is taken, and where there is none either, nothing is accepted.

    Parameters
    ----------
    decisions:
        `decisions.CheckedDecisions.accepted`.
    area_ha:
        Hectares of the audited parcels.
    groups:
        Kind to the group of each audited parcel in the sample's order.
    first_threshold:
        Threshold before there is an audit.
    share_right, bound, coverage:
        See `acceptance_threshold` and `fit_conformal`.
    """
    asked = audit.sample.num_rows
    own = set(audit.sample["segment_id"].to_pylist())
    mine = pa.array(
        [
            purpose == AUDIT and parcel in own
            for purpose, parcel in zip(
                decisions["drawn_for"].to_pylist(), decisions["segment_id"].to_pylist(), strict=True
            )
        ],
        pa.bool_(),
    )
    said = decisions.filter(mine)
    try:
        outcome = audit_outcome(audit, said, undecided=True)
    except NoDecisionsError:
        # the defined state of a map nobody has looked at, or of which nobody could tell anything
        return _unjudged(probabilities.classes, said.num_rows, asked, first_threshold)
    by_parcels = audit_accuracy(audit, outcome, groups=groups)
    known = np.flatnonzero(outcome.known)
    figures: dict[str, Any] = {
        "decided": said.num_rows,
        "known": len(known),
        "asked": asked,
        "accuracy": by_parcels.table,
        "accuracy_by_area": audit_accuracy(audit, outcome, area_ha=area_ha, groups=groups).table,
        "confusion": audit_confusion(audit, outcome),
        "overall_range": by_parcels.overall_range,
    }
    if len(known) < LEAST_AUDITED:
        return Judgement(TOO_FEW, **figures, **_uncalibrated(probabilities.classes, first_threshold))
    calibrated = _calibrated(audit, outcome, known, probabilities, coverage, seed)
    confidence, strata = calibrated.pop("confidence"), audit.sample["stratum"].to_pylist()
    found = acceptance_threshold(
        confidence,
        outcome.right[known],
        outcome.weight[known],
        [strata[i] for i in known.tolist()],
        population_sizes=audit.population_sizes,
        share=share_right,
        bound=bound,
    )
    if found.threshold is not None:
        threshold, basis = found.threshold, f"shown by the audit: {found.reason}"
    elif found.by_estimate is not None:
        threshold = found.by_estimate
        basis = f"by the audit's estimate alone, without guarantee, as the audit shows {found.reason}"
    else:
        threshold, basis = None, f"nothing is accepted without a look: {found.reason}"
    return Judgement(
        AUDITED if said.num_rows == asked else PARTLY,
        **figures,
        **calibrated,
        threshold=threshold,
        threshold_basis=basis,
        acceptance=found.table,
    )


def _calibrated(
    audit: AuditSample,
    outcome: AuditOutcome,
    known: NDArray[np.int64],
    probabilities: MapProbabilities,
    coverage: float,
    seed: int,
) -> dict[str, Any]:
    rows = probabilities.rows_of(audit.sample["segment_id"].to_pylist())
    values = probabilities.values[rows][known].astype(np.float64)
    values = values / values.sum(axis=1, keepdims=True)
    weight, right = outcome.weight[known], outcome.right[known]
    reference = [str(outcome.reference[i]) for i in known.tolist()]
    among = np.array([code in probabilities.classes for code in reference], dtype=bool)
    stated = values.max(axis=1)
    confidence, calibration, trials = stated, identity(probabilities.classes), CALIBRATION_SCHEMA.empty_table()
    reason, sets = "no audited parcel is of a class that the model knows", None
    if among.sum() >= 2:
        labels = [code for code, ok in zip(reference, among.tolist(), strict=True) if ok]
        chosen = choose_calibration(
            values[among],
            labels,
            probabilities.classes,
            weights=weight[among].tolist(),
            methods=("temperature",) if len(labels) < MANY_AUDITED else METHODS,
            seed=seed,
        )
        calibration, trials, reason = chosen.calibration, chosen.trials, chosen.reason
        held_out = calibration.apply(values)
        held_out[np.flatnonzero(among)[chosen.rows]] = chosen.held_out_probabilities
        confidence = held_out[np.arange(len(values)), values.argmax(axis=1)]
        keys = audit.sample["segment_id"].to_numpy()[known][among]
        label = label_columns(labels, probabilities.classes, rows=len(labels))
        sets = fit_conformal(
            values[among], label, weight[among], probabilities.classes, keys, coverage=coverage, seed=seed
        )
    mapped = [str(audit.sample["crop_code"][i].as_py()) for i in known.tolist()]
    both = {STATED: stated, CALIBRATED: confidence}
    return {
        "calibration": calibration,
        "trials": trials,
        "calibration_reason": reason,
        "calibration_errors": {
            name: calibration_errors(p, right, groups={"mapped class": mapped}, weights=weight)
            for name, p in both.items()
        },
        "reliability": {name: reliability_table(p, right, weights=weight) for name, p in both.items()},
        "sets": sets,
        "outside_classes": float(weight[~among].sum() / weight.sum()),
        "confidence": confidence,
    }


def _uncalibrated(classes: tuple[str, ...], first_threshold: float) -> dict[str, Any]:
    return {
        "calibration": identity(classes),
        "trials": CALIBRATION_SCHEMA.empty_table(),
        "calibration_reason": f"fewer than {LEAST_AUDITED} audited parcels are known: confidence is as the model says",
        "calibration_errors": {STATED: CALIBRATION_ERROR_SCHEMA.empty_table()},
        "reliability": {STATED: RELIABILITY_SCHEMA.empty_table()},
        "sets": None,
        "outside_classes": None,
        "threshold": first_threshold,
        "threshold_basis": "of the first day: no audit supports it yet",
        "acceptance": ACCEPTANCE_SCHEMA.empty_table(),
    }


def _unjudged(classes: tuple[str, ...], decided: int, asked: int, first_threshold: float) -> Judgement:
    return Judgement(
        TOO_FEW if decided else NOT_AUDITED,
        decided=decided,
        known=0,
        asked=asked,
        accuracy=AUDIT_ACCURACY_SCHEMA.empty_table(),
        accuracy_by_area=AUDIT_ACCURACY_SCHEMA.empty_table(),
        confusion=AUDIT_CONFUSION_SCHEMA.empty_table(),
        overall_range=None,
        **_uncalibrated(classes, first_threshold),
    )
