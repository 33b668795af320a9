"""The STAC server that the platform starts for itself over prepared archives: no account, no network, no database.

It is `rustac serve` with its memory backend. What that can do: item search by POST with collections, ids, bbox,
intersects and datetime, and paging by `next` links. What it cannot, and what therefore nothing here leans on:
`query` and `filter` are ignored and give an empty answer, search by GET with lists is refused, no count of matches is
told, and items added after the start are not seen. Tests hold these statements.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import requests

from agristat_platform.errors import AgristatError

LOGGER = logging.getLogger(__name__)

POLL_S = 0.02
ITEM_FIELDS = ("id", "collection", "geometry", "bbox", "properties", "assets")


class EmbeddedCatalogueError(AgristatError):
    """The embedded catalogue has nothing to serve, or its server does not come up."""


class EmbeddedCatalogue:
    """A STAC API over `<archive>/<region>/items/*.json`, alive between `start` and `stop` (or inside `with`).

    Parameters
    ----------
    archive_dir:
        Archive of prepared imagery.
    scratch_dir:
        Where the items are put together into one file for the server; created if absent.
    regions:
        Codes of the regions whose items are served; None: all of the archive.
    port:
        Port to listen on; None: a free one.
    host:
        Address to listen on; this machine only unless told otherwise.
    start_timeout_s:
        How long to wait for the first answer.
    """

    def __init__(
        self,
        archive_dir: str | Path,
        scratch_dir: str | Path,
        *,
        regions: Sequence[str] | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        start_timeout_s: float = 30.0,
    ) -> None:
        self.archive_dir = Path(archive_dir)
        self.scratch_dir = Path(scratch_dir)
        self.regions = None if regions is None else list(regions)
        self.host = host
        self.port = port
        self.start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._chosen_port: int | None = None

    @property
    def url(self) -> str:
        """Landing page of the running server."""
        if self._chosen_port is None:
            raise EmbeddedCatalogueError("the embedded catalogue is not running", remedy="Start it first")
        return f"http://{self.host}:{self._chosen_port}"

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> EmbeddedCatalogue:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, wait until it answers, return its address.

        Raises
        ------
        EmbeddedCatalogueError
            No items, no server program, port taken, or no answer in time (with the server's last words).
        """
        if self.running:
            return self.url
        files = self.item_files()
        if not files:
            raise EmbeddedCatalogueError(
                f"the archive has no scenes{'' if self.regions is None else ' of ' + ', '.join(self.regions)}",
                where=str(self.archive_dir),
                remedy="Prepare the region first: `agristat demo` does it for the demo, `agristat run` for the others",
            )
        content = json.dumps(_feature_collection(files))
        program = server_program()
        port = self.port or _free_port(self.host)
        _require_free(self.host, port)
        self.scratch_dir.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="catalogue-", dir=self.scratch_dir))
        collection = self._folder / "items.json"
        collection.write_text(content, encoding="utf-8")
        command = [program, "serve", "--addr", f"{self.host}:{port}", "--create-collections", str(collection)]
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        atexit.register(self.stop)
        self._chosen_port = port
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End the server and remove its files; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._chosen_port = None
        atexit.unregister(self.stop)

    def item_files(self) -> list[Path]:
        """STAC items that will be served, sorted by path."""
        names = ["*"] if self.regions is None else self.regions
        return sorted(path for name in names for path in self.archive_dir.glob(f"{name}/items/*.json"))

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedCatalogueError(
                    f"the embedded catalogue ended at once: {self._last_words()}",
                    where=str(self.archive_dir),
                    remedy="Check the items it names; prepare the region again if one is damaged",
                )
            try:
                if requests.get(self.url, timeout=1).ok:
                    return
            except requests.RequestException as not_yet:
                LOGGER.debug("embedded catalogue: %s", not_yet)
            time.sleep(POLL_S)
        raise EmbeddedCatalogueError(
            f"the embedded catalogue gave no answer within {self.start_timeout_s:g} s: {self._last_words()}",
            where=self.url,
            remedy="Try again with a longer start_timeout_s on a busy machine",
        )

    def _last_words(self) -> str:
        log = None if self._folder is None else self._folder / "server.log"
        text = log.read_text(errors="replace").strip() if log is not None and log.is_file() else ""
        return text[-400:] or "no output"


def server_program() -> str:
    """Path of the server program, beside this Python or on the search path.

    Raises
    ------
    EmbeddedCatalogueError
    """
    name = "rustac.exe" if os.name == "nt" else "rustac"
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise EmbeddedCatalogueError(
            "the program rustac is not installed", where=str(beside), remedy="pip install rustac, into this environment"
        )
    return found


def _feature_collection(files: Sequence[Path]) -> dict[str, object]:
    features = []
    for path in files:
        try:
            item = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EmbeddedCatalogueError(
                f"a STAC item cannot be read: {error}", where=str(path), remedy="Prepare the region again"
            ) from error
        missing = [name for name in ITEM_FIELDS if not isinstance(item, dict) or name not in item]
        if missing:  # the server would leave such an item out without a word
            raise EmbeddedCatalogueError(
                f"a STAC item lacks {', '.join(missing)}", where=str(path), remedy="Prepare the region again"
            )
        item["links"] = []
        features.append(item)
    return {"type": "FeatureCollection", "features": features}


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EmbeddedCatalogueError(
                f"port {port} for the embedded catalogue is taken",
                where=host,
                remedy="End the other program, or give another port",
            ) from error
