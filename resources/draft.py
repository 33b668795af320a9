"""A version in the making: files in a local scratch directory, sealed by hashing them, then published by the store."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.geometry import with_geometry
from agristat_platform.provenance import (
    ExternalRecord,
    FileRecord,
    InputRecord,
    Manifest,
    canonical_json,
    collect_environment,
    content_hash,
    sha256_file,
)
from resources.errors import DraftNotSealedError, named_storage_error
from resources.layout import Place, Placed, checked_file_name
from resources.stored_version import StoredVersion, table_name

ROW_GROUP_ROWS = 65_536
DRAFT_PREFIX = "draft-"


class Draft(Placed):
    """Files and their story, before they are published.

    Made by `Store.draft`. Used as a context manager: leaving it normally seals it, leaving it with an exception removes
    its files. `Store.publish` consumes it.

    Attributes
    ----------
    directory: the scratch directory; write only through `path` and the `write_…` methods.
    parameters: what the content depends on besides the inputs (JSON values).
    seeds: seed of every random step by name.
    external: scenes and files from outside the store.
    inputs: versions read from the store that the caller recorded itself (`add_input`).
    simulated: True where figures are simulated; a simulated input makes the version simulated as well.
    """

    def __init__(self, place: Place, scratch: Path) -> None:
        self.place = place
        self.parameters: dict[str, Any] = {}
        self.seeds: dict[str, int] = {}
        self.external: list[ExternalRecord] = []
        self.inputs: list[InputRecord] = []
        self.simulated = False
        self._files: tuple[FileRecord, ...] | None = None
        self.directory = scratch / f"{DRAFT_PREFIX}{uuid.uuid4().hex}"
        try:
            self.directory.mkdir(parents=True)
        except OSError as error:
            raise named_storage_error(error, str(self.directory)) from error

    def path(self, name: str) -> Path:
        """Where to write a file of this version (COG, PNG, model), and to read it again once the draft is sealed.

        Raises
        ------
        InvalidNameError
            The name could leave the version's directory or is one the store uses itself.
        DraftNotSealedError
            The draft is sealed and has no such file: its content is settled.
        """
        if self._files is not None and name not in {file.name for file in self._files}:
            raise self._settled(name)
        return self.directory / checked_file_name(name)

    def _writable(self, name: str) -> Path:
        if self._files is not None:
            raise self._settled(name)
        return self.path(name)

    def _settled(self, name: str) -> DraftNotSealedError:
        return DraftNotSealedError(
            "a sealed draft is not written to again", where=f"{self.place}: {name}", remedy="Write it before seal()"
        )

    def write_table(self, name: str, table: pa.Table, *, crs: Any = None) -> Path:
        """Write a table as Parquet (zstd); schema and its metadata are kept, equal tables give equal bytes.

        Parameters
        ----------
        name:
            Table name, with or without `.parquet`.
        table:
            The table, with its explicit schema.
        crs:
            Anything pyproj takes: adds GeoParquet metadata for the WKB column `geometry`. Leave it out for tables
            without geometry or that carry the metadata already.
        """
        target = self._writable(table_name(name))
        if crs is not None:
            table = with_geometry(table, crs)
        # how the rows happened to be chunked must not show in the bytes
        table = table.combine_chunks()
        try:
            pq.write_table(table, target, compression="zstd", row_group_size=ROW_GROUP_ROWS, write_statistics=True)
        except OSError as error:
            raise named_storage_error(error, str(target)) from error
        return target

    def write_portions(self, name: str, schema: pa.Schema, portions: Iterable[pa.Table]) -> Path:
        """Write a table that comes some rows after the other: the bytes of `write_table`, one row group of it held.

        Parameters
        ----------
        name:
            Table name, with or without `.parquet`.
        schema:
            The table's; every portion has it.
        portions:
            Rows in their order, however many at a time; row groups have ROW_GROUP_ROWS of them.
        """
        target = self._writable(table_name(name))
        try:
            with pq.ParquetWriter(target, schema, compression="zstd", write_statistics=True) as writer:
                for group in _row_groups(schema, portions):
                    writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
                    del group
        except OSError as error:
            raise named_storage_error(error, str(target)) from error
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON document with sorted keys; NaN is refused (use None)."""
        return self.write_bytes(name if name.endswith(".json") else f"{name}.json", canonical_json(value))

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file from bytes in memory."""
        target = self._writable(name)
        try:
            target.write_bytes(data)
        except OSError as error:
            raise named_storage_error(error, str(target)) from error
        return target

    def add_external(self, kind: str, id: str, href: str, sha256: str | None = None) -> None:
        """Record a scene or file from outside the store; credentials in the link are dropped."""
        self.external.append(ExternalRecord(kind=kind, id=id, href=href, sha256=sha256))

    def add_input(self, version: StoredVersion) -> None:
        """Record a stored version that did not come through the I/O manager; what comes of simulated is simulated."""
        self.inputs.append(version.as_input())
        self.simulated = self.simulated or version.manifest.simulated

    def seal(self) -> Self:
        """Settle the content: hash every file in the directory.

        Raises
        ------
        DraftNotSealedError
            There is no file, or something that is not a plain file with a valid name.
        """
        if self._files is None:
            found = sorted(self.directory.iterdir())
            if not found:
                raise DraftNotSealedError("a version without any file cannot be published", where=str(self.place))
            for path in found:
                checked_file_name(path.name)
                if not path.is_file() or path.is_symlink():
                    raise DraftNotSealedError("a version holds plain files only", where=str(path), remedy="Remove it")
            self._files = tuple(_describe(path) for path in found)
        return self

    @property
    def sealed(self) -> bool:
        """Whether the content is settled."""
        return self._files is not None

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """The files with sha256, size and rows; the draft must be sealed."""
        if self._files is None:
            raise DraftNotSealedError("the draft is not sealed", where=str(self.place), remedy="Call seal() first")
        return self._files

    @property
    def content_hash(self) -> str:
        """The version these files will have; the draft must be sealed."""
        return content_hash(self.files)

    def manifest(self, *, run_id: str, code_version: str | None = None, inputs: Sequence[InputRecord] = ()) -> Manifest:
        """The manifest of this draft; `inputs` are added to those recorded with `add_input`, each once."""
        every = {(record.asset, record.partition, record.version): record for record in [*self.inputs, *inputs]}
        return Manifest(
            asset=self.asset,
            stage=self.stage,
            region=self.partition.region,
            season=self.partition.season,
            version=self.content_hash,
            created=datetime.now(UTC),
            run_id=run_id,
            code_version=code_version,
            environment=collect_environment(),
            parameters=dict(self.parameters),
            seeds=dict(self.seeds),
            simulated=self.simulated,
            inputs=tuple(every[key] for key in sorted(every)),
            external=tuple(sorted(self.external, key=lambda record: (record.kind, record.id, record.href))),
            files=self.files,
        )

    def describe(
        self,
        *,
        parameters: Mapping[str, Any] | None = None,
        seeds: Mapping[str, int] | None = None,
        simulated: bool | None = None,
    ) -> Self:
        """Add parameters and seeds and set `simulated`; returns the draft."""
        self.parameters.update(parameters or {})
        self.seeds.update(seeds or {})
        if simulated is not None:
            self.simulated = simulated
        return self

    def discard(self) -> None:
        """Remove the scratch directory."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.seal()
        else:
            self.discard()


def _row_groups(schema: pa.Schema, portions: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The portions as tables of ROW_GROUP_ROWS rows, the last one with the rest; at least one table."""
    waiting, yielded = schema.empty_table(), False
    for portion in portions:
        waiting = pa.concat_tables([waiting, portion]) if waiting.num_rows else portion
        del portion  # nothing but the group being written is held while the next rows are made
        while waiting.num_rows >= ROW_GROUP_ROWS:
            group, yielded = waiting.slice(0, ROW_GROUP_ROWS).combine_chunks(), True
            waiting = waiting.slice(ROW_GROUP_ROWS) if waiting.num_rows > ROW_GROUP_ROWS else schema.empty_table()
            yield group
            del group
    if waiting.num_rows or not yielded:
        yield waiting.combine_chunks()


def _describe(path: Path) -> FileRecord:
    rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
    return FileRecord(name=path.name, sha256=sha256_file(path), bytes=path.stat().st_size, rows=rows)
