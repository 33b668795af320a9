"""The DuckDB views over a real store: current versions only, geometry in SQL, swapped in one step."""

import os
import subprocess
import sys
import textwrap

import duckdb
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import HashMismatchError
from resources.errors import WarehouseError
from resources.versioned_store import Store
from resources.warehouse import Warehouse, WarehouseResource, spatial_extension

FIRST, SECOND, OTHER = Partition("aa-one", "2022-10"), Partition("aa-one", "2023-10"), Partition("bb-two", "2023-10")


@pytest.fixture
def store(tmp_path):
    # a quote in the path: SQL identifiers and literals must be safe
    return Store(str(tmp_path / "o'nas"), scratch_dir=tmp_path / "scratch")


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path / "warehouse.duckdb")


def publish(store, partition, table, *, asset="segments", name="segments", crs=None, simulated=False):
    with store.draft(asset, partition, stage="mapping") as draft:
        draft.write_table(name, table, crs=crs)
        draft.simulated = simulated
    return store.publish(draft, draft.manifest(run_id="r"))


def squares(side, **columns):
    return pa.table({"segment_id": [1], "geometry": [shapely.box(0, 0, side, side).wkb], **columns})


def rows(warehouse, query):
    with warehouse.connect() as connection:
        return connection.sql(query).fetchall()


def test_view_unites_partitions_by_name_with_region_and_season(store, warehouse):
    publish(store, FIRST, pa.table({"segment_id": [1, 2], "area_ha": [1.0, 2.0]}))
    publish(store, OTHER, pa.table({"area_ha": [4.0], "segment_id": [1], "crop": ["WHE"]}), simulated=True)
    assert warehouse.refresh(store) == ("segments",)
    assert rows(
        warehouse,
        "SELECT region, season, segment_id, area_ha, crop, simulated FROM segments ORDER BY region, segment_id",
    ) == [
        ("aa-one", "2022-10", 1, 1.0, None, False),
        ("aa-one", "2022-10", 2, 2.0, None, False),
        ("bb-two", "2023-10", 1, 4.0, "WHE", True),
    ]


def test_only_the_current_version_is_seen(store, warehouse):
    publish(store, FIRST, pa.table({"x": [1]}))
    publish(store, FIRST, pa.table({"x": [2, 3]}))
    warehouse.refresh(store)
    assert rows(warehouse, "SELECT sum(x) FROM segments") == [(5,)]
    assert rows(warehouse, "SELECT count(*) FROM stored_versions") == [(1,)]


def test_geometry_has_areas_in_sql_also_with_two_crs(store, warehouse):
    publish(store, FIRST, squares(10.0), crs="EPSG:32630")
    publish(store, OTHER, squares(20.0), crs="EPSG:32629")
    warehouse.refresh(store)
    found = rows(warehouse, "SELECT region, geometry_crs, ST_Area(geometry) FROM segments ORDER BY region")
    assert found == [("aa-one", "EPSG:32630", 100.0), ("bb-two", "EPSG:32629", 400.0)]


def test_names_of_views_and_columns_that_the_store_also_uses(store, warehouse):
    publish(store, FIRST, pa.table({"simulated": ["theirs"], "region": ["theirs"]}), asset="maps", name="accuracy")
    assert warehouse.refresh(store) == ("maps_accuracy",)
    assert rows(warehouse, "SELECT region, simulated FROM maps_accuracy") == [("aa-one", False)]


def test_connection_is_read_only_and_downloads_nothing(store, warehouse):
    publish(store, FIRST, pa.table({"x": [1]}))
    warehouse.refresh(store)
    with warehouse.connect() as connection:
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("CREATE TABLE t (a INTEGER)")
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert connection.sql(f"SELECT current_setting('{setting}')").fetchone() == (False,)
    assert spatial_extension().is_file()


def test_refresh_swaps_while_a_person_has_it_open(store, warehouse):
    publish(store, FIRST, pa.table({"x": [1]}))
    warehouse.refresh(store)
    script = f"""
        import sys
        from resources.warehouse import Warehouse
        with Warehouse({str(warehouse.path)!r}).connect() as connection:
            print(connection.sql("SELECT count(*) FROM segments").fetchone()[0], flush=True)
            sys.stdin.readline()
            print(connection.sql("SELECT count(*) FROM segments").fetchone()[0], flush=True)
    """
    person = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert person.stdout.readline() == "1\n"
    publish(store, FIRST, pa.table({"x": [1, 2, 3]}))
    warehouse.refresh(store)
    assert rows(warehouse, "SELECT count(*) FROM segments") == [(3,)]
    assert person.communicate("\n")[0] == "1\n"


def test_failed_refresh_leaves_the_old_views(store, warehouse, tmp_path, monkeypatch):
    publish(store, FIRST, pa.table({"x": [1]}))
    warehouse.refresh(store)
    publish(store, FIRST, pa.table({"x": [1, 2]}))

    def crash(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(Exception, match="no room left"):
        warehouse.refresh(store)
    monkeypatch.undo()
    assert rows(warehouse, "SELECT count(*) FROM segments") == [(1,)]
    assert sorted(path.name for path in tmp_path.glob("*warehouse*")) == ["warehouse.duckdb"]


def test_damaged_table_is_refused_and_the_old_views_stay(store, warehouse):
    stored = publish(store, FIRST, pa.table({"x": [1]}))
    warehouse.refresh(store)
    path = stored.path("segments.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(HashMismatchError, match=r"segments\.parquet"):
        warehouse.refresh(store)
    assert warehouse.path.is_file()


def test_missing_or_foreign_file_says_what_to_do(warehouse):
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        warehouse.connect()
    warehouse.path.write_bytes(b"not a database" * 500)
    with pytest.raises(WarehouseError, match="Refresh it"):
        warehouse.connect()


def test_remote_store_is_refused_by_name(tmp_path, warehouse):
    remote = Store("memory://warehouse-test", scratch_dir=tmp_path / "scratch")
    with pytest.raises(WarehouseError, match="local path"):
        warehouse.refresh(remote)


def test_empty_store_gives_an_empty_list(store, warehouse):
    assert WarehouseResource(path=str(warehouse.path)).warehouse.refresh(store) == ()
    assert rows(warehouse, "SELECT count(*) FROM stored_versions") == [(0,)]
