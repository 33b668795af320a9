"""All segments of a season as past seasons' labelled curves name them, and what recognition is told of them besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform import classification
from assets.errors import NoPastSeasonError
from assets.model_season import ModelSeason
from assets.teaching import Teaching, crops_before, target_curves

PORTION = 65_536


@dataclass(frozen=True)
class Recognised:
    """Past seasons' answer about all segments of a season.

    Attributes
    ----------
    past: the curves that taught it.
    segment_ids: (m,) uint32.
    answer: about the segments, in this order, then about labels that have a curve but no segment.
    notes: what is to be said of the shares assumed.
    """

    past: classification.PastCurves
    segment_ids: npt.NDArray[np.uint32]
    answer: classification.Recognition
    settings: classification.MemberSettings
    notes: tuple[str, ...]

    def portions(self) -> Iterator[pa.Table]:
        """The table `recognised`, some rows at a time."""
        schema = recognised_schema(self.answer.classes.tolist())
        for start in range(0, len(self.segment_ids), PORTION):
            rows = slice(start, min(start + PORTION, len(self.segment_ids)))
            values = self.answer.probabilities[rows].astype(np.float32)
            columns = [pa.array(column, pa.float32(), mask=np.isnan(column)) for column in values.T]
            yield pa.Table.from_arrays([pa.array(self.segment_ids[rows]), *columns], schema=schema)

    def of_samples(self, samples: classification.TrainingSet) -> npt.NDArray[np.float64]:
        """Probabilities (n, classes) of the season's labelled samples."""
        if samples.segment_ids is None:
            return self.answer.probabilities[len(self.segment_ids) :]
        order = np.argsort(self.segment_ids, kind="stable")
        return self.answer.probabilities[order[np.searchsorted(self.segment_ids[order], samples.segment_ids)]]


def recognised_schema(classes: list[str]) -> pa.Schema:
    """`segment_id` and a column of probabilities a class; null where the segment's curve has no value."""
    columns = [pa.field(code, pa.float32(), metadata={"unit": "probability"}) for code in classes]
    return pa.schema([pa.field("segment_id", pa.uint32(), nullable=False), *columns])


def recognised_segments(season: ModelSeason, teaching: Teaching) -> Recognised:
    """Let past seasons' curves name all segments of a season.

    Raises
    ------
    NoPastSeasonError
        No curve of a past season teaches.
    ClassificationError
        The curves can't teach (`classification.recognise`).
    """
    wanted, training = season.training.recognition, season.training
    if teaching.form is None or teaching.carried is None or not teaching.carried.num_rows:
        raise _no_past(season, teaching)
    past = classification.past_curves(
        teaching.carried, seasons=wanted.seasons, crops=wanted.crops, least_samples=wanted.least_samples
    )
    if not len(past):
        raise _no_past(season, teaching, f"of {teaching.carried.num_rows} curves none may teach: {past.dropped_counts}")
    shares, notes = classification.assumed_shares(past, wanted.target_shares)
    without_segment = season.samples is not None and season.samples.segment_ids is None
    ids, target = target_curves(season, teaching.form, teaching.curves if without_segment else None)
    histories = histories_of(season, past, ids, without_segment=len(target) - len(ids))
    given = {name: getattr(wanted, name) for name in ("trees", "rounds", "bags")}
    settings = classification.MemberSettings(**{name: value for name, value in given.items() if value is not None})
    answer = classification.recognise(
        past.series,
        past.labels.tolist(),
        past.seasons.tolist(),
        target,
        places=past.places.tolist(),
        **histories,
        reviewed=_reviewed(season, ids),
        target_shares=shares,
        seed=training.seed,
        settings=settings,
    )
    if season.reviewed_samples is not None:
        notes = (*notes, f"{len(season.reviewed_samples.y)} parcels of this season that reviewers named taught as well")
    return Recognised(past, ids, answer, settings, notes)


def _reviewed(season: ModelSeason, segment_ids: npt.NDArray[np.integer[Any]]) -> tuple[list[int], list[str]] | None:
    """Rows of the target that a reviewer named, and their crops; None where none teach."""
    samples = season.reviewed_samples
    if samples is None or samples.segment_ids is None:
        return None
    row = {segment: i for i, segment in enumerate(segment_ids.tolist())}
    allowed = season.training.recognition.crops or season.nomenclature.codes
    named = zip(samples.segment_ids.tolist(), samples.y.tolist(), strict=True)
    found = [(row[segment], code) for segment, code in named if segment in row and code in allowed]
    return ([at for at, _ in found], [code for _, code in found]) if found else None


def histories_of(
    season: ModelSeason,
    past: classification.PastCurves,
    segment_ids: npt.NDArray[np.integer[Any]],
    *,
    without_segment: int = 0,
) -> dict[str, Any]:
    """Arguments of `recognise` about the crops of a year before; none where no past curve has any."""
    if not any(past.histories):
        return {}
    target = crops_before(season, segment_ids, without_segment=without_segment)
    return {"histories": past.histories, "target_histories": target}


def _no_past(season: ModelSeason, teaching: Teaching, why: str | None = None) -> NoPastSeasonError:
    year_before = season.region.homologous(season.partition.season)
    lost = sum(row[0] < season.partition.season for row in teaching.dropped)
    reason = why or teaching.lacking or f"crop_models of {year_before} has no curves that fit ({lost} were left out)"
    if season.previous is None:
        reason = f"crop_models of {year_before} was never materialised"
    return NoPastSeasonError(
        f"no past season can teach recognition: {reason}",
        where=str(season.partition),
        remedy=f"Materialise crop_models of {year_before} from its own labels first, and set training.recognition.first_season "
        f"to {season.partition.season} or later, or training.model to ensemble",
    )
