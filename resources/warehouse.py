"""The warehouse: a small DuckDB file of views over the current Parquet versions, rebuilt beside and swapped.

Belongs here: SQL names for what the store holds. The data stay in the store; nobody writes through the warehouse.
"""

from __future__ import annotations

import importlib.resources
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform.geometry import geometry_crs
from resources.errors import WarehouseError, named_storage_error
from resources.file_tree import LocalTree, make_directory, sync_directory
from resources.stored_version import StoredVersion
from resources.versioned_store import Store

GEOMETRY = "geometry"
# nothing is ever fetched from the network behind the user's back
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

VERSIONS_SCHEMA = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("asset", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("season", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("manifest_sha256", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("created", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("simulated", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class _TableFile:
    """One Parquet file behind a view, with what makes it a branch of its own: CRS and whether it is simulated."""

    view: str
    path: Path
    crs: str | None
    simulated: bool


class Warehouse:
    """A DuckDB file with one view per table of an asset, over the current versions of all regions and seasons.

    A table `x` of asset `a` is the view `a_x`; a table of the asset's own name is the view `a`. Every view has the table's
    columns (united by name over the partitions) and `region`, `season`, `version`, `simulated`, and with geometry
    `geometry_crs`. The table `stored_versions` lists what is current.

    Parameters
    ----------
    path:
        The DuckDB file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()

    @staticmethod
    def reads(store: Store) -> bool:
        """Whether the warehouse can read a store: one on a local path or a mounted NAS."""
        return isinstance(store.tree, LocalTree)

    def refresh(self, store: Store) -> tuple[str, ...]:
        """Rebuild the views from the store's pointers beside the present file, and swap it in.

        Every table's bytes are compared with their recorded hash first. Connections opened before keep the old views
        until they are closed, in this process too.

        Returns
        -------
        Names of the views, sorted.

        Raises
        ------
        WarehouseError
            The store is not on a local path, or DuckDB cannot build the views; the file is as before.
        HashMismatchError
            A table is not the one that was published.
        """
        if not self.reads(store):
            raise WarehouseError(
                "the warehouse reads a store on a local path or mounted NAS",
                where=store.base_uri,
                remedy="Keep the store of record on the NAS and the cloud as its mirror",
            )
        versions = store.list()
        files = [file for version in versions for file in _table_files(version)]
        beside = self.path.with_name(f".{self.path.name}-{uuid.uuid4().hex}")
        try:
            make_directory(self.path.parent)
            names = _build(beside, files, versions)
            _sync_file(beside)
            os.replace(beside, self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise named_storage_error(error, str(self.path)) from error
        except duckdb.Error as error:
            raise WarehouseError(
                f"DuckDB cannot build the views: {error}",
                where=str(beside),
                remedy="Verify the store, then refresh again",
            ) from error
        finally:
            for leftover in (beside, beside.with_name(f"{beside.name}.wal")):
                leftover.unlink(missing_ok=True)
        return names

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A read-only connection with spatial functions; close it when done.

        Raises
        ------
        WarehouseError
            There is no warehouse yet, or the file is none.
        """
        if not self.path.is_file():
            raise WarehouseError(
                "there is no warehouse yet", where=str(self.path), remedy="Materialise something and refresh it first"
            )
        try:
            connection = duckdb.connect(str(self.path), read_only=True, config=_CONFIG)
            _load_spatial(connection)
        except duckdb.Error as error:
            raise WarehouseError(
                f"the warehouse cannot be opened: {error}",
                where=str(self.path),
                remedy="Refresh it: it holds views only and is rebuilt from the store",
            ) from error
        return connection


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg, unused-ignore]
    """Path of the DuckDB file."""

    path: str

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse at that path."""
        return Warehouse(self.path)


@cache
def spatial_extension() -> Path:
    """The spatial extension inside the installed wheel, for the installed DuckDB.

    Raises
    ------
    WarehouseError
        The wheel carries none for this DuckDB.
    """
    try:
        root = Path(str(importlib.resources.files("duckdb_extension_spatial"))) / "extensions"
    except ModuleNotFoundError as error:
        raise WarehouseError(
            "the package duckdb-extension-spatial is not installed",
            remedy=f"Install duckdb-extension-spatial=={duckdb.__version__}",
        ) from error
    path = root / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
    if not path.is_file():
        raise WarehouseError(
            f"the wheel duckdb-extension-spatial has no extension for DuckDB {duckdb.__version__}",
            where=str(root),
            remedy=f"Install duckdb-extension-spatial=={duckdb.__version__}",
        )
    return path


def _load_spatial(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"LOAD {_literal(str(spatial_extension()))}")


def _table_files(version: StoredVersion) -> list[_TableFile]:
    found = []
    for name in version.names:
        if not name.endswith(".parquet"):
            continue
        path = version.path(name)
        table = name.removesuffix(".parquet")
        view = version.asset if table == version.asset else f"{version.asset}_{table}"
        found.append(_TableFile(view, path, _crs_of(pq.read_schema(path)), version.simulated))
    return found


def _crs_of(schema: pa.Schema) -> str | None:
    """CRS of the GeoParquet column `geometry`, None when the file has none that DuckDB will read as geometry."""
    if b"geo" not in (schema.metadata or {}) or GEOMETRY not in schema.names:
        return None
    return str(geometry_crs(schema.empty_table(), GEOMETRY).to_string())


def _build(path: Path, files: Iterable[_TableFile], versions: Sequence[StoredVersion]) -> tuple[str, ...]:
    views: dict[str, list[_TableFile]] = defaultdict(list)
    for file in files:
        views[file.view].append(file)
    with closing(duckdb.connect(str(path), config=_CONFIG)) as connection:
        _load_spatial(connection)
        connection.register("listed_versions", _versions_table(versions))
        connection.execute("CREATE TABLE stored_versions AS SELECT * FROM listed_versions")
        for view in sorted(views):
            connection.execute(f"CREATE VIEW {_identifier(view)} AS {_view_query(views[view])}")
        connection.execute("CHECKPOINT")
    return tuple(sorted(views))


def _view_query(files: Sequence[_TableFile]) -> str:
    branches: dict[tuple[str | None, bool], list[Path]] = defaultdict(list)
    for file in files:
        branches[(file.crs, file.simulated)].append(file.path)
    ordered = sorted(branches.items(), key=lambda item: (item[0][0] or "", item[0][1]))
    return " UNION ALL BY NAME ".join(_branch(crs, simulated, paths) for (crs, simulated), paths in ordered)


def _branch(crs: str | None, simulated: bool, paths: Sequence[Path]) -> str:
    """One branch per CRS: DuckDB types geometries by their CRS and won't unite two of them."""
    listed = ", ".join(_literal(str(path)) for path in sorted(paths))
    # the directory names carry region, season and version, and a filter on them skips files
    source = (
        f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true, "
        "hive_types = {'region': VARCHAR, 'season': VARCHAR, 'version': VARCHAR})"
    )
    simulated_column = f"{'true' if simulated else 'false'} AS simulated"
    if crs is None:
        return f"SELECT {_all_but('simulated')}, {simulated_column} FROM {source}"
    columns = _all_but("simulated", "geometry_crs", GEOMETRY)
    geometry = f"{GEOMETRY}::GEOMETRY AS {GEOMETRY}, {_literal(crs)} AS geometry_crs"
    return f"SELECT {columns}, {geometry}, {simulated_column} FROM {source}"


def _all_but(*names: str) -> str:
    """All columns except some that need not be there; what the store knows wins over a column of the same name."""
    return f"COLUMNS(c -> c NOT IN ({', '.join(map(_literal, names))}))"


def _versions_table(versions: Sequence[StoredVersion]) -> pa.Table:
    rows = [
        {
            "stage": version.stage,
            "asset": version.asset,
            "region": version.partition.region,
            "season": version.partition.season,
            "version": version.version,
            "manifest_sha256": version.manifest_sha256,
            "uri": version.uri,
            "run_id": version.run_id,
            "created": version.manifest.created,
            "simulated": version.simulated,
        }
        for version in versions
    ]
    return pa.Table.from_pylist(rows, schema=VERSIONS_SCHEMA)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
