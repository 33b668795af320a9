"""How well predictions meet labels: by class, by group and altogether, each figure with an interval and its counts.

These are figures on labels. They say how good a map is only as far as the labels were drawn by chance over its ground;
the design-based accuracy of a map is `mapping.map_accuracy`'s.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import InvalidSettingsError
from agristat_platform.classification.evaluation.compared import Compared, compared
from agristat_platform.classification.evaluation.groupings import group_members
from agristat_platform.classification.evaluation.intervals import centred_percentiles, effective_size, wilson_interval
from agristat_platform.classification.evaluation.place_sums import place_sums
from agristat_platform.classification.scores import confusion_matrix

NOTE = "Figures on labels, not the accuracy of a map: that is design-based and stands in map_accuracy."
ALL = "all"
SMALL_CELL = 30  # samples; below, a figure is kept and marked
FIGURES_SCHEMA = pa.schema(
    [
        pa.field("grouping", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("figure", pa.string(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("interval", pa.string()),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("places", pa.int64(), nullable=False),
        pa.field("small", pa.bool_(), nullable=False),
    ],
    metadata={"note": NOTE},
)
CONFUSED_PAIRS_SCHEMA = pa.schema(
    [
        pa.field("reference", pa.string(), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("of_reference", pa.float64(), nullable=False),
        pa.field("ci_low", pa.float64(), nullable=False),
        pa.field("ci_high", pa.float64(), nullable=False),
        pa.field("of_errors", pa.float64(), nullable=False),
    ],
    metadata={"direction": "labels of `reference` that were predicted as `predicted`"},
)
_RESAMPLED = ("macro_f1", "weighted_f1", "balanced_accuracy", "least_recall", "expected_calibration_error")


@dataclass(frozen=True)
class AccuracyReport:
    """What predictions are worth on labels.

    Attributes
    ----------
    figures:
        A row a figure of a group (`FIGURES_SCHEMA`). Figures: overall_accuracy, macro_f1, weighted_f1, balanced_accuracy,
        least_recall (of the class found worst), expected_calibration_error; by crop users_accuracy, producers_accuracy, f1.
        `samples` is the number the figure rests on (predicted as the crop for user's accuracy, of the crop for
        producer's, both for f1), `small` says that these are fewer than 30. Value and interval are null where nothing
        can be said.
    confusion:
        Counts: a row for each reference class, a column for each predicted class (`scores.confusion_matrix`).
    confused_pairs:
        Pairs of classes by the number of labels confused, most first (`CONFUSED_PAIRS_SCHEMA`).
    left_out, untaught:
        See `compared.Compared`.
    settings:
        level, replicates, seed, clustered (whether places were given), weighted.
    """

    figures: pa.Table
    confusion: pa.Table
    confused_pairs: pa.Table
    left_out: dict[str, int]
    untaught: dict[str, int]
    settings: dict[str, Any]

    def value(
        self, figure: str, crop_code: str | None = None, *, grouping: str = ALL, group: str = ALL
    ) -> dict[str, Any] | None:
        """The row of one figure as a dictionary; None where there is no such row."""
        wanted = (grouping, group, figure, crop_code)
        for row in self.figures.to_pylist():
            if (row["grouping"], row["group"], row["figure"], row["crop_code"]) == wanted:
                return dict(row)
        return None


def accuracy_report(
    reference: Sequence[Any] | npt.NDArray[Any],
    predicted: Sequence[Any] | npt.NDArray[Any],
    *,
    nomenclature: CropNomenclature | None = None,
    taught: Collection[str] | None = None,
    confidence: Sequence[float] | npt.NDArray[Any] | None = None,
    weights: Sequence[float] | npt.NDArray[Any] | None = None,
    places: Sequence[Any] | npt.NDArray[Any] | None = None,
    groupings: Mapping[str, Sequence[Any] | npt.NDArray[Any]] | None = None,
    level: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
) -> AccuracyReport:
    """Compare predicted classes (n,) with labels (n,); None, NaN or "" = missing, which is left out and counted.

    Shares (overall, user's, producer's accuracy, confused pairs) have Wilson intervals with the number of independent
    samples that clustering in places and weights leave (`intervals.effective_size`). The others come from `replicates`
    bootstrap samples of whole places, moved to the figure (`intervals.centred_percentiles`).

    Parameters
    ----------
    nomenclature:
        Codes outside it are an error; gives the order of classes. None: any names, sorted.
    taught:
        Classes the model knows: labels of others are counted in `untaught` and stay in as wrong.
    confidence:
        Highest class probability (n,).
    weights:
        (n,), 0 or more, such as the area a label stands for. They turn shares of labels into shares of area, and still
        don't make them estimates of a map's accuracy.
    places:
        Place, parcel or spatial block (n,): samples of one are not independent. None takes each for its own.
    groupings:
        By name (parcel_size, stratum, region, season, flags, …), the group of each sample (n,): a name, None (of none),
        or a collection of names, where a sample can be of several (flags). Every group is kept, however small.
    level, replicates, seed:
        Of the intervals.

    Raises
    ------
    InvalidSettingsError
        Level or replicates outside their ranges.
    ClassificationError
        See `compared.compared`.
    """
    if not 0 < level < 1 or replicates < 20:
        raise InvalidSettingsError(
            f"level {level} and {replicates} replicates give no interval", remedy="Take 0 < level < 1, replicates ≥ 20"
        )
    samples = compared(
        reference,
        predicted,
        nomenclature=nomenclature,
        taught=taught,
        confidence=confidence,
        weights=weights,
        places=places,
    )
    rows = []
    everyone = np.arange(len(samples.rows))
    for grouping, group, members in [
        (ALL, ALL, everyone),
        *group_members(groupings or {}, samples.rows, len(reference)),
    ]:
        rows += _Figures(samples, members, level, replicates, seed).rows(grouping, group)
    names = np.array(samples.classes, dtype=object)
    confusion = confusion_matrix(names[samples.reference], names[samples.predicted], samples.classes)
    return AccuracyReport(
        figures=pa.Table.from_pylist(rows, schema=FIGURES_SCHEMA),
        confusion=confusion.replace_schema_metadata({"direction": "rows: reference; columns: predicted", "note": NOTE}),
        confused_pairs=_confused_pairs(samples, level),
        left_out=samples.left_out,
        untaught=samples.untaught,
        settings={
            "level": level,
            "replicates": replicates,
            "seed": seed,
            "clustered": places is not None,
            "weighted": weights is not None,
        },
    )


@dataclass(frozen=True)
class _Figures:
    """Figures of some of the samples."""

    samples: Compared
    members: npt.NDArray[np.int64]
    level: float
    replicates: int
    seed: int

    def rows(self, grouping: str, group: str) -> list[dict[str, Any]]:
        s, m = self.samples, self.members
        reference, predicted, weight, place = s.reference[m], s.predicted[m], s.weight[m], s.place[m]
        confidence = None if s.confidence is None else s.confidence[m]
        sums = place_sums(reference, predicted, weight, place, confidence, len(s.classes))
        value = sums.figures()
        # the same replicates for a group whatever other groups are asked for
        random = np.random.default_rng([self.seed, zlib.crc32(f"{grouping}/{group}".encode())])
        drawn = sums.replicates(self.replicates, random) if sums.places > 1 else {}
        right = reference == predicted
        everyone = np.ones(len(m), dtype=bool)
        rows = [self._share("overall_accuracy", None, right, everyone)]
        for figure in _RESAMPLED:
            if figure in value:
                rows.append(self._resampled(figure, None, value[figure][0], drawn.get(figure), everyone))
        for k, code in enumerate(s.classes):
            of, as_ = reference == k, predicted == k
            if not (of | as_).any():
                continue
            f1 = drawn["f1"][:, k] if drawn else None
            rows.append(self._share("users_accuracy", code, right, as_))
            rows.append(self._share("producers_accuracy", code, right, of))
            rows.append(self._resampled("f1", code, value["f1"][0, k], f1, of | as_))
        return [{"grouping": grouping, "group": group, **row} for row in rows]

    def _share(
        self, figure: str, code: str | None, right: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]
    ) -> dict[str, Any]:
        if not among.any():
            return self._row(figure, code, None, None, None, among)
        weight, place = self.samples.weight[self.members][among], self.samples.place[self.members][among]
        share = float((weight * right[among]).sum() / weight.sum())
        size = effective_size(right[among], weight, place)
        return self._row(figure, code, share, wilson_interval(share, size, level=self.level), "Wilson", among)

    def _resampled(
        self,
        figure: str,
        code: str | None,
        value: float,
        drawn: npt.NDArray[np.float64] | None,
        among: npt.NDArray[np.bool_],
    ) -> dict[str, Any]:
        told = None if not np.isfinite(value) else float(value)
        interval = (
            None
            if drawn is None or told is None
            else centred_percentiles(drawn, told, self._places(among), level=self.level)
        )
        return self._row(figure, code, told, interval, "place bootstrap", among)

    def _places(self, among: npt.NDArray[np.bool_]) -> int:
        return len(np.unique(self.samples.place[self.members][among]))

    def _row(
        self,
        figure: str,
        code: str | None,
        value: float | None,
        interval: tuple[float, float] | None,
        kind: str | None,
        among: npt.NDArray[np.bool_],
    ) -> dict[str, Any]:
        low, high = interval or (None, None)
        return {
            "figure": figure,
            "crop_code": code,
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "interval": kind if interval else None,
            "samples": int(among.sum()),
            "places": self._places(among),
            "small": bool(among.sum() < SMALL_CELL),
        }


def _confused_pairs(samples: Compared, level: float) -> pa.Table:
    wrong = samples.reference != samples.predicted
    pairs, counts = np.unique(
        np.stack([samples.reference[wrong], samples.predicted[wrong]], axis=1), axis=0, return_counts=True
    )
    rows = []
    for (i, j), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        of = samples.reference == i
        hit, weight, place = samples.predicted[of] == j, samples.weight[of], samples.place[of]
        share = float((weight * hit).sum() / weight.sum())
        low, high = wilson_interval(share, effective_size(hit, weight, place), level=level)
        rows.append(
            {
                "reference": samples.classes[i],
                "predicted": samples.classes[j],
                "samples": count,
                "of_reference": share,
                "ci_low": low,
                "ci_high": high,
                "of_errors": count / int(wrong.sum()),
            }
        )
    rows.sort(key=lambda row: (-row["samples"], row["reference"], row["predicted"]))
    return pa.Table.from_pylist(rows, schema=CONFUSED_PAIRS_SCHEMA)
