"""Between Dagster and the store: what an asset returns is published with its lineage, what it asks for is verified.

Belongs here: which stored version a step gets for which mapped partition, and what its manifest says it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.execution.context.system import StepExecutionContext

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import FileRecord
from resources.draft import Draft
from resources.errors import DraftMismatchError, NotApplicableError, NotMaterialisedError
from resources.step_inputs import GraphInputs, ReadInput, StepInputs
from resources.storage import StorageResource
from resources.stored_version import StoredVersion

OPTIONAL = "optional"
REQUIRES = "requires"
STORED_AS = "stored_as"
STAGE = "stage"

_step_inputs = StepInputs()


class VersionedIOManager(dg.ConfigurableIOManager):
    """Publishes drafts and hands out stored versions.

    An asset returns `dg.MaterializeResult(value=draft, data_version=dg.DataVersion(draft.content_hash), …)` (or the
    draft alone: the data version is then set here). Its inputs arrive as

    - a `StoredVersion` for one mapped partition,
    - a dict of partition key → `StoredVersion` for several,
    - None where the input's metadata allows it: `{"optional": True}` when nothing is mapped or the mapped partition was
      never materialised (a first season), `{"requires": "imagery"}` when `not_applicable` says that the upstream asset
      doesn't exist for the region.

    An input's metadata `{"stored_as": "crop_maps"}` says under which asset the store keeps what Dagster knows by another
    key: an external asset, to which publishing the other is reported.

    Values between the steps of a graph-backed asset are no versions: those outputs name the I/O manager `step_io`.

    Attributes
    ----------
    storage: the store.
    not_applicable: region code → names of the assets that do not exist for it (Iowa 1978 has no imagery).
    """

    storage: StorageResource
    not_applicable: dict[str, list[str]] = {}  # noqa: RUF012 - pydantic copies defaults

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish a draft as the current version of the step's partition.

        Raises
        ------
        DraftMismatchError
            The asset returned no draft, or one of another asset or partition; or the output is no asset's.
        StorageError
            See `Store.publish`; the version current before is still current.
        """
        if not context.has_asset_key:
            raise _no_asset(context.step_key)
        draft = self._checked_draft(context, obj)
        try:
            given = self._inputs_of(context.step_context)
            draft.seal().describe(simulated=draft.simulated or any(one.simulated for one in given))
            manifest = draft.manifest(
                run_id=context.run_id,
                code_version=context.asset_spec.code_version,
                inputs=[one.record for one in given],
            )
            stored = self.storage.store.publish(draft, manifest)
        finally:
            draft.discard()
        # whatever the asset's result said or left out: staleness follows the content
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(stored.version))
        for warning in stored.warnings:
            context.log.warning(warning)
        context.add_output_metadata(_output_metadata(stored))

    def load_input(self, context: dg.InputContext) -> Any:
        """The version, versions or None that a step gets for one of its inputs; see the class.

        Raises
        ------
        NotMaterialisedError
            A mapped partition was never materialised, or none is mapped, and the input is not optional.
        NotApplicableError
            The upstream asset does not exist for the region and the input does not say what it requires.
        HashMismatchError, StorageError
            The store cannot vouch for the version.
        """
        if not context.has_asset_key:
            raise _no_asset(context.step_context.step.key)
        described = context.definition_metadata
        asset = str(described.get(STORED_AS) or _asset_name(context.asset_key))
        optional = bool(described.get(OPTIONAL, False))
        wanted = self._mapped_partitions(context, asset)
        applicable = [partition for partition in wanted if asset not in self.not_applicable.get(partition.region, ())]
        if wanted and not applicable:
            if optional or REQUIRES in described:
                return None
            raise NotApplicableError(
                f"{asset} does not exist for region {wanted[0].region}",
                where=f"input {context.name!r}",
                remedy='Give the input metadata {"requires": …} when the asset can do without it',
            )
        found = self._current_versions(context, asset, applicable, optional)
        if not found:
            return None
        return found[0] if len(applicable) == 1 else {str(version.partition): version for version in found}

    def _current_versions(
        self, context: dg.InputContext, asset: str, wanted: Sequence[Partition], optional: bool
    ) -> list[StoredVersion]:
        if not wanted and not optional:
            downstream = context.partition_key if context.has_partition_key else "this run"
            raise NotMaterialisedError(
                f"no partition of {asset} belongs to {downstream}",
                where=f"input {context.name!r}",
                remedy='Give the input metadata {"optional": True} when the asset can do without it',
            )
        store = self.storage.store
        found = []
        for partition in wanted:
            if optional and not store.is_materialised(asset, partition):
                context.log.info(f"{asset} was never materialised for {partition}: {context.name} is left out")
                continue
            version = store.current(asset, partition)
            self._note(context.step_context, ReadInput(version.as_input(), version.simulated))
            found.append(version)
        return found

    def _note(self, step: StepExecutionContext, given: ReadInput) -> None:
        graph = _graph_of(step)
        if graph is None:
            _step_inputs.record(step.run_id, step.step.key, given)
        else:
            GraphInputs(self.storage.store.tree).record(step.run_id, graph, given)

    def _inputs_of(self, step: StepExecutionContext) -> list[ReadInput]:
        graph = _graph_of(step)
        if graph is None:
            return _step_inputs.of(step.run_id, step.step.key)
        return GraphInputs(self.storage.store.tree).of(step.run_id, graph)

    def _mapped_partitions(self, context: dg.InputContext, asset: str) -> list[Partition]:
        if not context.has_asset_partitions:
            raise DraftMismatchError(
                f"{asset} has no partitions, and this store keeps assets by region and season",
                where=f"input {context.name!r}",
                remedy="Give the asset the region × season partitions, or another I/O manager",
            )
        return sorted(Partition.from_key(str(key)) for key in context.asset_partition_keys)

    def _checked_draft(self, context: dg.OutputContext, obj: Any) -> Draft:
        asset = _asset_name(context.asset_key)
        if not isinstance(obj, Draft):
            raise DraftMismatchError(
                f"{asset} returned {type(obj).__name__}, not a draft of a version",
                remedy="Return dg.MaterializeResult(value=draft, …) with a draft from Store.draft",
            )
        partition = Partition.from_key(str(context.asset_partition_key))
        stage = str(context.definition_metadata.get(STAGE) or context.asset_spec.group_name or "default")
        if (obj.asset, obj.partition, obj.stage) != (asset, partition, stage):
            raise DraftMismatchError(
                f"the draft is of {obj.place} in stage {obj.stage!r}",
                where=f"step of {asset} of {partition} in stage {stage!r}",
                remedy="Open the draft with the step's own asset name, partition and stage",
            )
        return obj


def _graph_of(step: StepExecutionContext) -> str | None:
    """Name of the graph-backed asset's graph that a step belongs to, None for a step that is an asset by itself."""
    handle = step.node_handle
    return None if handle.parent is None else str(handle.root.name)


def _no_asset(step: str) -> DraftMismatchError:
    return DraftMismatchError(
        "a value between two steps is no version of an asset",
        where=f"step {step}",
        remedy='Give the output io_manager_key="step_io"',
    )


def _asset_name(key: dg.AssetKey) -> str:
    if len(key.path) != 1:
        raise DraftMismatchError(
            f"asset key {key.to_user_string()!r} has several parts",
            remedy="Use one plain name: the stage comes from the asset's metadata",
        )
    return key.path[0]


def _file_table(files: Sequence[FileRecord]) -> dg.MarkdownMetadataValue:
    lines = ["| file | bytes | rows | sha256 |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {file.name} | {file.bytes:,} | {'–' if file.rows is None else file.rows} | {file.sha256[:16]}… |"
        for file in files
    ]
    return dg.MetadataValue.md("\n".join(lines))


def _output_metadata(stored: StoredVersion) -> dict[str, Any]:
    manifest = stored.manifest
    return {
        "uri": dg.MetadataValue.path(stored.uri),
        "version": stored.version,
        "manifest": dg.MetadataValue.path(stored.manifest_uri),
        "manifest_sha256": stored.manifest_sha256,
        "inputs": dg.MetadataValue.json([record.model_dump(mode="json") for record in manifest.inputs]),
        "files": _file_table(manifest.files),
        "bytes": dg.MetadataValue.int(sum(file.bytes for file in manifest.files)),
        "rows": dg.MetadataValue.int(sum(file.rows or 0 for file in manifest.files)),
        "simulated": dg.MetadataValue.bool(manifest.simulated),
        "mirror": stored.mirror_state,
    }
