"""Parts of a season's evaluation: what each one publishes, or why it isn't there.

A part that can't be made for the data's sake is told and leaves the others alone: nothing downstream rests on any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification
from agristat_platform.classification import evaluation
from assets.evaluation_curves import in_season, learning_curve
from assets.season_evaluation import Part, SeasonEvaluation, no_labels
from assets.season_transfer import SMALL_MEMBERS
from assets.teaching import TABLE as TEACHING_SERIES
from resources.storage import StoredVersion

HELD_OUT = "held_out"
PARTS_SCHEMA = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False, metadata={"description": "part of the evaluation"}),
        pa.field("state", pa.string(), nullable=False, metadata={"values": "made, off, absent, failed"}),
        pa.field(
            "said", pa.string(), nullable=False, metadata={"description": "what it rests on, or why it isn't there"}
        ),
        pa.field("rows", pa.int64(), nullable=False, metadata={"description": "of its table"}),
    ]
)
ORIGINS_SHOWN = [
    "season", "taught_by", "curves", "samples", "unseen_samples", "overall_accuracy", "overall_accuracy_low",
    "overall_accuracy_high", "macro_f1", "least_recall", "expected_calibration_error", "gate_passed",
]  # fmt: skip
_FLAGS = ("ok", "long_gap", "too_few")  # from good to bad


def parts_of(of: SeasonEvaluation) -> dict[str, Part]:
    """Every part by name, in the order of `_MAKERS`."""
    return {name: _part(name, maker, of) for name, maker in _MAKERS.items()}


def parts_table(parts: Mapping[str, Part]) -> pa.Table:
    """Which parts there are, and what they say (`PARTS_SCHEMA`)."""
    rows = [
        {
            "part": name,
            "state": part.state,
            "said": part.said,
            "rows": part.tables[name].num_rows if name in part.tables else 0,
        }
        for name, part in parts.items()
    ]
    return pa.Table.from_pylist(rows, schema=PARTS_SCHEMA)


def _part(name: str, maker: Callable[[SeasonEvaluation], Part], of: SeasonEvaluation) -> Part:
    if name not in of.settings.parts:
        return Part("off", "training.evaluation.parts leaves it out")
    try:
        return maker(of)
    except classification.ClassificationError as error:
        # the other parts do not rest on it: what hindered it is told in its place, and a check warns
        return Part("failed", str(error))


def _rolling_origin(of: SeasonEvaluation) -> Part:
    wanted = of.season.training.recognition
    if not of.model.has(TEACHING_SERIES):
        return Part("absent", "crop_models has no labelled curves")
    teaching = of.model.table(TEACHING_SERIES)
    if wanted.crops is not None:
        teaching = teaching.filter(pc.is_in(teaching["crop_code"], pa.array(wanted.crops)))
    texts = {
        name: np.array(teaching[name].to_pylist(), dtype=str) for name in ("crop_code", "season", "place", "label_id")
    }
    seasons = sorted(set(texts["season"].tolist()))
    if len(seasons) < 2:
        return Part("absent", f"labelled curves of {len(seasons)} season: two are needed, one to teach and one to name")
    found = evaluation.named_origins(
        evaluation.LabelledCurves(
            classification.curves_of(teaching),
            texts["crop_code"],
            texts["season"],
            texts["place"],
            texts["label_id"],
        ),
        of.season.nomenclature,
        latest=of.settings.origins,
        least_samples=wanted.least_samples,
        most=of.settings.most_samples,
        settings=SMALL_MEMBERS,
        seed=of.settings.seed,
    )
    failed = "; ".join(f"{season} was not named: {why}" for season, why in found.not_named.items())
    if found.report is None:
        return Part("failed", failed, shared=found.shared)
    members = f"{SMALL_MEMBERS.trees} trees, {SMALL_MEMBERS.rounds} rounds of boosting"
    said = f"recognition with small members ({members}), shares of crops unknown, without crops of the year before"
    return Part(
        "made",
        "; ".join([said, *([failed] if failed else [])]),
        tables={"rolling_origin": found.table, "rolling_origin_figures": found.report.figures},
        pictures={
            "rolling_origin": (
                evaluation.origins_png(found.table, simulated=of.season.region.simulated),
                f"Past seasons named by the labelled curves of those before: {said}",
            )
        },
        shown=found.table.select(ORIGINS_SHOWN).to_pylist(),
        shared=found.shared,
    )


def _by_group(of: SeasonEvaluation) -> Part:
    samples = of.season.samples
    if samples is None:
        return no_labels()
    if not of.model.has(HELD_OUT):
        return Part("absent", "crop_models kept no predictions of labels held out")
    held_out = of.model.table(HELD_OUT)
    row_of = {label: row for row, label in enumerate(samples.label_ids.tolist())}
    known = [label in row_of for label in held_out["label_id"].to_pylist()]
    others = known.count(False)
    if others == len(known):
        return Part("failed", "crop_models judged none of the season's labels: materialise it again")
    held_out = held_out.filter(pa.array(known))
    judged = samples.subset(np.array([row_of[label] for label in held_out["label_id"].to_pylist()], dtype=np.int64))
    fold = held_out["fold"].to_numpy(zero_copy_only=False)
    groupings: dict[str, Any] = {"class_support": evaluation.support_class(judged.y), **of.season.sizes(judged)}
    if not np.isnan(np.asarray(fold, dtype=np.float64)).any():
        metres = evaluation.distances_to_taught(judged.places, fold)
        groupings["distance_to_taught"] = evaluation.distance_class(metres)
    if judged.segment_ids is not None:
        groupings["series"] = _series_flags(of.season.time_series, judged.segment_ids)
    report = classification.accuracy_report(
        held_out["crop_code"].to_pylist(),
        held_out["predicted"].to_pylist(),
        nomenclature=of.season.nomenclature,
        confidence=held_out["confidence"].to_numpy(),
        places=judged.groups,
        groupings=groupings,
        seed=of.settings.seed,
    )
    by = ", ".join(name.replace("_", " ") for name in groupings)
    said = (
        f"{held_out.num_rows} labels that the season's model had not learned from, by {by}; their stratum is not known"
    )
    if others:
        said += f"; {others} other labels, of reviews or no longer delivered, are left out"
    return Part(
        "made",
        said,
        tables={"by_group": report.figures},
        pictures={"by_group": (evaluation.groups_png(report.figures, simulated=of.season.region.simulated), said)},
        shown=[
            {name: row[name] for name in ("grouping", "group", "value", "ci_low", "ci_high", "samples", "places")}
            for row in report.figures.to_pylist()
            if row["figure"] == "overall_accuracy"
        ],
    )


def _series_flags(time_series: StoredVersion, segment_ids: npt.NDArray[np.int64]) -> list[str | None]:
    """The worst flag of the indices of each segment; None without a series."""
    worst: dict[int, int] = {}
    wanted = pa.array(np.unique(segment_ids).astype(np.uint32))
    for portion in time_series.portions("series", columns=["segment_id", "flag"]):
        rows = portion.filter(pc.is_in(portion["segment_id"], wanted))
        for segment, flag in zip(rows["segment_id"].to_pylist(), rows["flag"].to_pylist(), strict=True):
            worst[segment] = max(worst.get(segment, 0), _FLAGS.index(flag))
    return [_FLAGS[worst[segment]].replace("_", " ") if segment in worst else None for segment in segment_ids.tolist()]


_MAKERS: Mapping[str, Callable[[SeasonEvaluation], Part]] = {
    "learning_curve": learning_curve,
    "in_season": in_season,
    "rolling_origin": _rolling_origin,
    "by_group": _by_group,
}
