"""One region and season through Dagster, in this process or in several, with its stages on the terminal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import dagster as dg

from agristat_platform.catalogue import Catalogue, Partition, Settings, load_catalogue
from agristat_platform.errors import AgristatError
from agristat_platform.operations.dagster_home import environment_of, prepare_dagster_home
from agristat_platform.operations.errors import RunFailedError, UnknownSelectionError
from agristat_platform.operations.progress import Progress
from agristat_platform.operations.run_display import RunDisplay
from agristat_platform.operations.worker_server import start_worker_server
from assets.families import families_of
from assets.partitions import partition_key, region_seasons

JOB = "season"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
TOKEN = "agristat/run"
SEE_LOG = "Its log is in the Dagster UI"


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

    With one worker the run takes place in this process. With several its steps are processes that load the code
    location from the settings, so resources swapped in `definitions` do not reach them, and `instance` must be on disk.

    Returns
    -------
    The run's id.

    Raises
    ------
    AgristatError
        What the failing asset raised, as it raised it.
    RunFailedError
        The run failed otherwise, or in another process; the message carries Dagster's.
    """
    run = _in_this_process if _settings_of(definitions).execution.workers == 1 else _in_worker_processes
    return run(definitions, partition, assets, instance, progress)


def _in_this_process(
    definitions: dg.Definitions,
    partition: Partition,
    assets: Sequence[dg.AssetKey],
    instance: dg.DagsterInstance,
    progress: Progress,
) -> str:
    run_id = str(uuid.uuid4())
    with RunDisplay(instance, lambda: run_id if instance.has_run(run_id) else None, partition.season, progress):
        try:
            result = definitions.resolve_job_def(JOB).execute_in_process(
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
    if not result.success:
        raise _without_success(run_id)
    return run_id


def _in_worker_processes(
    definitions: dg.Definitions,
    partition: Partition,
    assets: Sequence[dg.AssetKey],
    instance: dg.DagsterInstance,
    progress: Progress,
) -> str:
    settings = _settings_of(definitions)
    # Dagster chooses the id of such a run, so it is known again by a tag
    token = str(uuid.uuid4())
    tags = {
        **region_seasons(load_catalogue(settings)).get_tags_for_partition_key(partition_key(partition)),
        TOKEN: token,
    }

    def find_run() -> str | None:
        found = instance.get_run_ids(dg.RunsFilter(tags={TOKEN: token}), limit=1)
        return found[0] if found else None

    with environment_of(settings), RunDisplay(instance, find_run, partition.season, progress):
        from agristat_platform.code_location import season_job  # reads the environment

        start_worker_server(prepare_dagster_home(settings) / "workers.log")
        with dg.execute_job(
            dg.reconstructable(season_job),
            instance=instance,
            run_config=QUIET,
            tags=tags,
            asset_selection=list(assets),
            raise_on_error=False,
        ) as result:
            run_id, success = result.run_id, result.success
            failures = [] if success else result.filter_events(lambda event: event.is_step_failure)
    if success:
        return run_id
    if not failures:
        raise _without_success(run_id)
    raise _told_by(failures[0], run_id)


def _settings_of(definitions: dg.Definitions) -> Settings:
    catalogue: Catalogue = (definitions.resources or {})["catalogue"]
    return catalogue.settings


def _without_success(run_id: str) -> RunFailedError:
    return RunFailedError("the run ended without success", where=f"run {run_id}", remedy=SEE_LOG)


def _told_by(failure: dg.DagsterEvent, run_id: str) -> RunFailedError:
    """What a step in another process raised: its innermost error in its own words."""
    error = failure.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    said = failure.message if error is None else error.message.strip()
    return RunFailedError(str(said), where=f"{failure.step_key}, run {run_id}", remedy=SEE_LOG)


def _named(error: BaseException, run_id: str) -> AgristatError:
    """The platform's own error in the chain of causes, else one that carries Dagster's words."""
    cause: BaseException | None = error
    seen: set[int] = set()  # an error that was raised again by a retry is its own cause's cause
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, AgristatError):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return RunFailedError(f"{type(error).__name__}: {error}", where=f"run {run_id}", remedy=SEE_LOG)
