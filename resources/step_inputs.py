"""Which stored versions each running step has read: the exact inputs that its manifest will name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from agristat_platform.provenance import InputRecord, sha256_bytes
from resources.stored_version import StoredVersion

_STEPS_KEPT = 256


class StepInputs:
    """Versions handed out per (run, step). A step loads and writes in one process, so memory is enough."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[tuple[str, str], dict[tuple[str, str], StoredVersion]] = OrderedDict()

    def record(self, run_id: str, step_key: str, version: StoredVersion) -> None:
        """Note that a step was given a version; a step that is tried again replaces what its first try was given."""
        with self._lock:
            step = self._read.setdefault((run_id, step_key), {})
            step[(version.asset, str(version.partition))] = version
            # a long-lived process must not grow with the runs it has seen
            while len(self._read) > _STEPS_KEPT:
                self._read.popitem(last=False)

    def of(self, run_id: str, step_key: str) -> list[InputRecord]:
        """What a step was given, sorted by asset and partition."""
        with self._lock:
            step = self._read.get((run_id, step_key), {})
            return [step[key].as_input() for key in sorted(step)]

    def any_simulated(self, run_id: str, step_key: str) -> bool:
        """Whether a step was given anything simulated."""
        with self._lock:
            return any(version.simulated for version in self._read.get((run_id, step_key), {}).values())


def input_data_version(inputs: Iterable[InputRecord]) -> str:
    """What Dagster tags as `dagster/input_data_version/<asset>` for a partitioned input, from a manifest's records of it.

    Dagster 1.13 hashes the data versions of the mapped partitions, joined in the order of their keys, also when there is
    one partition or none. A manifest and its materialisation event agree when this equals the event's tag.
    """
    versions = [record.version for record in sorted(inputs, key=lambda record: record.partition)]
    return sha256_bytes("".join(versions).encode())
