"""Values between the steps of one asset: small JSON documents under the scratch folder, by run and step.

Belongs here: what a step hands to the next one, in another process too. Doesn't: results (`io_managers`), and the
half-finished work of an asset, which outlives a run (`work_folders`).
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from agristat_platform.provenance import canonical_json
from resources.errors import StorageError, named_storage_error

STEPS = "steps"


class StepIOManager(dg.ConfigurableIOManager):
    """Hands JSON values from step to step; a value that is no JSON (a table, an object, NaN) is refused.

    Attributes
    ----------
    scratch_dir: folder for temporary files, the same for every process of a run.
    """

    scratch_dir: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write the value of an output, whole or not at all.

        Raises
        ------
        StorageError
            The value is no JSON, or cannot be written.
        """
        try:
            data = canonical_json(obj)
        except (TypeError, ValueError) as error:
            raise StorageError(
                f"a value between two steps cannot be written as JSON: {error}",
                where=f"step {context.step_key}",
                remedy="Pass paths, names and numbers between the steps of an asset",
            ) from error
        target = self._path(context.get_identifier())
        temporary = target.with_name(f".{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            os.replace(temporary, target)
        except OSError as error:
            raise named_storage_error(error, str(target)) from error

    def load_input(self, context: dg.InputContext) -> Any:
        """The value the step before handed over.

        Raises
        ------
        StorageError
            It is not there, because scratch was emptied or the steps share no folder.
        """
        upstream = context.upstream_output
        source = self._path(upstream.get_identifier() if upstream else [context.name])
        try:
            return json.loads(source.read_bytes())
        except FileNotFoundError as error:
            raise StorageError(
                f"the value for input {context.name!r} is missing",
                where=str(source),
                remedy="Materialise the whole asset again; what it had finished is found and kept",
            ) from error
        except OSError as error:
            raise named_storage_error(error, str(source)) from error

    def forget(self, run_id: str, asset: str) -> None:
        """Remove what the steps of an asset handed over in a run."""
        run = Path(self.scratch_dir, STEPS, run_id)
        for folder in run.glob(f"{_safe(f'{asset}.')}*"):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another asset of the run still has its own in there
            run.rmdir()

    def _path(self, identifier: Sequence[str]) -> Path:
        return Path(self.scratch_dir, STEPS, *map(_safe, identifier)).with_suffix(".json")


def _safe(part: str) -> str:
    """A part of a path: a step's key has dots and brackets, which must neither leave the folder nor meet another's name."""
    return "".join(c if c.isalnum() or c in "-_" else f"~{ord(c):x}" for c in part)
