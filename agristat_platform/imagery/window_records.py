"""What has been copied into each scene's folder of the archive: `windows.json` beside the windows, replaced as a whole."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agristat_platform.imagery.window_copies import WindowCopy, file_sha256, flush_to_disk, writing_to

RECORD = "windows.json"


class WindowRecords:
    """Records of some folders; threads may ask and remember side by side."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._lock = threading.Lock()
        self._known = {folder: _recorded(folder / RECORD) for folder in folders}

    def copy_of(self, path: Path, key: str) -> WindowCopy | None:
        """The copy that lies at a path, if it was made for the same key and is whole; else None.

        Parameters
        ----------
        key:
            Hash of all that decides what the copy holds: the file it comes from and the place.
        """
        known = self._known[path.parent].get(path.name)
        if not isinstance(known, dict) or known.get("key") != key or not path.is_file():
            return None
        try:
            fields = dict(known["copy"])
            shapes = {name: tuple(fields[name]) for name in ("shape", "transform", "bbox")}
            copy = WindowCopy(**{**fields, **shapes})
        except (KeyError, TypeError, ValueError):
            return None
        whole = path.stat().st_size == copy.bytes and file_sha256(path) == copy.sha256
        return copy if whole else None

    def remember(self, path: Path, origin: str, key: str, copy: WindowCopy) -> None:
        """Write down a finished copy.

        Raises
        ------
        ArchiveFullError
        """
        folder = path.parent
        with self._lock, writing_to(folder / RECORD):
            self._known[folder][path.name] = {"origin": origin, "key": key, "copy": asdict(copy)}
            partial = folder / f".{RECORD}.{os.getpid()}.partial"
            partial.write_text(json.dumps(self._known[folder], indent=1, sort_keys=True) + "\n", encoding="utf-8")
            flush_to_disk(partial)
            partial.replace(folder / RECORD)


def _recorded(path: Path) -> dict[str, Any]:
    """What a record says; a damaged one says nothing, and its windows are fetched again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
