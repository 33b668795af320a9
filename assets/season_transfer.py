"""How far the past alone would have carried: last season's model, and recognition from past seasons, on this season's labels.

Both are judged beside the season's own model and name nothing on its map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agristat_platform import classification
from assets.layers import folder_of
from assets.model_season import ModelSeason
from assets.recognised_segments import histories_of
from assets.recognition import GATE, gate_metadata
from assets.teaching import Teaching
from resources.storage import Draft

LAST_MODEL = "last season's model on this season's labels"
RECOGNITION = "recognition by past seasons' curves on this season's labels"
# a figure beside the season's own model may cost a fraction of what naming the season takes
SMALL_MEMBERS = classification.MemberSettings(trees=30, rounds=6, kernel_columns=420, copies=1, bags=1)
MOST_CURVES = 4_000


@dataclass(frozen=True)
class Transfer:
    """Figures by name, the gate of recognition where it was tried, and what is said of it."""

    figures: tuple[tuple[str, classification.Accuracy], ...]
    gate: classification.Gate | None
    said: str

    def write(self, draft: Draft) -> None:
        """Write the gate's table, where recognition was tried."""
        if self.gate is not None:
            draft.write_table(GATE, self.gate.table())

    def metadata(self) -> dict[str, Any]:
        """What the asset's page says."""
        return {"recognition": self.said, **({} if self.gate is None else gate_metadata(self.gate))}


def transfer(season: ModelSeason, teaching: Teaching, samples: classification.TrainingSet, log: Any) -> Transfer:
    """Judge the past on this season's samples, which teach none of it."""
    figures: list[tuple[str, classification.Accuracy]] = []
    if season.previous is not None and all(season.previous.has(name) for name in classification.MODEL_FILES):
        earlier = classification.load_model(folder_of(season.previous, classification.MODEL_FILES))
        figures.append((LAST_MODEL, classification.transfer_accuracy(earlier, samples).overall))
    try:
        overall, gate, said = _recognition(season, teaching, samples)
    except classification.ClassificationError as error:
        # the season's own model does not rest on it: what hindered it is told, and nothing else happens
        log.warning("recognition by past seasons was not judged: %s", error)
        return Transfer(tuple(figures), None, f"not judged: {error}")
    if overall is not None:
        figures.append((RECOGNITION, overall))
    return Transfer(tuple(figures), gate, said)


def _recognition(
    season: ModelSeason, teaching: Teaching, samples: classification.TrainingSet
) -> tuple[classification.Accuracy | None, classification.Gate | None, str]:
    wanted, seed = season.training.recognition, season.training.seed
    if not wanted.compared:
        return None, None, "not judged: training.recognition.compared is false"
    if teaching.carried is None or teaching.curves is None or season.samples is None or not teaching.carried.num_rows:
        return None, None, f"not judged: {teaching.lacking or 'there is no past season with labelled curves'}"
    past = classification.past_curves(
        teaching.carried,
        seasons=wanted.seasons,
        crops=wanted.crops,
        least_samples=wanted.least_samples,
        most=MOST_CURVES,
        seed=seed,
    )
    seen = np.isfinite(teaching.curves).any(axis=(1, 2)) & np.isin(season.samples.label_ids, samples.label_ids)
    rows = np.flatnonzero(seen)
    if len(rows) > MOST_CURVES:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_CURVES])
    judged = season.samples.subset(rows)
    histories = {} if judged.segment_ids is None else histories_of(season, past, judged.segment_ids)
    shares, notes = classification.assumed_shares(past, wanted.target_shares)
    answer = classification.recognise(
        past.series,
        past.labels.tolist(),
        past.seasons.tolist(),
        teaching.curves[rows],
        places=past.places.tolist(),
        **histories,
        target_places=classification.place_keys(judged.groups.tolist(), season.training.block_size_m),
        target_shares=shares,
        seed=seed,
        settings=SMALL_MEMBERS,
    )
    overall = classification.accuracy(
        judged.y,
        answer.labels.astype(str),
        confidence=answer.probabilities.max(axis=1),
        weights=judged.weights,
    )
    taught = ", ".join(sorted(set(past.seasons.tolist())))
    return (
        overall,
        answer.gate,
        (
            f"{len(past)} curves of {taught} name {len(judged.y)} labelled segments of this season, which teach nothing here: "
            f"overall accuracy {overall.overall_accuracy:.3f}, with small members, so training.model recognition does as well or "
            f"better; {'; '.join(notes)}"
        ),
    )
