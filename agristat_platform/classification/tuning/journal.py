"""The journal of a study: every candidate's result on every fold, written as it comes, so that a killed study continues.

The search itself keeps no state on disk. It is repeated from its seed, and what the journal knows costs no time.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from agristat_platform.classification.tuning.errors import TuningJournalError

FORMAT = "agristat tuning journal"
FORMAT_VERSION = 1
JOURNAL_FILE = "journal.jsonl"


@dataclass(frozen=True)
class FoldResult:
    """A candidate on one fold.

    Attributes
    ----------
    losses, weights:
        Weighted sum of log losses, at the fold's best temperature, and sum of weights of each block of the fold, in the
        order of their names.
    confusion:
        Counts by reference and predicted class, row by row.
    untaught:
        Samples of classes that the fold's model was not taught; they are not in the losses.
    features:
        Features that the model takes.
    seconds:
        Time of fitting and judging.
    """

    losses: tuple[float, ...]
    weights: tuple[float, ...]
    confusion: tuple[int, ...]
    untaught: int
    features: int
    seconds: float

    @property
    def counts(self) -> np.ndarray:
        """The confusion as a matrix, int64 (k, k)."""
        classes = round(len(self.confusion) ** 0.5)
        return np.array(self.confusion, dtype=np.int64).reshape(classes, classes)


class Journal:
    """Results by candidate and fold, in memory and, with a folder, in a file of JSON lines.

    Parameters
    ----------
    folder:
        Made if need be; None keeps everything in memory.
    fingerprint:
        Of the data and all that a result depends on; a journal of another one is refused.

    Raises
    ------
    TuningJournalError
        The file is of other data, of another format, damaged before its last line, or in use by another process.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.results: dict[tuple[str, int], FoldResult] = {}
        self._stream: IO[bytes] | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(folder / JOURNAL_FILE, fingerprint)

    @property
    def seconds(self) -> float:
        """Time of all results, also of earlier processes."""
        return sum(result.seconds for result in self.results.values())

    def add(self, candidate: str, fold: int, result: FoldResult) -> None:
        """Keep a result; on disk when this returns."""
        self.results[candidate, fold] = result
        if self._stream is not None:
            self._write({"candidate": candidate, "fold": fold, **asdict(result)})

    def close(self) -> None:
        """Give the file back to others."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, path: Path, fingerprint: str) -> None:
        stream = path.open("a+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            stream.close()
            raise TuningJournalError(
                "another process is tuning with this journal",
                where=str(path),
                remedy="Wait for it to end, or give another folder",
            ) from reason
        try:
            self._read(stream, path, fingerprint)
        except BaseException:
            stream.close()
            raise
        self._stream = stream
        if path.stat().st_size == 0:
            self._write({"format": FORMAT, "format_version": FORMAT_VERSION, "fingerprint": fingerprint})

    def _read(self, stream: IO[bytes], path: Path, fingerprint: str) -> None:
        stream.seek(0)
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        # A process killed while writing leaves half a line; that result is fitted again.
        stream.truncate(whole)
        lines = content[:whole].splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                if number > 1:
                    candidate, fold = entry.pop("candidate"), entry.pop("fold")
                    self.results[candidate, fold] = _result(entry)
                    continue
                head = entry["format"], entry["format_version"]
                found = entry["fingerprint"]
            except (ValueError, KeyError, TypeError, AttributeError) as reason:
                raise TuningJournalError(
                    f"line {number} of the journal can't be read: {reason}",
                    where=str(path),
                    remedy="Restore the file, or delete it and tune again",
                ) from reason
            if head != (FORMAT, FORMAT_VERSION):
                raise TuningJournalError(
                    f"journal format is {head}, this platform reads {(FORMAT, FORMAT_VERSION)}", where=str(path)
                )
            if found != fingerprint:
                raise TuningJournalError(
                    "the journal is of other labels, features, folds or settings",
                    where=str(path),
                    remedy="Give another folder, or delete the journal to begin anew",
                )

    def _write(self, entry: dict[str, Any]) -> None:
        if self._stream is None:
            return
        self._stream.write(json.dumps(entry).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _result(entry: dict[str, Any]) -> FoldResult:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in entry.items()}
    return FoldResult(**values)
