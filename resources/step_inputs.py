"""Which stored versions each running step has read: the exact inputs that its manifest will name."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from agristat_platform.provenance import InputRecord, canonical_json, sha256_bytes
from resources.file_tree import FileTree
from resources.layout import STEPS

_STEPS_KEPT = 256


@dataclass(frozen=True)
class ReadInput:
    """A version that was handed out, and whether its figures are simulated."""

    record: InputRecord
    simulated: bool


class StepInputs:
    """Versions handed out per (run, step). A step loads and writes in one process, so memory is enough."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[tuple[str, str], dict[tuple[str, str], ReadInput]] = OrderedDict()

    def record(self, run_id: str, step_key: str, given: ReadInput) -> None:
        """Note that a step was given a version; a step that is tried again replaces what its first try was given."""
        with self._lock:
            step = self._read.setdefault((run_id, step_key), {})
            step[(given.record.asset, given.record.partition)] = given
            # a long-lived process must not grow with the runs it has seen
            while len(self._read) > _STEPS_KEPT:
                self._read.popitem(last=False)

    def of(self, run_id: str, step_key: str) -> list[ReadInput]:
        """What a step was given, sorted by asset and partition."""
        with self._lock:
            step = self._read.get((run_id, step_key), {})
            return [step[key] for key in sorted(step)]


class GraphInputs:
    """Versions handed out to the ops of a graph-backed asset, kept in the store.

    The op that publishes is another than those that read, often in another process or on another machine.
    """

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree

    def record(self, run_id: str, graph: str, given: ReadInput) -> None:
        """Note that an op of a graph was given a version."""
        record = given.record
        name = f"{record.asset}~{record.partition.replace('|', '~')}.json"
        value = {"record": record.model_dump(mode="json"), "simulated": given.simulated}
        self._tree.write(f"{self._directory(run_id, graph)}/{name}", canonical_json(value))

    def of(self, run_id: str, graph: str) -> list[ReadInput]:
        """What the ops of a graph were given, sorted by asset and partition."""
        directory = self._directory(run_id, graph)
        found = []
        for name in self._tree.names(directory):
            data = self._tree.read(f"{directory}/{name}")
            if name.endswith(".json") and data is not None:
                value = json.loads(data)
                found.append(ReadInput(InputRecord.model_validate(value["record"]), bool(value["simulated"])))
        return found

    @staticmethod
    def _directory(run_id: str, graph: str) -> str:
        return f"{STEPS}/{run_id}/{graph}/inputs"


def input_data_version(inputs: Iterable[InputRecord]) -> str:
    """What Dagster tags as `dagster/input_data_version/<asset>` for a partitioned input, from a manifest's records of it.

    Dagster 1.13 hashes the data versions of the mapped partitions, joined in the order of their keys, also when there is
    one partition or none. A manifest and its materialisation event agree when this equals the event's tag.

    Not so for a graph-backed asset: the op that publishes has no such input, and Dagster then tags the data version of the
    latest event of any partition. There the manifest alone is right.
    """
    versions = [record.version for record in sorted(inputs, key=lambda record: record.partition)]
    return sha256_bytes("".join(versions).encode())
