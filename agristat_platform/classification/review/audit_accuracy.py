"""What an audit says of the map as it was when the sample was drawn: accuracy by design, with standard errors.

Parcels are the sampling units. Decisions override the map afterwards (`map_review`); these figures never see that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.audit_sample import AuditSample
from agristat_platform.classification.review.decisions import AUDIT, NO_CROP, UNKNOWN
from agristat_platform.classification.review.errors import AuditSampleError, NoDecisionsError
from agristat_platform.classification.review.proportions import lower_bound, number_behind, upper_bound
from agristat_platform.estimation import SampleDesign, ratio, total

CLASS_FIGURES = ("overall", "user's", "producer's")

AUDIT_ACCURACY_SCHEMA = pa.schema(
    [
        pa.field(
            "figure",
            pa.string(),
            nullable=False,
            metadata={"values": "overall, macro F1, user's, producer's, F1, <group>"},
        ),
        pa.field("name", pa.string(), nullable=False),
        pa.field("estimate", pa.float64()),
        pa.field("standard_error", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field(
            "parcels", pa.int64(), nullable=False, metadata={"meaning": "audited, with a decision, in the domain"}
        ),
    ]
)

AUDIT_CONFUSION_SCHEMA = pa.schema(
    [
        pa.field("reference", pa.string(), nullable=False, metadata={"meaning": "what was decided"}),
        pa.field("mapped", pa.string(), nullable=False),
        pa.field("audited", pa.int64(), nullable=False),
        pa.field("parcels", pa.float64(), nullable=False, metadata={"meaning": "estimated number in the map"}),
        pa.field("share", pa.float64(), nullable=False, metadata={"meaning": "of the reference's parcels"}),
    ]
)


@dataclass(frozen=True)
class AuditOutcome:
    """Audited parcels with what was decided, in the sample's order.

    Attributes
    ----------
    reference:
        Decision of each parcel (n,), None where there is none yet.
    known:
        bool (n,): decided, and not "unknown".
    right:
        bool (n,): known and the map's class. Mixed ground and what is no parcel count as wrong.
    weight:
        Sampling weights (n,).
    """

    reference: tuple[str | None, ...]
    known: NDArray[np.bool_]
    right: NDArray[np.bool_]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class AuditAccuracy:
    """Design-based accuracy of a map.

    Attributes
    ----------
    table:
        `AUDIT_ACCURACY_SCHEMA`: overall and macro F1 first, then user's, producer's and F1 by class, then groups.
    unknown_share:
        Estimated share of parcels (hectares) that nobody could tell, or that wait for a decision; left out of the figures.
    overall_range:
        Overall accuracy if all of those were wrong, and if all were right.
    """

    table: pa.Table
    unknown_share: float
    overall_range: tuple[float, float]


def audit_outcome(audit: AuditSample, decisions: pa.Table, *, undecided: bool = False) -> AuditOutcome:
    """Put the audit's accepted decisions beside the sample; those of the learning queue are left alone.

    Parameters
    ----------
    decisions:
        `decisions.CheckedDecisions.accepted`.
    undecided:
        Whether parcels may still wait for a decision. They then count like "unknown", which is only right if what was
        decided first doesn't differ from the rest.

    Raises
    ------
    NoDecisionsError
        No audited parcel has a decision, or some have none and `undecided` is False (named).
    AuditSampleError
        A decision for the audit about a parcel outside the sample.
    """
    ids = audit.sample["segment_id"].to_pylist()
    said = {
        parcel: decision
        for parcel, decision, sample in zip(
            *(decisions[name].to_pylist() for name in ("segment_id", "decision", "drawn_for")), strict=True
        )
        if sample == AUDIT
    }
    strangers = sorted(set(said) - set(ids))
    if strangers:
        raise AuditSampleError("decided parcels are not in the audit sample", where=f"parcels {listed(strangers)}")
    if not said:
        raise NoDecisionsError("no audited parcel has a decision yet", remedy="Wait for the reviewers")
    waiting = [parcel for parcel in ids if parcel not in said]
    if waiting and not undecided:
        raise NoDecisionsError(
            f"{len(waiting)} of {len(ids)} audited parcels have no decision",
            where=f"parcels {listed(waiting)}",
            remedy="Collect them: leaving out what is hard to decide makes the map look better than it is",
        )
    reference = tuple(said.get(parcel) for parcel in ids)
    known = np.array([decision not in (None, UNKNOWN) for decision in reference], dtype=bool)
    if not known.any():
        raise NoDecisionsError("every decision on the audited parcels is 'unknown'")
    mapped = audit.sample["crop_code"].to_pylist()
    right = known & np.array([decision == code for decision, code in zip(reference, mapped, strict=True)], dtype=bool)
    return AuditOutcome(reference, known, right, audit.sample["weight"].to_numpy())


def audit_accuracy(
    audit: AuditSample,
    outcome: AuditOutcome,
    *,
    area_ha: Mapping[int, float] | None = None,
    groups: Mapping[str, Sequence[Any]] | None = None,
    confidence: float = 0.95,
) -> AuditAccuracy:
    """Overall, user's and producer's accuracy and F1 of the map, and overall accuracy by group.

    Each is a ratio of two estimated totals over the strata, with Taylor-linearised variance and finite population correction
    (Olofsson et al. 2014, Remote Sensing of Environment 148; Stehman 2014 where strata aren't the map's classes): F1 is twice the
    parcels right over those mapped as the class plus those that are. Macro F1 is the mean over the crops found by the audit. Parcels
    without a known crop stay in the design and leave the domain.

    Parameters
    ----------
    area_ha:
        Hectares by `segment_id`: accuracies become shares of area. None: shares of parcels.
    groups:
        Kind to the group of each audited parcel in the sample's order, such as {"flagged small": [True, …]}.
    confidence:
        Of the two-sided intervals, by Clopper and Pearson on effective numbers.

    Raises
    ------
    AuditSampleError
        Parcels without an area.
    estimation.LonelyPsuError
        A stratum with one audited parcel out of several.
    """
    size = _sizes(audit, area_ha)
    design = SampleDesign(
        audit.sample.select(["segment_id", "stratum", "weight"]),
        weight="weight",
        stratum="stratum",
        population_size=audit.population_sizes,
    )
    known, right = outcome.known, outcome.right
    mapped = np.array(audit.sample["crop_code"].to_pylist(), dtype=object)
    reference = np.array(outcome.reference, dtype=object)
    domains: list[tuple[str, str, NDArray[np.bool_]]] = [("overall", "all", known)]
    domains += [("user's", code, known & (mapped == code)) for code in sorted(set(mapped[known]))]
    domains += [("producer's", code, known & (reference == code)) for code in sorted(set(reference[known]))]
    for kind, members in (groups or {}).items():
        if len(members) != len(known):
            raise LengthMismatchError(f"{len(known)} audited parcels but {len(members)} entries of {kind}")
        member = np.array([str(m) for m in members], dtype=object)
        domains += [(kind, name, known & (member == name)) for name in sorted(set(member[known]))]
    ones = np.ones(len(known))
    rows = [_figure(design, kind, name, inside, right, size, ones, confidence) for kind, name, inside in domains]
    crops = sorted(set(reference[known]) - set(NO_CROP))
    by_class = []
    for code in crops:
        twice = (mapped == code).astype(np.float64) + (reference == code)
        by_class.append(_figure(design, "F1", code, known & (twice > 0), right, size, twice, confidence))
    groups_from = next((i for i, row in enumerate(rows) if row["figure"] not in CLASS_FIGURES), len(rows))
    macro = [_macro(design, crops, mapped, reference, known, size, confidence)] if crops else []
    rows = [rows[0], *macro, *rows[1:groups_from], *by_class, *rows[groups_from:]]
    whole = float(outcome.weight @ size)
    unknown = float(outcome.weight[~known] @ size[~known]) / whole
    surely = float(outcome.weight[right] @ size[right]) / whole
    return AuditAccuracy(pa.Table.from_pylist(rows, schema=AUDIT_ACCURACY_SCHEMA), unknown, (surely, surely + unknown))


def _figure(
    design: SampleDesign,
    kind: str,
    name: str,
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    size: NDArray[np.float64],
    times: NDArray[np.float64],
    confidence: float,
) -> dict[str, Any]:
    counted = size * times
    found = ratio(design, {"right": counted * (right & inside)}, counted * inside).to_pylist()[0]
    share, error = found["estimate"], found["standard_error"]
    number = number_behind(share, error, (design.weight * counted)[inside])
    side = (1 + confidence) / 2
    return {
        "figure": kind,
        "name": name,
        "estimate": share,
        "standard_error": error,
        "ci_low": lower_bound(share, number, side),
        "ci_high": upper_bound(share, number, side),
        "parcels": int(inside.sum()),
    }


def _macro(
    design: SampleDesign,
    crops: list[str],
    mapped: NDArray[Any],
    reference: NDArray[Any],
    known: NDArray[np.bool_],
    size: NDArray[np.float64],
    confidence: float,
) -> dict[str, Any]:
    """Mean F1 of the crops; its linearised variable is the mean of theirs."""
    shares, linear = [], np.zeros(len(known))
    for code in crops:
        on_map, there = known & (mapped == code), known & (reference == code)
        below = size * (on_map.astype(np.float64) + there)
        above = 2 * size * (on_map & there)
        whole = float(design.weight @ below)
        shares.append(float(design.weight @ above) / whole)
        linear += (above - shares[-1] * below) / whole / len(crops)
    error = total(design, {"F1": linear}).to_pylist()[0]["standard_error"]
    share = float(np.mean(shares))
    number = number_behind(share, error, (design.weight * size)[known])
    side = (1 + confidence) / 2
    return {
        "figure": "macro F1",
        "name": "all",
        "estimate": share,
        "standard_error": error,
        "ci_low": lower_bound(share, number, side),
        "ci_high": upper_bound(share, number, side),
        "parcels": int(known.sum()),
    }


def audit_confusion(audit: AuditSample, outcome: AuditOutcome) -> pa.Table:
    """Estimated parcels by decision and map class (`AUDIT_CONFUSION_SCHEMA`), by decision and then the larger first."""
    mapped = audit.sample["crop_code"].to_pylist()
    cells: dict[tuple[str, str], list[float]] = {}
    for code, reference, known, weight in zip(mapped, outcome.reference, outcome.known, outcome.weight, strict=True):
        if known:
            cells.setdefault((str(reference), code), []).append(float(weight))
    whole: dict[str, float] = {}
    for (reference, _), weights in cells.items():
        whole[reference] = whole.get(reference, 0.0) + sum(weights)
    rows: list[dict[str, Any]] = [
        {
            "reference": reference,
            "mapped": code,
            "audited": len(weights),
            "parcels": sum(weights),
            "share": sum(weights) / whole[reference],
        }
        for (reference, code), weights in cells.items()
    ]
    rows.sort(key=lambda row: (row["reference"], -row["parcels"], row["mapped"]))
    return pa.Table.from_pylist(rows, schema=AUDIT_CONFUSION_SCHEMA)


def _sizes(audit: AuditSample, area_ha: Mapping[int, float] | None) -> NDArray[np.float64]:
    ids = audit.sample["segment_id"].to_pylist()
    if area_ha is None:
        return np.ones(len(ids))
    absent = [parcel for parcel in ids if not area_ha.get(parcel, 0.0) > 0]
    if absent:
        raise AuditSampleError("audited parcels have no area", where=f"parcels {listed(absent)}")
    return np.array([area_ha[parcel] for parcel in ids], dtype=np.float64)
