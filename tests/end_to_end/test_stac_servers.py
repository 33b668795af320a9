"""The same scenes from two real STAC APIs: pgstac on a PostgreSQL/PostGIS of its own, and the embedded server.

The first needs PostgreSQL with PostGIS (Debian: postgresql, postgresql-15-postgis-3) and the extra `postgres-stac`;
without them it skips and says what is missing, or fails when AGRISTAT_REQUIRE_POSTGRES=1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pystac_client
import pytest
import requests
import shapely

from agristat_platform.imagery import UnknownCollectionError, search_catalogue
from resources.embedded_catalogue import EmbeddedCatalogue

AREA = shapely.box(-6.05, 41.55, -5.95, 41.65)
WINTER = (date(2023, 11, 1), date(2024, 1, 1))
COLLECTIONS = ("sentinel-2-l2a", "landsat-c2-l2")
DEBIAN_PROGRAMS = "/usr/lib/postgresql"


def stac_item(number: int) -> dict[str, Any]:
    """Every third item lies outside the area; cloud cover is the number."""
    west = 4.0 if number % 3 == 2 else -6.1
    ring = [[west, 41.5], [west + 0.2, 41.5], [west + 0.2, 41.7], [west, 41.7], [west, 41.5]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": f"scene{number:03d}",
        "collection": COLLECTIONS[number % 2], "bbox": [west, 41.5, west + 0.2, 41.7],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": f"2023-{10 + number % 3:02d}-{1 + number % 28:02d}T11:00:00Z",
                       "eo:cloud_cover": float(number)},
        "links": [], "assets": {"B04": {"href": f"/archive/{number}/B04.tif"}},
    }  # fmt: skip


ITEMS = [stac_item(number) for number in range(100)]
EXPECTED = sorted(item["id"] for item in ITEMS if item["bbox"][0] < 0 and item["properties"]["datetime"] >= "2023-11")


def stac_collection(name: str) -> dict[str, Any]:
    return {
        "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                   "temporal": {"interval": [["2023-01-01T00:00:00Z", None]]}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def postgis() -> Iterator[int]:
    """Port of a PostgreSQL with PostGIS, started for these tests and thrown away after them."""
    programs = postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="agristat-postgres-"))
    user = server_user()
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    account_options: dict[str, Any] = (
        {} if user is None else {"user": user, "group": account.pw_gid, "extra_groups": []}
    )

    def call(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        with (folder / "calls.log").open("ab") as log:
            done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False, **account_options)
        if done.returncode:
            pytest.fail(f"{program} failed: {(folder / 'calls.log').read_text()[-1500:]}")

    port = free_port()
    data = folder / "data"
    try:
        call("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=40"
        call("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(folder / "server.log"), "-o", options, "start")
        yield port
    finally:
        if (data / "postmaster.pid").exists():
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pgstac_api(postgis: int) -> Iterator[str]:
    """Address of stac-fastapi-pgstac over that server, with the items loaded."""
    load_items(f"postgresql://postgres@127.0.0.1:{postgis}/postgres")
    port = free_port()
    environment = {
        **os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(postgis), "PGUSER": "postgres", "PGPASSWORD": "none",
        "PGDATABASE": "postgres", "DB_MAX_CONN_SIZE": "4",
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "stac_fastapi.pgstac.app:create_app",
        "--factory",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not answers(url):
                if server.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    pytest.fail(f"stac-fastapi-pgstac did not come up: {log.read()[-1500:].decode()}")
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture(scope="module")
def embedded_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the embedded server over the same items."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "valley" / "items").mkdir(parents=True)
    for item in ITEMS:
        (folder / "valley" / "items" / f"{item['id']}.json").write_text(json.dumps(item))
    with EmbeddedCatalogue(folder, folder / "scratch") as server:
        yield server.url


@pytest.mark.postgres
def test_pgstac_gives_every_scene_by_pages_and_counts_them(pgstac_api: str) -> None:
    answer = search_catalogue(pgstac_api, COLLECTIONS, AREA, *WINTER, page_size=7)
    assert sorted(item.id for item in answer.items) == EXPECTED
    assert answer.pages > 3
    assert answer.expected in (None, len(EXPECTED))
    with pytest.raises(UnknownCollectionError, match="sentinel-1-rtc"):
        search_catalogue(pgstac_api, ["sentinel-1-rtc"], AREA, *WINTER)


@pytest.mark.postgres
def test_pgstac_answers_cloud_cover_and_cql2(pgstac_api: str) -> None:
    client = pystac_client.Client.open(pgstac_api)
    by_query = client.search(collections=["sentinel-2-l2a"], query={"eo:cloud_cover": {"lt": 20}})
    assert sorted(item.id for item in by_query.items()) == [f"scene{n:03d}" for n in range(0, 20, 2)]
    condition = {
        "op": "and",
        "args": [
            {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 5]},
            {"op": "=", "args": [{"property": "collection"}, "landsat-c2-l2"]},
        ],
    }
    by_filter = client.search(filter=condition, filter_lang="cql2-json")
    assert sorted(item.id for item in by_filter.items()) == ["scene001", "scene003", "scene005"]


def test_embedded_server_gives_the_same_scenes(embedded_api: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = search_catalogue(embedded_api, COLLECTIONS, AREA, *WINTER, page_size=7)
    assert sorted(item.id for item in answer.items) == EXPECTED
    assert answer.pages > 3


def load_items(dsn: str) -> None:
    """Create pgstac's schema and put collections and items into it."""
    from pypgstac.db import PgstacDB
    from pypgstac.load import Loader, Methods
    from pypgstac.migrate import Migrate

    with PgstacDB(dsn=dsn) as database:
        Migrate(database).run_migration()
        loader = Loader(db=database)
        loader.load_collections(iter([stac_collection(name) for name in COLLECTIONS]), Methods.insert)
        loader.load_items(iter(ITEMS), Methods.insert)


def postgres_programs() -> Path:
    """Folder of initdb and pg_ctl; skips (or fails, see above) when something that is needed is missing."""
    for module in ("stac_fastapi.pgstac", "pypgstac"):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            unavailable(f"the Python package {module} is not installed (extra postgres-stac)")
    program = shutil.which("initdb") or next(iter(sorted(map(str, Path(DEBIAN_PROGRAMS).glob("*/bin/initdb")))), None)
    if program is None:
        unavailable("PostgreSQL (initdb, pg_ctl) is not installed")
    programs = Path(os.path.realpath(str(program))).parent
    shared = subprocess.run([programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    extension = Path(shared.stdout.strip()) / "extension" / "postgis.control"
    if shared.returncode or not extension.is_file():
        unavailable(f"PostGIS is not installed for {programs} (Debian: postgresql-15-postgis-3)")
    return programs


def unavailable(reason: str) -> None:
    if os.environ.get("AGRISTAT_REQUIRE_POSTGRES") == "1":
        pytest.fail(f"AGRISTAT_REQUIRE_POSTGRES=1, but {reason}")
    pytest.skip(reason)


def server_user() -> str | None:
    """PostgreSQL refuses to run as root: another account then, else the own one (None)."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
