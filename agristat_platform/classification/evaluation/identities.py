"""Who is who among samples: what must stay on one side of a fold, proof that it does, and labels that conflict.

A row-order join once put the series of one place on both sides of every fold and gave a false 99 %. So folds are made of
groups that hold every sample of a place, parcel, segment or block, and what they must not share is looked up afterwards.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.evaluation.errors import SharedIdentityError
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.labels import listed

IDENTITY_PROOF_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("identities", pa.int64(), nullable=False),
        pa.field("samples_without", pa.int64(), nullable=False),
        pa.field("on_both_sides", pa.int64(), nullable=False),
        pa.field("samples_concerned", pa.int64(), nullable=False),
        pa.field("examples", pa.list_(pa.string()), nullable=False),
    ]
)
CONFLICTS_SCHEMA = pa.schema(
    [
        pa.field("place", pa.string(), nullable=False),
        pa.field("season", pa.string()),
        pa.field("classes", pa.list_(pa.string()), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
    ]
)
CONFLICT_RULE = (
    "labels of different classes at one place in one season: all of them are dropped, since nothing says which is right"
)
_EXAMPLES = 5


def joined_groups(*identities: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Group of each sample, (n,), so that samples that share any identity, directly or through others, share a group.

    Parameters
    ----------
    identities:
        One sequence (n,) a kind: blocks, places, parcels, segments, …; None or NaN = the sample has none of this kind.
        A sample without any is a group of its own.

    Raises
    ------
    LengthMismatchError
        The sequences differ in length, or there is none.
    """
    n = _common_length({f"identities {i}": kind for i, kind in enumerate(identities)})
    left: list[int] = []
    right: list[int] = []
    for kind in identities:
        first: dict[str, int] = {}
        for row, value in enumerate(_values(kind)):
            if value is not None:
                left.append(first.setdefault(value, row))
                right.append(row)
    links = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def place_folds(
    y: npt.NDArray[Any], *identities: Sequence[Any] | npt.NDArray[Any], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """Fold (0 … folds − 1) of each sample: blocks in space, and every other identity, stay whole (`joined_groups`).

    Crops are spread over folds as `folds.blocked_folds` does. A place that lies in two blocks joins them.

    Raises
    ------
    LengthMismatchError
        Sequences differ in length.
    TooFewBlocksError
        Joined groups are fewer than folds.
    """
    _common_length({"labels": y, **{f"identities {i}": kind for i, kind in enumerate(identities)}})
    return blocked_folds(np.asarray(y), joined_groups(*identities), folds=folds, seed=seed)


def row_identities(values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """A hash of each sample's features (n, …), str (n,): equal ones are the same measurement under whatever name.

    "" where no value is finite: samples without any value are not the same sample for that.
    """
    rows = np.ascontiguousarray(np.asarray(values, dtype=np.float64).reshape(len(values), -1))
    rows[np.isnan(rows)] = np.nan  # one NaN, whatever its bits
    seen = np.atleast_1d(np.isfinite(rows).any(axis=1))
    return np.array(
        [hashlib.sha256(row.tobytes()).hexdigest()[:16] if s else "" for row, s in zip(rows, seen, strict=True)]
    )


@dataclass(frozen=True)
class IdentityProof:
    """What samples of different folds share.

    Attributes
    ----------
    table:
        A row a kind of identity (`IDENTITY_PROOF_SCHEMA`): how many there are, samples that have none, identities on both
        sides of a fold, samples they concern, and some of them by name.
    """

    table: pa.Table

    @property
    def holds(self) -> bool:
        """Whether no identity is on both sides."""
        return not any(self.table["on_both_sides"].to_pylist())

    def require(self) -> IdentityProof:
        """Return itself.

        Raises
        ------
        SharedIdentityError
            Something is on both sides; kinds, numbers and examples are named.
        """
        shared = [row for row in self.table.to_pylist() if row["on_both_sides"]]
        if shared:
            raise SharedIdentityError(
                "; ".join(f"{row['on_both_sides']} of {row['identities']} {row['kind']} identities" for row in shared)
                + " are both learned from and judged by",
                where="; ".join(f"{row['kind']} {listed(row['examples'])}" for row in shared),
                remedy="Make folds with evaluation.place_folds, and join features by identifier, never by row order",
            )
        return self


def fold_identities(
    fold: npt.NDArray[Any],
    identities: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    *,
    values: npt.NDArray[Any] | None = None,
) -> IdentityProof:
    """Look for identities that stand in more than one fold.

    Parameters
    ----------
    fold:
        Fold of each sample, (n,); with two values, training and validation.
    identities:
        By kind (place, parcel, segment, label, block, …), (n,) each; None or NaN = none.
    values:
        Features or series (n, …): equal rows count as one identity of the kind "values". This finds samples that were
        copied under another name, or joined to another's features.

    Raises
    ------
    LengthMismatchError
        Sequences differ in length.
    """
    kinds: dict[str, Sequence[Any] | npt.NDArray[Any]] = dict(identities)
    if values is not None:
        kinds["values"] = [name or None for name in row_identities(values).tolist()]
    _common_length({"folds": fold, **kinds})
    sides = np.asarray(fold).tolist()
    return IdentityProof(
        pa.Table.from_pylist(
            [_proof(kind, given, sides) for kind, given in kinds.items()], schema=IDENTITY_PROOF_SCHEMA
        )
    )


@dataclass(frozen=True)
class LabelConflicts:
    """Samples that can be used, and places whose labels contradict each other.

    Attributes
    ----------
    kept:
        bool (n,): False for every sample of a conflicting place, by `CONFLICT_RULE`.
    table:
        A row a conflicting place and season (`CONFLICTS_SCHEMA`), in the order of places.
    counts:
        `conflicting_places`, `conflicting_labels` (dropped), `labels_without_place` (kept: nothing to compare with).
    """

    kept: npt.NDArray[np.bool_]
    table: pa.Table
    counts: dict[str, int]


def conflicting_labels(
    labels: Sequence[Any] | npt.NDArray[Any],
    places: Sequence[Any] | npt.NDArray[Any],
    seasons: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> LabelConflicts:
    """Find places that carry labels of different classes in one season, and drop them by `CONFLICT_RULE`.

    Parameters
    ----------
    labels, places:
        Class and place of each sample, (n,). A place is any key, such as a rounded position; None or NaN = unknown.
    seasons:
        (n,), where samples are of several: different crops in different seasons are rotation, not conflict.

    Raises
    ------
    LengthMismatchError
        Sequences differ in length.
    """
    _common_length({"labels": labels, "places": places} | ({} if seasons is None else {"seasons": seasons}))
    when = [None] * len(labels) if seasons is None else _values(seasons)
    at: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    names, where = _values(labels), _values(places)
    for row, place in enumerate(where):
        if place is not None:
            at[(place, when[row])].append(row)
    kept = np.ones(len(names), dtype=bool)
    rows: list[dict[str, Any]] = []
    for place, season in sorted(at, key=str):
        members = at[(place, season)]
        classes = sorted({str(names[row]) for row in members})
        if len(classes) > 1:
            kept[members] = False
            rows.append({"place": place, "season": season, "classes": classes, "samples": len(members)})
    counts = {
        "conflicting_places": len(rows),
        "conflicting_labels": int((~kept).sum()),
        "labels_without_place": sum(place is None for place in where),
    }
    return LabelConflicts(kept, pa.Table.from_pylist(rows, schema=CONFLICTS_SCHEMA), counts)


def _proof(kind: str, given: Sequence[Any] | npt.NDArray[Any], sides: list[Any]) -> dict[str, Any]:
    found: dict[str, set[Any]] = defaultdict(set)
    size: dict[str, int] = defaultdict(int)
    for value, side in zip(_values(given), sides, strict=True):
        if value is not None:
            found[value].add(side)
            size[value] += 1
    shared = [value for value, at in found.items() if len(at) > 1]
    return {
        "kind": kind,
        "identities": len(found),
        "samples_without": len(sides) - sum(size.values()),
        "on_both_sides": len(shared),
        "samples_concerned": sum(size[value] for value in shared),
        "examples": sorted(shared)[:_EXAMPLES],
    }


def _values(given: Sequence[Any] | npt.NDArray[Any]) -> list[str | None]:
    listed_values = given.tolist() if isinstance(given, np.ndarray) else list(given)
    return [None if value is None or value != value else str(value) for value in listed_values]


def _common_length(sequences: Mapping[str, Any]) -> int:
    lengths = {name: len(sequence) for name, sequence in sequences.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{number} {name}" for name, number in lengths.items()) or "nothing"
        raise LengthMismatchError(f"{told} given", remedy="Give one of each for every sample")
    return next(iter(lengths.values()))
