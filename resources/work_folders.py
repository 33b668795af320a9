"""Half-finished work of an asset, which the next run takes up: folders under scratch, named by what decides their content.

Belongs here: where such a folder is, when it goes. Doesn't: what is in it, and whether a piece of it is finished.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from resources.errors import named_storage_error
from resources.step_io import STEPS

WORK = "unfinished"
KEPT_S = 7 * 24 * 3600.0


class WorkFolders:
    """The work folders below a scratch folder.

    Parameters
    ----------
    scratch:
        Folder for temporary files.
    """

    def __init__(self, scratch: str | Path) -> None:
        self._scratch = Path(scratch)

    def folder(self, asset: str, key: str) -> Path:
        """Where the work of an asset on `key` is kept; made unless it is there.

        Parameters
        ----------
        asset:
            Name of the asset.
        key:
            Hash of everything that decides the content: equal keys share finished pieces, whichever run made them.
        """
        folder = self._scratch / WORK / asset / key
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise named_storage_error(error, str(folder)) from error
        return folder

    def remove(self, asset: str, key: str) -> None:
        """Remove the work on `key`, because its result is published."""
        shutil.rmtree(self._scratch / WORK / asset / key, ignore_errors=True)

    def sweep(self, *, older_than_s: float = KEPT_S) -> tuple[str, ...]:
        """Remove work and step values nobody has touched for `older_than_s` seconds; returns the folders' names.

        A run that was interrupted and never taken up again leaves them.
        """
        removed = []
        for folder in sorted([*self._scratch.glob(f"{WORK}/*/*"), *self._scratch.glob(f"{STEPS}/*")]):
            if time.time() - _last_touched(folder) >= older_than_s:
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(str(folder.relative_to(self._scratch)))
        return tuple(removed)


def _last_touched(folder: Path) -> float:
    """Newest modification of the folder and of the folders in it: a file that comes or goes changes its folder's."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    return max((path.stat().st_mtime for path in folders if path.exists()), default=time.time())
