"""Decisions as people write them: a table from a text editor, a spreadsheet or a GIS, read into decisions.

Which of the rows can be used is told in `decisions`; here only what can't be read at all is set apart.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.decisions import (
    AUDIT,
    DECISIONS_SCHEMA,
    LEARNING,
    NO_CROP,
    REFUSED_SCHEMA,
)
from agristat_platform.classification.review.errors import DecisionsError

KINDS = (".csv", ".parquet", ".gpkg")
EXPORTED_LAYER = "to_review"
NEEDED = ("segment_id", "decision")
COLUMNS = ("segment_id", "decision", "decided_by", "decided_at", "round", "drawn_for", "note", "sample")
_OTHER_NAMES = {"purpose": "drawn_for"}
_LARGEST_ID = 2**32 - 1

WrittenRow = dict[str, str]


@dataclass(frozen=True)
class WrittenDecisions:
    """Rows of a file in which something was decided, as text, spaces at the ends taken off.

    Attributes
    ----------
    rows:
        By `COLUMNS`; "" where nothing stands.
    numbers:
        Number of each in its file, from 1, without the header.
    undecided:
        Rows without a decision.
    """

    rows: tuple[WrittenRow, ...]
    numbers: tuple[int, ...]
    undecided: int


@dataclass(frozen=True)
class ReadDecisions:
    """Written decisions as a table, and the rows that can't be.

    Attributes
    ----------
    table:
        `DECISIONS_SCHEMA`.
    numbers:
        Position among the written rows of each row of `table`.
    unreadable:
        `REFUSED_SCHEMA`, `row` the position among the written rows.
    """

    table: pa.Table
    numbers: tuple[int, ...]
    unreadable: pa.Table


def written_decisions(path: Path) -> WrittenDecisions:
    """Read a CSV (comma, semicolon or tab; UTF-8 or Windows-1252), Parquet or GeoPackage file of decisions.

    Raises
    ------
    DecisionsError
        The file isn't there, can't be read, or lacks a column it must have.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise DecisionsError(
            f"decisions can't be read from a {kind or 'nameless'} file",
            where=str(path),
            remedy="Use .csv, .parquet or .gpkg",
        )
    try:
        rows = _csv_rows(path) if kind == ".csv" else _table_rows(path)
    except FileNotFoundError as reason:
        raise DecisionsError("the file of decisions is not there", where=str(path)) from reason
    except (OSError, pa.ArrowInvalid, csv.Error, pyogrio.errors.DataSourceError) as reason:
        raise DecisionsError(f"the file of decisions can't be read: {reason}", where=str(path)) from reason
    names, records = rows
    absent = [name for name in NEEDED if name not in names]
    if absent:
        raise DecisionsError(
            f"the file has no column {listed(absent)}",
            where=str(path),
            remedy=f"Its columns are {listed(names)}. Keep the first row as it was exported",
        )
    decided = [(number, row) for number, row in enumerate(records, 1) if row["decision"]]
    blank = sum(1 for row in records if not row["decision"])
    return WrittenDecisions(tuple(row for _, row in decided), tuple(number for number, _ in decided), blank)


def read_decisions(
    rows: Sequence[WrittenRow], nomenclature: CropNomenclature, *, drawn: Mapping[str, Sequence[int]]
) -> ReadDecisions:
    """Make decisions of written rows.

    A crop may be named by its code or one of its names, capitals or not. A time without a zone is UTC, a date its first minute. Without a
    round it is the first. A row that doesn't say what the parcel was drawn for gets it from the samples.

    Parameters
    ----------
    drawn:
        Parcels of the audit and of the learning queue.
    """
    words = _words(nomenclature)
    members = {name: {int(i) for i in drawn.get(name, ())} for name in (AUDIT, LEARNING)}
    table: list[dict[str, Any]] = []
    numbers: list[int] = []
    unreadable: list[dict[str, Any]] = []
    for position, row in enumerate(rows):
        parcel = _whole(row["segment_id"])
        fault = _unreadable(row, parcel)
        purpose = row["drawn_for"].lower() or next((name for name in members if parcel in members[name]), "")
        if not fault and not purpose:
            fault = "not in the sample", "the parcel was drawn neither for the audit nor for learning"
        if fault:
            known = parcel is not None and 0 <= parcel <= _LARGEST_ID
            unreadable.append(
                {"row": position, "segment_id": parcel if known else None, "reason": fault[0], "detail": fault[1]}
            )
            continue
        numbers.append(position)
        table.append(
            {
                "segment_id": parcel,
                "decision": words.get(row["decision"].casefold(), row["decision"]),
                "decided_by": row["decided_by"],
                "decided_at": _moment(row["decided_at"]),
                "round": _whole(row["round"] or "1"),
                "drawn_for": purpose,
                "note": row["note"] or None,
                "sample": row["sample"] or None,
            }
        )
    return ReadDecisions(
        pa.Table.from_pylist(table, schema=DECISIONS_SCHEMA),
        tuple(numbers),
        pa.Table.from_pylist(unreadable, schema=REFUSED_SCHEMA),
    )


def signed(
    rows: Sequence[WrittenRow], *, by: str, at: datetime, sample: str, turn: int | None = None
) -> tuple[WrittenRow, ...]:
    """Rows with who, when, which round and which sample filled in where they don't say; what they say stays as it is.

    Parameters
    ----------
    by, at:
        Who hands them in, and when.
    sample:
        `decisions.sample_name` of the present sample.
    turn:
        Round of review; None: the first.
    """
    filled = {
        "decided_by": by,
        "decided_at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "round": str(turn or 1),
        "sample": sample,
    }
    return tuple({name: value or filled.get(name, "") for name, value in row.items()} for row in rows)


def decisions_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Rows as CSV: UTF-8, comma, columns in the order they first occur in."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _csv_rows(path: Path) -> tuple[list[str], list[WrittenRow]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # what spreadsheets call CSV
    header = text.partition("\n")[0]
    delimiter = max((";", "\t", ","), key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = [line for line in reader if any(cell.strip() for cell in line)]
    if not lines:
        raise DecisionsError("the file of decisions is empty", where=str(path), remedy="Export the queue again")
    names = [_name(cell) for cell in lines[0]]
    return names, [_row(dict(zip(names, line, strict=False))) for line in lines[1:]]


def _table_rows(path: Path) -> tuple[list[str], list[WrittenRow]]:
    if path.suffix.lower() == ".gpkg":
        table = pyogrio.read_arrow(path, layer=_layer(path), read_geometry=False)[1]
    else:
        table = pq.read_table(path)
    kept = [name for name in table.column_names if _name(name) in COLUMNS]
    return [_name(name) for name in table.column_names], [
        _row({_name(name): value for name, value in row.items()}) for row in table.select(kept).to_pylist()
    ]


def _layer(path: Path) -> str:
    """The layer as it was exported, or the only one."""
    names = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    if EXPORTED_LAYER in names:
        return EXPORTED_LAYER
    if len(names) != 1:
        raise DecisionsError(
            f"the file has {len(names)} layers and none is {EXPORTED_LAYER}", where=str(path), remedy="Keep one of them"
        )
    return names[0]


def _name(column: str) -> str:
    plain = column.strip().lower()
    return _OTHER_NAMES.get(plain, plain)


def _row(given: Mapping[str, Any]) -> WrittenRow:
    return {name: _text(given.get(name)) for name in COLUMNS}


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value).strip()


def _words(nomenclature: CropNomenclature) -> dict[str, str]:
    """Code by what it may be called; a name that two crops share is none."""
    words: dict[str, str] = {}
    twice: set[str] = set()
    for crop in nomenclature.crops:
        for name in {text.casefold() for text in (*crop.name.values(), *crop.labels)}:
            twice |= {name} if name in words else set()
            words[name] = crop.code
    words = {name: code for name, code in words.items() if name not in twice}
    words.update({crop.code.casefold(): crop.code for crop in nomenclature.crops})
    words.update({word.casefold(): word for word in NO_CROP})
    return words


def _unreadable(row: WrittenRow, parcel: int | None) -> tuple[str, str] | None:
    if parcel is None or not 0 < parcel <= _LARGEST_ID:
        return "no parcel", f"{row['segment_id']!r} is no number of a parcel"
    if not row["decided_by"]:
        return "nobody named", "decided_by is empty"
    if _moment(row["decided_at"]) is None:
        said = f"{row['decided_at']!r} is no time" if row["decided_at"] else "decided_at is empty"
        return "no time", f"{said}; write it as 2025-06-30 or 2025-06-30T14:05"
    turn = _whole(row["round"] or "1")
    if turn is None or not 1 <= turn <= 1000:
        return "no round", f"{row['round']!r} is no number of a round"
    return None


def _whole(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
