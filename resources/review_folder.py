"""Where reviewers' decisions are kept: one file a season in the home, with an untouched copy of everything that was handed in.

What belongs here: the folder and writing to it whole or not at all. What does not: what a decision is, and which can be used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from agristat_platform import simulation
from agristat_platform.catalogue import CropNomenclature, Partition, Region, Settings
from agristat_platform.classification import review
from agristat_platform.provenance import ExternalRecord, sha256_file
from resources.errors import ReviewFolderError
from resources.file_tree import LocalTree, open_tree

DECISIONS_FILE = "decisions.csv"
RECEIVED = "received"
RECEIVED_COLUMN = "received"
ABOUT = ("segment_id", "decided_by", "round", "drawn_for", "sample")


@dataclass(frozen=True)
class DeliveredDecisions:
    """Decisions as they came, whose they are, and the file they stand in."""

    decisions: review.ReadDecisions
    source: str
    external: tuple[ExternalRecord, ...]


@dataclass(frozen=True)
class ReviewFolder:
    """Decisions of every region and season.

    Attributes
    ----------
    settings: where the home is.
    """

    settings: Settings

    def decisions_file(self, region: Region, season: str) -> Path:
        """The file that decisions are read from; it need not exist."""
        if region.review.file:
            return self.settings.data_file(region.review.file, season)
        return self._root / region.code / season / DECISIONS_FILE

    def delivered(
        self,
        region: Region,
        season: str,
        to_review: pa.Table,
        nomenclature: CropNomenclature,
        *,
        drawn: Mapping[str, Sequence[int]],
        sample: str,
    ) -> DeliveredDecisions | None:
        """Decisions on a season's samples; None where nobody has decided anything yet.

        Parameters
        ----------
        to_review:
            `review.REVIEWERS_SCHEMA`.
        drawn, sample:
            Parcels by purpose, and the sample's name.

        Raises
        ------
        DecisionsError
            The file can't be read as decisions.
        LandscapeNotPreparedError
            The truth that simulated reviewers see isn't there.
        """
        if region.review.decisions == "simulation":
            table = simulation.simulate_decisions(self.settings.archive_dir, region, season, to_review, sample=sample)
            truth = self.settings.archive_dir / region.code / "truth" / season / "parcels.parquet"
            read = review.ReadDecisions(table, tuple(range(table.num_rows)), review.REFUSED_SCHEMA.empty_table())
            return DeliveredDecisions(read, "SIMULATED reviewers", (_record("simulated parcels", truth),))
        path = self.decisions_file(region, season)
        if not path.exists():
            return None
        written = review.written_decisions(path)
        read = review.read_decisions(written.rows, nomenclature, drawn=drawn)
        return DeliveredDecisions(read, f"reviewers, {path.name}", (_record("decisions", path),))

    def require_collecting(self, region: Region) -> None:
        """Decisions can be collected here: they are neither simulated nor in a file of the office's own.

        Raises
        ------
        ReviewFolderError
            They are.
        """
        where = f"config/regions/{region.code}.yaml: review"
        if region.review.decisions == "simulation":
            raise ReviewFolderError(
                f"decisions of {region.code} are simulated, so none are collected",
                where=where,
                remedy="Set review.decisions to file",
            )
        if region.review.file:
            raise ReviewFolderError(
                f"decisions of {region.code} are read from a file of its own, {region.review.file}",
                where=where,
                remedy="Write them there, or take review.file out to collect them here",
            )

    def add(
        self,
        region: Region,
        partition: Partition,
        rows: Sequence[review.WrittenRow],
        source: Path,
        *,
        received: datetime,
    ) -> tuple[Path, int]:
        """Add written rows to a season's decisions, and keep a copy of the file they came in.

        A row that says what the same person said last about the same parcel of the same sample is not added again. Readers
        see the old file or the new one, nothing in between; two imports wait for each other.

        Returns
        -------
        The file, and how many rows were new.

        Raises
        ------
        ReviewFolderError
            `require_collecting`.
        StorageError
            The folder can't be written; the decisions before are untouched.
        """
        self.require_collecting(region)
        tree = open_tree(str(self._root))
        assert isinstance(tree, LocalTree)
        folder = f"{region.code}/{partition.season}"
        with tree.locked(folder):
            before = self._rows_of(tree.read(f"{folder}/{DECISIONS_FILE}"))
            new = [rows[i] for i in new_words(before, rows)]
            copy = self._copy_name(tree, folder, received, source.name)
            tree.write(f"{folder}/{RECEIVED}/{copy}", source.read_bytes())
            named = [{**row, RECEIVED_COLUMN: copy} for row in new]
            tree.write(f"{folder}/{DECISIONS_FILE}", review.decisions_csv([*before, *named]))
        return self._root / folder / DECISIONS_FILE, len(new)

    @property
    def _root(self) -> Path:
        return self.settings.home / "review"

    @staticmethod
    def _copy_name(tree: LocalTree, folder: str, received: datetime, name: str) -> str:
        stamp = f"{received:%Y%m%dT%H%M%SZ}"
        taken = set(tree.names(f"{folder}/{RECEIVED}"))
        number = 1
        while (copy := f"{stamp}_{number}_{name}") in taken:
            number += 1
        return copy

    @staticmethod
    def _rows_of(content: bytes | None) -> list[dict[str, str]]:
        if content is None:
            return []
        return [dict(row) for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]


def new_words(before: Sequence[Mapping[str, str]], rows: Sequence[review.WrittenRow]) -> list[int]:
    """Which rows say something else than the same person said last about the same parcel of the same sample."""
    last = {tuple(row.get(name, "") for name in ABOUT): row.get("decision", "") for row in before}
    return [i for i, row in enumerate(rows) if last.get(tuple(row[name] for name in ABOUT)) != row["decision"]]


def _record(kind: str, path: Path) -> ExternalRecord:
    return ExternalRecord(kind=kind, id=path.name, href=path.as_uri(), sha256=sha256_file(path))
