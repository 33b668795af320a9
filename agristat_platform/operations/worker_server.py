"""The process that a run's worker processes are forked from."""

from __future__ import annotations

import os
import sys
from multiprocessing import forkserver, set_forkserver_preload
from pathlib import Path

LOADED_ONCE = ["dagster._core.executor.multiprocess", "agristat_platform.code_location"]


def start_worker_server(log: Path) -> None:
    """Start the server unless it runs, with what its children write to standard error going to a file.

    Dagster's workers announce every step there, over the display of the terminal they would otherwise share.
    """
    set_forkserver_preload(LOADED_ONCE)
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as sink:
            os.dup2(sink.fileno(), 2)
            forkserver.ensure_running()
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
