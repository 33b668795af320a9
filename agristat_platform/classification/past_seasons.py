"""Which labelled curves of past seasons teach recognition of a season, and what the season's classes are taken to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.classification.errors import InvalidSharesError
from agristat_platform.classification.feature_columns import column_matrix
from agristat_platform.classification.labels import listed
from agristat_platform.classification.teaching_series import DroppedCurve, curves_of
from agristat_platform.features import HISTORY_PREFIX

MOST_OF_THE_GROUND = 0.5
_SHARE = f"{HISTORY_PREFIX}y1_share_"
COMES_BACK = 0.05  # of the shares with `last_season`


@dataclass(frozen=True)
class PastCurves:
    """Labelled curves that teach; row i of every array belongs together.

    Attributes
    ----------
    series:
        float32 (n, samples, channels), NaN = missing.
    labels, seasons, places:
        str (n,): crop code, key of the season, key of the place.
    label_ids:
        str (n,), unique within a season.
    histories:
        (n,) crop of a year before by the map, None where it isn't known.
    dropped:
        Curves of past seasons that don't teach, with the reason.
    """

    series: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]
    seasons: npt.NDArray[np.str_]
    places: npt.NDArray[np.str_]
    label_ids: npt.NDArray[np.str_]
    histories: tuple[str | None, ...]
    dropped: tuple[DroppedCurve, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Codes that are taught, sorted."""
        return tuple(sorted(set(self.labels.tolist())))

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Number of curves that don't teach, by reason."""
        return dict(sorted(Counter(row[3] for row in self.dropped).items()))


def past_curves(
    carried: pa.Table,
    *,
    seasons: int | None = None,
    crops: Collection[str] | None = None,
    least_samples: int = 3,
    most: int | None = None,
    seed: int = 0,
) -> PastCurves:
    """Choose the curves that teach among those of past seasons.

    Parameters
    ----------
    carried:
        `teaching_series.carried_rows`.
    seasons:
        The number of seasons that teach, the latest; None: all (`older_season`).
    crops:
        Codes that may be recognised; None: all (`not_among_crops`).
    least_samples:
        A crop with fewer curves in these seasons is left out (`too_few_samples`).
    most, seed:
        The number of curves that teach at most, drawn at random with this seed (`not_drawn`); None: all.
    """
    columns = {name: carried[name].to_pylist() for name in ("season", "label_id", "crop_code", "place")}
    latest = sorted(set(columns["season"]))[-seasons if seasons else None :]
    reasons = [
        "older_season"
        if season not in latest
        else "not_among_crops"
        if crops is not None and code not in crops
        else None
        for season, code in zip(columns["season"], columns["crop_code"], strict=True)
    ]
    usable = [i for i, reason in enumerate(reasons) if reason is None]
    if most is not None and len(usable) > most:
        for i in np.random.default_rng(seed).permutation(usable)[most:].tolist():
            reasons[i] = "not_drawn"
    number = Counter(code for code, reason in zip(columns["crop_code"], reasons, strict=True) if reason is None)
    few = {code for code, count in number.items() if count < least_samples}
    reasons = [
        "too_few_samples" if reason is None and code in few else reason
        for code, reason in zip(columns["crop_code"], reasons, strict=True)
    ]
    detail = {
        "older_season": f"the latest {seasons} seasons teach",
        "not_among_crops": "crops leaves it out",
        "not_drawn": f"{most} curves were drawn at random",
        "too_few_samples": f"fewer than {least_samples} curves of its crop",
    }
    dropped: list[DroppedCurve] = [
        (columns["season"][i], columns["label_id"][i], columns["crop_code"][i], reason, detail[reason])
        for i, reason in enumerate(reasons)
        if reason is not None
    ]
    rows = carried.take(pa.array([i for i, reason in enumerate(reasons) if reason is None], pa.int64()))
    texts = {name: np.array(rows[name].to_pylist(), dtype=str) for name in columns}
    return PastCurves(
        curves_of(rows),
        texts["crop_code"],
        texts["season"],
        texts["place"],
        texts["label_id"],
        tuple(rows["previous_crop_code"].to_pylist()),
        tuple(dropped),
    )


def crops_before(features: pa.Table, codes: Collection[str]) -> list[str | None]:
    """Crop that the map of a year before shows on most of each segment's ground (n,), None where none covers half of it.

    Parameters
    ----------
    features:
        (n rows) with the columns of `history_columns` that there are.
    codes:
        Those that count: of the nomenclature.
    """
    columns = [name for name in history_columns(codes) if name in features.column_names]
    if not columns or not features.num_rows:
        return [None] * features.num_rows
    share = np.nan_to_num(column_matrix(features, columns))
    most = share.argmax(axis=1)
    names = [name.removeprefix(_SHARE) for name in columns]
    clear = share[np.arange(len(share)), most] >= MOST_OF_THE_GROUND
    return [names[i] if enough else None for i, enough in zip(most.tolist(), clear.tolist(), strict=True)]


def history_columns(codes: Collection[str]) -> list[str]:
    """Columns of the wide table that tell which crop stood on a segment a year before."""
    return [f"{_SHARE}{code}" for code in codes]


def assumed_shares(
    past: PastCurves, wanted: Literal["unknown", "last_season"] | Mapping[str, float]
) -> tuple[dict[str, float] | None, tuple[str, ...]]:
    """Shares of the classes that are taught in the season to be recognised, None = unknown, and what is to be said of them.

    Official shares may name crops of which no curve teaches: these can't be recognised, and the others' shares are raised
    to sum to 1.

    Raises
    ------
    InvalidSharesError
        No crop that they name is taught.
    """
    if wanted == "unknown":
        return None, ("shares of crops in this season are unknown: the gate chose what to assume",)
    if wanted == "last_season":
        last = max(past.seasons.tolist())
        codes = past.labels[past.seasons == last].tolist()
        # a crop that the last season happens not to show can still come back
        equal = COMES_BACK / len(past.classes)
        shares = {code: (1 - COMES_BACK) * codes.count(code) / len(codes) + equal for code in past.classes}
        return shares, (
            f"shares of crops are those of the labelled curves of season {last}, {COMES_BACK:.0%} of them spread evenly",
        )
    official: Mapping[str, float] = wanted
    known = {code: share for code, share in official.items() if code in past.classes}
    total = sum(known.values())
    if total <= 0:
        raise InvalidSharesError(
            f"target_shares name {listed(official)}, and no curve of a past season teaches any of them",
            remedy=f"Give shares of crops that are taught: {listed(past.classes, 30)}",
        )
    notes = ["shares of crops were given"]
    untaught = {code: share for code, share in official.items() if code not in known and share > 0}
    if untaught:
        notes.append(
            f"given shares of {listed(f'{code} ({share:.1%})' for code, share in untaught.items())} can't be met: "
            "no curve of a past season teaches these crops"
        )
    absent = [code for code in past.classes if not known.get(code)]
    if absent:
        notes.append(f"{listed(absent)} were taught but have no given share, so no segment is named so")
    return {code: share / total for code, share in known.items()}, tuple(notes)
