"""What an audit says of a map, for the asset `reviewed_maps`: read from its inputs, written as its files, shown, and checked."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification
from agristat_platform.catalogue import ReviewSettings
from agristat_platform.classification import review
from assets import checks
from assets.presentation import markdown_table, picture
from assets.review_tables import audit_sample
from resources.storage import Draft, StoredVersion

LARGEST_CALIBRATION_ERROR = 0.05
PAIRS = 10


def judged(
    settings: ReviewSettings,
    review_samples: StoredVersion,
    segments: StoredVersion,
    flags: pa.Table,
    decisions: pa.Table,
    probabilities: review.MapProbabilities,
) -> review.Judgement:
    """The judgement, accuracy by flag, parcel size and stratum included."""
    audit = audit_sample(review_samples)
    drawn = audit.sample["segment_id"]
    area = {
        row["segment_id"]: row["area_ha"]
        for portion in segments.portions("segments", columns=["segment_id", "area_ha"])
        for row in portion.filter(pc.is_in(portion["segment_id"], drawn.combine_chunks())).to_pylist()
    }
    ids = drawn.to_pylist()
    size = classification.size_class([area[parcel] for parcel in ids])
    own_flags = flags.filter(pc.is_in(flags["segment_id"], drawn.combine_chunks()))
    return review.judge_map(
        audit,
        decisions,
        probabilities,
        area_ha=area,
        groups={
            **review.flag_groups(own_flags, ids),
            "parcel size": [name or "not known" for name in size],
            "stratum": audit.sample["stratum"].to_pylist(),
        },
        first_threshold=settings.first_threshold,
        share_right=settings.share_right,
        bound=settings.bound,
        coverage=settings.coverage,
        seed=audit.seed,
    )


def write_judgement(draft: Draft, judgement: review.Judgement, *, simulated: bool) -> dict[str, Any]:
    """Write everything the audit says, and return how the UI shows it."""
    draft.write_table("accuracy", judgement.accuracy)
    draft.write_table("accuracy_by_area", judgement.accuracy_by_area)
    draft.write_table("confusion", judgement.confusion)
    draft.write_table("calibration_trials", judgement.trials)
    draft.write_table("acceptance", judgement.acceptance)
    review.save_calibration(judgement.calibration, draft.directory)
    before = judgement.calibration_errors[review.STATED]
    after = judgement.calibration_errors.get(review.CALIBRATED, before)
    draft.write_table("calibration_errors_before", before)
    draft.write_table("calibration_errors", after)
    draft.write_table("reliability_before", judgement.reliability[review.STATED])
    draft.write_table("reliability", judgement.reliability.get(review.CALIBRATED, judgement.reliability[review.STATED]))
    shown: dict[str, Any] = {"calibration": f"{judgement.calibration.method}: {judgement.calibration_reason}"}
    if judgement.overall is None:
        return shown
    low, high = judgement.overall_range or (float("nan"), float("nan"))
    wrong = judgement.confusion.filter(pc.not_equal(judgement.confusion["reference"], judgement.confusion["mapped"]))
    shown |= {
        "accuracy (by parcels, from the audit)": markdown_table(judgement.accuracy.to_pylist()),
        "accuracy (by area, from the audit)": markdown_table(judgement.accuracy_by_area.to_pylist()),
        "overall accuracy": float(judgement.overall["estimate"]),
        "overall accuracy if what is not known were wrong, or right": f"{low:.3f} … {high:.3f}",
        "confused pairs (decided → mapped)": markdown_table(
            wrong.sort_by([("parcels", "descending")]).slice(0, PAIRS).to_pylist()
        ),
    }
    if judgement.sets is not None:
        curves = judgement.reliability
        if judgement.calibration.method == "none":
            curves = {review.STATED: curves[review.STATED]}  # the same points would be drawn twice
        png = review.reliability_png(curves, simulated=simulated)
        draft.write_bytes("reliability.png", png)
        shown |= {
            "reliability": picture(png, "Confidence against the share right, audited parcels"),
            "calibration error": markdown_table(
                [
                    {"confidence": name, **table.slice(0, 1).to_pylist()[0]}
                    for name, table in judgement.calibration_errors.items()
                ]
            ),
            "audited ground that is no class of the model": judgement.outside_classes,
        }
    return shown


def set_sizes(number: Any) -> list[dict[str, Any]]:
    """Parcels by number of possible crops; none where these are not known."""
    if number is None:
        return []
    known = number[number >= 0]
    sizes, counts = np.unique(known, return_counts=True)
    return [
        {"crops in the set": int(size), "parcels": int(count), "share": float(count / len(known))}
        for size, count in zip(sizes, counts, strict=True)
    ]


def calibration_check(judgement: review.Judgement) -> dg.AssetCheckResult:
    """Confidence is off by no more than it may, or than chance alone makes it."""
    if review.CALIBRATED not in judgement.calibration_errors:
        return checks.holds(
            "calibration", False, description=f"not known: {judgement.calibration_reason}", warn_only=True
        )
    row = judgement.calibration_errors[review.CALIBRATED].slice(0, 1).to_pylist()[0]
    bound = max(LARGEST_CALIBRATION_ERROR, row["ece_by_chance"])
    return checks.holds(
        "calibration",
        row["ece_equal_mass"] <= bound,
        description=f"{row['ece_equal_mass']:.3f} on {row['samples']} audited parcels; chance alone gives {row['ece_by_chance']:.3f}",
        warn_only=True,
        calibration_error=float(row["ece_equal_mass"]),
    )
