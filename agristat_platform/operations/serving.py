"""The UI with its daemon, until a person stops them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from agristat_platform.catalogue import Settings
from agristat_platform.operations.dagster_home import ROOT, places_of, prepare_dagster_home
from agristat_platform.operations.errors import PortInUseError, ServerDidNotStartError

START_SECONDS = 120
STOP_SECONDS = 20


def port_is_free(host: str, port: int) -> bool:
    """Whether nothing listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) != 0


def require_free_port(host: str, port: int) -> None:
    """Raise PortInUseError when something listens there."""
    if not port_is_free(host, port):
        raise PortInUseError(
            f"port {port} is in use",
            where=host,
            remedy="Stop what listens there (another `agristat up`?) or give another one with --port",
        )


@contextmanager
def dagster_ui(settings: Settings, *, host: str, port: int) -> Iterator[str]:
    """Webserver and daemon as one child process; yields the UI's address once it answers and stops both at the end.

    Raises
    ------
    PortInUseError
        Something listens on the port already.
    ServerDidNotStartError
        The process ended, or nothing answered within two minutes.
    """
    require_free_port(host, port)
    home = prepare_dagster_home(settings)
    log = home / "dagster-dev.log"
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml"), "-h", host, "-p", str(port)]
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **places_of(settings)},
            start_new_session=True,
        )
    try:
        url = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
        _wait_until_up(child, f"http://{host}:{port}/server_info", log=str(log))
        yield url
    finally:
        _stop(child)


def _wait_until_up(child: subprocess.Popen[bytes], url: str, *, log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ServerDidNotStartError(
                f"the Dagster UI stopped with status {child.returncode}", where=log, remedy="The file has its output"
            )
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise ServerDidNotStartError(
        f"the Dagster UI did not answer within {START_SECONDS} s", where=log, remedy="The file has its output"
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """SIGINT lets `dagster dev` end its children itself; what is left of its session after that is killed."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_for_interrupt() -> None:
    """Sleep until Ctrl+C or SIGTERM."""
    stop = {"now": False}

    def ask(_signal: int, _frame: object) -> None:
        stop["now"] = True

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stop["now"]:
            time.sleep(0.2)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
