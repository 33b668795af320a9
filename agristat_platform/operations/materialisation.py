"""One region and season through Dagster, in this process, with its stages on the terminal."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence

import dagster as dg

from agristat_platform.catalogue import Catalogue, Partition
from agristat_platform.errors import AgristatError
from agristat_platform.operations.errors import RunFailedError, UnknownSelectionError
from agristat_platform.operations.progress import Progress, Stage
from assets.families import families_of
from assets.partitions import partition_key

JOB = "season"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
POLL_SECONDS = 0.3


def select_assets(
    definitions: dg.Definitions, catalogue: Catalogue, partition: Partition, selection: str | None
) -> list[dg.AssetKey]:
    """Assets to materialise for a partition: those that apply to its region, narrowed by Dagster selections such as "features+".

    Several selections are separated by commas.

    Raises
    ------
    UnknownSelectionError
        The selection cannot be read, names no asset, or none that applies to the region.
    """
    applicable = families_of(catalogue.region(partition.region))
    graph = definitions.resolve_asset_graph()
    ordered = [key for key in graph.toposorted_asset_keys if key.to_user_string() in applicable]
    if selection is None:
        return ordered
    names = ", ".join(key.to_user_string() for key in graph.toposorted_asset_keys)
    try:
        chosen = set[dg.AssetKey]().union(
            *(dg.AssetSelection.from_string(part.strip()).resolve(graph) for part in selection.split(","))
        )
    except (dg.DagsterError, ValueError) as error:
        # Dagster's first line says what is wrong, the others speak to a developer
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise UnknownSelectionError(f"cannot select {selection!r}: {said}", remedy=f"Assets: {names}") from error
    keys = [key for key in ordered if key in chosen]
    if not keys:
        raise UnknownSelectionError(
            f"{selection!r} selects nothing that applies to the region {partition.region}",
            remedy=f"Assets that apply: {', '.join(key.to_user_string() for key in ordered)}",
        )
    return keys


def materialise(
    definitions: dg.Definitions,
    partition: Partition,
    assets: Sequence[dg.AssetKey],
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
) -> str:
    """Run the assets of one partition and show each as a stage.

    Returns
    -------
    The run's id.

    Raises
    ------
    AgristatError
        What the failing asset raised, as it raised it.
    RunFailedError
        The run failed otherwise; the message carries Dagster's.
    """
    run_id = str(uuid.uuid4())
    job = definitions.resolve_job_def(JOB)
    stopped = threading.Event()
    watcher = threading.Thread(target=_watch, args=(instance, run_id, partition, progress, stopped), daemon=True)
    watcher.start()
    try:
        result = job.execute_in_process(
            run_config=QUIET,
            instance=instance,
            partition_key=partition_key(partition),
            asset_selection=list(assets),
            run_id=run_id,
            raise_on_error=True,
        )
    except AgristatError:
        raise
    except Exception as error:
        raise _named(error, run_id) from error
    finally:
        stopped.set()
        watcher.join()
    if not result.success:
        raise RunFailedError(
            "the run ended without success", where=f"run {run_id}", remedy="Its log is in the Dagster UI"
        )
    return run_id


def _named(error: BaseException, run_id: str) -> AgristatError:
    """The platform's own error in the chain of causes, else one that carries Dagster's words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AgristatError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return RunFailedError(
        f"{type(error).__name__}: {error}", where=f"run {run_id}", remedy="Its log is in the Dagster UI"
    )


def _watch(
    instance: dg.DagsterInstance, run_id: str, partition: Partition, progress: Progress, stopped: threading.Event
) -> None:
    """Turn step events into stages until told to stop, then drain what is left."""
    running: dict[str, Stage] = {}
    cursor: str | None = None
    last_round = False
    while True:
        last_round = last_round or stopped.wait(POLL_SECONDS)
        connection = instance.get_records_for_run(run_id, cursor=cursor) if instance.has_run(run_id) else None
        for record in connection.records if connection else ():
            _show(record.event_log_entry.dagster_event, running, partition, progress)
        if connection:
            cursor = connection.cursor
        if last_round and not (connection and connection.has_more):
            return


def _show(event: dg.DagsterEvent | None, running: dict[str, Stage], partition: Partition, progress: Progress) -> None:
    if event is None or event.step_key is None:
        return
    if event.event_type == dg.DagsterEventType.STEP_START:
        running[event.step_key] = progress.start(f"{partition.season}  {event.step_key}")
    elif event.event_type in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
        stage = running.pop(event.step_key, None)
        if stage is not None:
            progress.end(stage, failed=event.event_type == dg.DagsterEventType.STEP_FAILURE)
