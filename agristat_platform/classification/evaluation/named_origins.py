"""Recognition judged by a rolling origin: each past season with labels, named by the curves of the seasons before it.

Not here: which seasons can be named (`origins`), how recognition chooses (`cross_season`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.cross_season import MemberSettings, teach
from agristat_platform.classification.errors import ClassificationError
from agristat_platform.classification.evaluation.accuracy_report import AccuracyReport, accuracy_report
from agristat_platform.classification.evaluation.identities import fold_identities
from agristat_platform.classification.evaluation.origins import rolling_origins

SEASON = "season"
_FIGURES = ("overall_accuracy", "macro_f1", "least_recall", "expected_calibration_error")
ORIGINS_SCHEMA = pa.schema(
    [
        pa.field("season", pa.string(), nullable=False),
        pa.field("taught_by", pa.string(), nullable=False, metadata={"description": "seasons whose curves teach"}),
        pa.field("curves", pa.int64(), nullable=False, metadata={"description": "labelled curves that teach"}),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field(
            "unseen_samples", pa.int64(), nullable=False, metadata={"description": "of classes not taught: wrong"}
        ),
        *(
            pa.field(f"{figure}{part}", pa.float64(), metadata={"description": f"{figure.replace('_', ' ')}{said}"})
            for figure in _FIGURES
            for part, said in (("", ""), ("_low", ", lower limit of the 95 % interval"), ("_high", ", upper limit"))
        ),
        pa.field(
            "gate_passed",
            pa.bool_(),
            nullable=False,
            metadata={"description": "recognition beat the commonest class before"},
        ),
    ]
)


@dataclass(frozen=True)
class LabelledCurves:
    """Labelled curves of several seasons; row i of every array belongs together.

    Attributes
    ----------
    series: (n, steps, features), NaN = missing.
    labels, seasons, places, label_ids: (n,); places are held out whole, identifiers are unique within a season.
    """

    series: npt.NDArray[Any]
    labels: npt.NDArray[np.str_]
    seasons: npt.NDArray[np.str_]
    places: npt.NDArray[np.str_]
    label_ids: npt.NDArray[np.str_]


@dataclass(frozen=True)
class NamedOrigins:
    """What came of naming past seasons.

    Attributes
    ----------
    table: a row a season that was named (`ORIGINS_SCHEMA`).
    report: figures of all of them, and of each in the grouping `season`; None where none was named.
    shared: what taught a season and was judged in it as well: "<season> <kind> <name>"; empty when all is well.
    not_named: by season, why.
    """

    table: pa.Table
    report: AccuracyReport | None
    shared: tuple[str, ...]
    not_named: dict[str, str]


def named_origins(
    curves: LabelledCurves,
    nomenclature: CropNomenclature,
    *,
    latest: int = 3,
    least_samples: int = 3,
    most: int | None = None,
    settings: MemberSettings | None = None,
    seed: int = 0,
) -> NamedOrigins:
    """Name the labelled curves of each of the latest seasons by recognition that all earlier ones teach.

    Shares of classes are taken as unknown: what a later season was like is not known beforehand. Intervals are those of
    `accuracy_report`, by places.

    Parameters
    ----------
    latest:
        The number of seasons to name, counted from the last.
    least_samples:
        A class with fewer curves before a season does not teach it; its samples there count as wrong.
    most:
        Curves that teach, and curves named, at most, drawn at random with `seed`; None: all.
    settings:
        Of the members; None for the defaults.

    Raises
    ------
    LengthMismatchError, InvalidSeasonsError
        See `origins.rolling_origins`.
    """
    origins = rolling_origins(curves.labels, curves.seasons)[-latest:]
    rows: list[dict[str, Any]] = []
    told: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.float64]]] = []
    not_named: dict[str, str] = {}
    shared: list[str] = []
    random = np.random.default_rng(seed)
    for origin in origins:
        training, target = _drawn(origin.training, most, random), _drawn(origin.target, most, random)
        codes, counts = np.unique(curves.labels[training], return_counts=True)
        training = training[np.isin(curves.labels[training], codes[counts >= least_samples])]
        shared += _shared(curves, training, target, str(origin.season))
        try:
            taught = teach(
                curves.series[training],
                curves.labels[training].tolist(),
                curves.seasons[training].tolist(),
                places=curves.places[training].tolist(),
                seed=seed,
                settings=settings,
            )
            answer = taught.recognise(curves.series[target], target_places=curves.places[target].tolist())
        except ClassificationError as error:
            not_named[str(origin.season)] = str(error)
            continue
        named = np.isfinite(answer.probabilities).all(axis=1)
        if len(set(curves.labels[target[named]].tolist())) < 2:
            not_named[str(origin.season)] = "fewer than two classes have a curve to name"
            continue
        told.append((target[named], answer.labels[named].astype(str), answer.probabilities[named].max(axis=1)))
        rows.append(
            {
                "season": str(origin.season),
                "taught_by": ", ".join(sorted(set(curves.seasons[training].tolist()))),
                "curves": len(training),
                "samples": int(named.sum()),
                "unseen_samples": int((~np.isin(curves.labels[target[named]], answer.classes)).sum()),
                "gate_passed": answer.gate.passed,
            }
        )
    report = _report(curves, told, nomenclature, seed)
    if report is not None:
        rows = [{**row, **_figures(report, row["season"])} for row in rows]
    return NamedOrigins(pa.Table.from_pylist(rows, schema=ORIGINS_SCHEMA), report, tuple(shared), not_named)


def _drawn(rows: npt.NDArray[np.int64], most: int | None, random: np.random.Generator) -> npt.NDArray[np.int64]:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(random.permutation(rows)[:most])


def _shared(
    curves: LabelledCurves, training: npt.NDArray[np.int64], target: npt.NDArray[np.int64], season: str
) -> list[str]:
    """Labels, or curves with all their values, that stand on both sides."""
    both = np.concatenate([training, target])
    proof = fold_identities(
        np.repeat([0, 1], [len(training), len(target)]),
        {"label": [f"{curves.seasons[i]} {curves.label_ids[i]}" for i in both.tolist()]},
        values=curves.series[both],
    )
    return [f"{season} {row['kind']} {name}" for row in proof.table.to_pylist() for name in row["examples"]]


def _report(
    curves: LabelledCurves,
    told: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.float64]]],
    nomenclature: CropNomenclature,
    seed: int,
) -> AccuracyReport | None:
    if not told:
        return None
    rows = np.concatenate([one[0] for one in told])
    return accuracy_report(
        curves.labels[rows],
        np.concatenate([one[1] for one in told]),
        nomenclature=nomenclature,
        confidence=np.concatenate([one[2] for one in told]),
        places=curves.places[rows],
        groupings={SEASON: curves.seasons[rows]},
        seed=seed,
    )


def _figures(report: AccuracyReport, season: str) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for name in _FIGURES:
        row = report.value(name, grouping=SEASON, group=season) or {"value": None, "ci_low": None, "ci_high": None}
        figures |= {name: row["value"], f"{name}_low": row["ci_low"], f"{name}_high": row["ci_high"]}
    return figures
