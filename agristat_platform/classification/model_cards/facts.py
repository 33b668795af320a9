"""Model cards: what a crop model was taught on, how well it does on labels, and what it must not be used for.

After Mitchell et al. (2019), Model Cards for Model Reporting, FAT*. The same facts as JSON and as Markdown
(`text`). Versions of software are not on it: they stand in the manifest beside it, and a card says the same under each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season import Gate
from agristat_platform.classification.errors import InvalidLabelsError, LengthMismatchError
from agristat_platform.classification.evaluation import NOTE, AccuracyReport
from agristat_platform.classification.labels import listed

CARD_FORMAT = 2  # 1 held versions of software, with which its content changed
INTENDED_USE = (
    "Naming the crop of segments of this region in the seasons named, for crop maps, strata and auxiliary variables of a survey.",
    "Comparing options on the labels described here.",
)
NOT_FOR = (
    "Areas: pixel counts and areas of mapped segments are not an estimate. They carry the map's errors as bias and have no "
    "standard error; areas come from the probability sample (official_estimates).",
    "Statements about single parcels or their holders, such as eligibility, payment or penalty.",
    "Other regions, and seasons whose weather or crop list differs from those it was taught on, without new labels or the gate.",
    "Crops that it was not taught: it gives them the name of another.",
)
LIMITS = (
    "Accuracy is that on the labels described here. If these were picked by convenience, so is the figure.",
    "Confidence is the model's own and may be too high in a season unlike those it was taught on.",
)


@dataclass(frozen=True)
class TaughtOn:
    """What a model learned from.

    Attributes
    ----------
    counts:
        Samples by season and class.
    sources:
        Name of each source of labels or features, and its content hash or version ("" where it has none).
    dropped:
        Labels left out by reason.
    """

    counts: dict[str, dict[str, int]]
    sources: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(sum(by_class.values()) for by_class in self.counts.values())

    @property
    def shares(self) -> dict[str, float]:
        """Share of each class among all samples, classes sorted."""
        totals: dict[str, int] = {}
        for by_class in self.counts.values():
            for code, count in by_class.items():
                totals[code] = totals.get(code, 0) + count
        return {code: totals[code] / self.samples for code in sorted(totals)}


@dataclass(frozen=True)
class ModelCard:
    """Facts about a model; see `model_card` for each.

    `document` gives them as JSON values, `text.card_markdown` as a text.
    """

    title: str
    region: str
    simulated: bool
    taught_on: TaughtOn
    features: tuple[str, ...]
    settings: dict[str, Any]
    seeds: dict[str, int]
    accuracy: AccuracyReport | None
    accuracy_basis: str
    gate: Gate | None
    calibration: dict[str, Any]
    intended_use: tuple[str, ...]
    not_for: tuple[str, ...]
    limits: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The card as JSON values: NaN and what can't be had are None; keys are stable within `format`."""
        report, gate = self.accuracy, self.gate
        return _plain(
            {
                "format": CARD_FORMAT,
                "title": self.title,
                "region": self.region,
                "simulated": self.simulated,
                "taught_on": {
                    "samples": self.taught_on.samples,
                    "counts": self.taught_on.counts,
                    "shares": self.taught_on.shares,
                    "sources": self.taught_on.sources,
                    "dropped": self.taught_on.dropped,
                },
                "features": list(self.features),
                "settings": self.settings,
                "seeds": self.seeds,
                "gate": None if gate is None else gate_facts(gate),
                "accuracy": None
                if report is None
                else {
                    "basis": self.accuracy_basis,
                    "note": NOTE,
                    "figures": report.figures.to_pylist(),
                    "confusion": {
                        "direction": "rows: reference; columns: predicted",
                        "rows": report.confusion.to_pylist(),
                    },
                    "confused_pairs": report.confused_pairs.to_pylist(),
                    "left_out": report.left_out,
                    "untaught": report.untaught,
                    "settings": report.settings,
                },
                "calibration": self.calibration,
                "intended_use": list(self.intended_use),
                "not_for": list(self.not_for),
                "limits": list(self.limits),
            }
        )


def gate_facts(gate: Gate) -> dict[str, Any]:
    """A gate as JSON values: verdict, choice, reasons, a row an option, diagnostics, samples left out."""
    facts = {
        "passed": gate.passed,
        "chosen": gate.chosen,
        "reasons": list(gate.reasons),
        "rows": gate.table().to_pylist(),
        "diagnostics": gate.diagnostics,
        "dropped": gate.dropped,
    }
    plain: dict[str, Any] = _plain(facts)
    return plain


def model_card(
    *,
    title: str,
    region: str,
    taught_on: TaughtOn,
    features: Sequence[str],
    settings: Mapping[str, Any],
    seeds: Mapping[str, int],
    accuracy: AccuracyReport | None = None,
    accuracy_basis: str = "",
    gate: Gate | None = None,
    calibration: Mapping[str, Any] | None = None,
    simulated: bool = False,
    intended_use: Sequence[str] = (),
    not_for: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> ModelCard:
    """Put a card together; what every model is for, not for and limited by is always on it.

    Parameters
    ----------
    title, region:
        Of the model; the code of its region.
    taught_on:
        From `taught_on`.
    features, settings, seeds:
        What it takes, how it was fitted.
    accuracy, accuracy_basis:
        Report, and what it was computed on ("blocked cross-validation, 5 folds"). None: the card says that nothing is
        known.
    gate:
        Of recognition across seasons; None where the model was taught in its own season.
    calibration:
        Figures and method of calibration; empty: the card says that probabilities are as the model gives them.
    simulated:
        Say on top that no figure is of a real place.
    intended_use, not_for, limits:
        Sentences added to `INTENDED_USE`, `NOT_FOR` and `LIMITS`.

    Raises
    ------
    InvalidLabelsError
        Nothing was learned from.
    """
    if not taught_on.samples:
        raise InvalidLabelsError(
            "a model card without a single training sample", remedy="Give counts by season and class"
        )
    lacking = [] if accuracy is not None else ["Nothing is known of its accuracy: it was not judged on labels."]
    return ModelCard(
        title=title,
        region=region,
        simulated=simulated,
        taught_on=taught_on,
        features=tuple(features),
        settings=dict(settings),
        seeds=dict(seeds),
        accuracy=accuracy,
        accuracy_basis=accuracy_basis,
        gate=gate,
        calibration=dict(calibration or {}),
        intended_use=(*INTENDED_USE, *intended_use),
        not_for=(*NOT_FOR, *not_for),
        limits=(*LIMITS, *lacking, *limits),
    )


def taught_on(
    classes: Sequence[Any],
    seasons: Sequence[Any] | str,
    *,
    sources: Mapping[str, str] | None = None,
    dropped: Mapping[str, int] | None = None,
) -> TaughtOn:
    """Count samples (n,) by season, (n,) or one for all, and class.

    Raises
    ------
    LengthMismatchError
        Classes and seasons differ in number.
    InvalidLabelsError
        A class is missing.
    """
    names = [seasons] * len(classes) if isinstance(seasons, str) else list(seasons)
    if len(names) != len(classes):
        raise LengthMismatchError(f"{len(classes)} classes but {len(names)} seasons")
    missing = [row for row, code in enumerate(classes) if code is None or code != code or code == ""]
    if missing:
        raise InvalidLabelsError(f"{len(missing)} training samples have no class", where=f"rows {listed(missing)}")
    counts: dict[str, dict[str, int]] = {}
    for season, code in sorted(zip(map(str, names), map(str, classes), strict=True)):
        by_class = counts.setdefault(season, {})
        by_class[code] = by_class.get(code, 0) + 1
    return TaughtOn(counts, dict(sources or {}), dict(dropped or {}))


def _plain(value: Any) -> Any:
    """JSON values: arrays and numpy numbers become lists and numbers, NaN and infinity None, keys text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
