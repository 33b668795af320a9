"""The desk of a season's review: parcels go out, decisions come in, and somebody asks how far it is.

What belongs here: bringing samples, the folder of decisions and the store together. What a decision is stands in
`classification.review`, where the files lie in `resources.review_folder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.catalogue import Catalogue, Partition, Region
from agristat_platform.classification import review
from agristat_platform.provenance import sha256_file
from resources.review_folder import ReviewFolder, new_words
from resources.storage import Store, StoredVersion


@dataclass(frozen=True)
class Receipt:
    """What became of a file of decisions.

    Attributes
    ----------
    rows, undecided, known: rows with a decision and without, and how many of the decisions were there before.
    refused: rows that can't be used: `row` (in the file, from 1, without its header), `segment_id`, `reason`, `detail`.
    kept: the file they are in now and how many of the rows were new to it; None where nothing was to be kept.
    progress: of the review, with these rows.
    """

    rows: int
    undecided: int
    known: int
    refused: tuple[dict[str, Any], ...]
    kept: tuple[Path, int] | None
    progress: review.ReviewProgress


@dataclass(frozen=True)
class ReviewDesk:
    """One region and season.

    Attributes
    ----------
    catalogue: regions, nomenclatures and settings.
    partition: which season.
    samples: current `review_samples`.
    """

    catalogue: Catalogue
    partition: Partition
    samples: StoredVersion

    @classmethod
    def open(cls, catalogue: Catalogue, store: Store, partition: Partition) -> ReviewDesk:
        """The desk; NotMaterialisedError where no samples were drawn yet."""
        return cls(catalogue, partition, store.current("review_samples", partition))

    @property
    def region(self) -> Region:
        """The region."""
        return self.catalogue.region(self.partition.region)

    @property
    def sample(self) -> str:
        """Name of the sample."""
        return str(self.samples.manifest.parameters["sample"])

    @property
    def folder(self) -> ReviewFolder:
        """Where decisions are kept."""
        return ReviewFolder(self.catalogue.settings)

    @cached_property
    def decisions_file(self) -> Path:
        """The file they are read from; it need not exist."""
        return self.folder.decisions_file(self.region, self.partition.season)

    @cached_property
    def _drawn(self) -> dict[str, list[int]]:
        return {
            purpose: self.samples.table(table, columns=["segment_id"])["segment_id"].to_pylist()
            for purpose, table in ((review.AUDIT, "audit"), (review.LEARNING, "learning_queue"))
        }

    def to_review(self, *, waiting: bool = False) -> pa.Table:
        """`review.REVIEWERS_SCHEMA`; with `waiting` only parcels that nobody has decided."""
        table = self.samples.table("to_review")
        if not waiting:
            return table
        accepted = self.progress(self._kept_rows()).accepted
        return table.filter(pc.invert(pc.is_in(table["segment_id"], accepted["segment_id"].combine_chunks())))

    def receive(self, file: Path, *, by: str, turn: int | None = None, keep: bool = True) -> Receipt:
        """Check a file of decisions against the samples and what was decided before, and keep it.

        Parameters
        ----------
        by, turn:
            Who decided, and the round, where a row doesn't say.
        keep:
            False only checks.

        Raises
        ------
        ReviewFolderError
            The region's decisions are not collected here.
        DecisionsError
            The file, or the one of the decisions before, can't be read; nothing is kept.
        StorageError
            The folder can't be written; nothing is kept.
        """
        self.folder.require_collecting(self.region)
        now = datetime.now(UTC)
        written = review.written_decisions(file)
        rows = review.signed(written.rows, by=by, at=now, sample=self.sample, turn=turn)
        before = self._kept_rows()
        new = new_words(before, rows)
        progress = self.progress([*before, *(rows[i] for i in new)])
        refused = tuple(
            {**row, "row": written.numbers[new[row["row"] - len(before)]]}
            for row in progress.refused.to_pylist()
            if row["row"] >= len(before)
        )
        kept = self.folder.add(self.region, self.partition, rows, file, received=now) if keep else None
        return Receipt(len(rows), written.undecided, len(rows) - len(new), refused, kept, progress)

    def progress(self, rows: Sequence[review.WrittenRow] | None = None) -> review.ReviewProgress:
        """How far the review is with some written rows; None: with those that are kept."""
        nomenclature = self.catalogue.nomenclature(self.region.code)
        read = review.read_decisions(self._kept_rows() if rows is None else rows, nomenclature, drawn=self._drawn)
        return review.review_progress(
            read,
            nomenclature,
            drawn=self._drawn,
            sample=self.sample,
            parcels=self.samples.table("flags", columns=["segment_id"])["segment_id"].to_pylist(),
        )

    def published(self, store: Store) -> str:
        """Whether the reviewed map has these decisions, as a sentence."""
        if not store.is_materialised("reviewed_maps", self.partition):
            return "no reviewed map was published yet"
        decisions = store.current("review_decisions", self.partition)
        reviewed = store.current("reviewed_maps", self.partition)
        known = {record.sha256 for record in decisions.manifest.external if record.kind == "decisions"}
        here = {sha256_file(self.decisions_file)} if self.decisions_file.exists() else set()
        used = {record.version for record in reviewed.manifest.inputs if record.asset == "review_decisions"}
        drawn = {record.version for record in decisions.manifest.inputs if record.asset == "review_samples"}
        if known == here and used == {decisions.version} and drawn == {self.samples.version}:
            return f"the reviewed map {reviewed.version[:12]} has all of them"
        return f"the reviewed map {reviewed.version[:12]} does not have all of them yet"

    def _kept_rows(self) -> tuple[review.WrittenRow, ...]:
        return review.written_decisions(self.decisions_file).rows if self.decisions_file.exists() else ()
