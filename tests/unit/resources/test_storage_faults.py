"""Real faults: a full disk, a read-only NAS, a killed process, two runs at once. The version before stays current."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from agristat_platform.catalogue import Partition
from resources.errors import StoreFullError, StoreReadOnlyError, StoreUnavailableError
from resources.versioned_store import Store

HERE = Partition("demo-valley", "2023-10")
MEGABYTE = 1 << 20


def open_draft(store, value, *, megabytes=0.0):
    with store.draft("composites", HERE, stage="imagery") as draft:
        draft.write_table("layers", pa.table({"value": [value]}))
        # noise, so that no file system can make it small
        draft.write_bytes("optical.tif", os.urandom(int(megabytes * MEGABYTE)) if megabytes else b"II*\0")
    return draft


def publish(store, value, *, megabytes=0.0, run_id="run"):
    draft = open_draft(store, value, megabytes=megabytes)
    return store.publish(draft, draft.manifest(run_id=run_id))


def current_value(store):
    return store.current("composites", HERE).table("layers").column("value")[0].as_py()


@contextmanager
def small_disk(directory: Path, size="2m"):
    """A tmpfs of its own, taken away afterwards; skips where mounting is not permitted."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def remount(directory, mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", str(directory)], check=True, capture_output=True)


def test_full_disk_is_one_clear_error_and_the_version_before_stays(tmp_path):
    nas = tmp_path / "nas"
    with small_disk(nas):
        store = Store(str(nas), scratch_dir=tmp_path / "scratch")
        publish(store, 1)
        with pytest.raises(StoreFullError, match="no room left") as caught:
            publish(store, 2, megabytes=4)
        assert str(nas) in str(caught.value)
        assert "Free space" in str(caught.value)
        assert current_value(store) == 1
        report = store.verify()
        assert report.intact
        assert report.notices == []  # what had been written was removed again
        publish(store, 3, megabytes=0.5)
        assert current_value(store) == 3


def test_full_scratch_is_one_clear_error(tmp_path):
    with small_disk(tmp_path / "scratch", size="256k"):
        store = Store(str(tmp_path / "nas"), scratch_dir=tmp_path / "scratch")
        with pytest.raises(StoreFullError, match="no room left"):
            open_draft(store, 1, megabytes=1)
        assert list((tmp_path / "scratch" / "drafts").iterdir()) == []


def test_full_mirror_does_not_stop_the_publication(tmp_path):
    with small_disk(tmp_path / "mirror"):
        store = Store(str(tmp_path / "nas"), mirror_uri=str(tmp_path / "mirror"), scratch_dir=tmp_path / "scratch")
        stored = publish(store, 1, megabytes=4)
        assert stored.mirror_state == "pending"
        assert "no room left" in stored.warnings[0]
        assert current_value(store) == 1


def test_read_only_nas_is_one_clear_error_and_stays_readable(tmp_path):
    nas = tmp_path / "nas"
    with small_disk(nas):
        store = Store(str(nas), scratch_dir=tmp_path / "scratch")
        publish(store, 1)
        remount(nas, "ro")
        with pytest.raises(StoreReadOnlyError, match="refuses to be written to") as caught:
            publish(store, 2)
        assert str(nas) in str(caught.value)
        assert "Mount it read-write" in str(caught.value)
        assert current_value(store) == 1
        assert store.verify().intact
        remount(nas, "rw")
        publish(store, 2)
        assert current_value(store) == 2


def test_nas_that_is_not_mounted_is_named(tmp_path):
    (tmp_path / "nas").write_text("not a directory")
    store = Store(str(tmp_path / "nas"), scratch_dir=tmp_path / "scratch")
    with pytest.raises(StoreUnavailableError, match="cannot be used"):
        publish(store, 1)


def test_file_size_limit_of_the_process_is_named(tmp_path):
    store = Store(str(tmp_path / "nas"), scratch_dir=tmp_path / "scratch")
    publish(store, 1)
    draft = open_draft(store, 2, megabytes=1)
    manifest = draft.manifest(run_id="run")

    def limited() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE // 2, MEGABYTE // 2))
        try:
            store.publish(draft, manifest)
        except StoreFullError:
            return 7
        return 1

    assert in_child(limited) == 7
    assert current_value(store) == 1
    assert store.verify().intact


def in_child(work) -> int:
    """Exit status of a forked process that does the work; minus the signal's number when it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work() or 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(step, work):
    """The work, killed without warning right before its `step`-th sync, rename or removal."""

    def doomed() -> int:
        count = 0

        def counted(function):
            def call(*arguments, **options):
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return call

        for name in ("fsync", "replace", "unlink", "mkdir"):
            setattr(os, name, counted(getattr(os, name)))
        work()
        return 0

    return doomed


@pytest.mark.parametrize("with_mirror", [False, True])
def test_killed_between_any_two_steps_leaves_old_or_new_and_a_rerun_succeeds(tmp_path, with_mirror):
    outcomes = []
    for step in range(1, 100):
        base = tmp_path / str(step)
        mirror = str(base / "mirror") if with_mirror else None
        store = Store(str(base / "nas"), mirror_uri=mirror, scratch_dir=base / "scratch")
        publish(store, 1, run_id="before")
        draft = open_draft(store, 2)
        manifest = draft.manifest(run_id="killed")
        status = in_child(
            killed_at(step, lambda store=store, draft=draft, manifest=manifest: store.publish(draft, manifest))
        )

        reopened = Store(str(base / "nas"), mirror_uri=mirror, scratch_dir=base / "scratch")
        value = current_value(reopened)
        outcomes.append(value)
        assert value in (1, 2)
        report = reopened.verify()
        assert [problem for problem in report.problems if not problem.kind.startswith("mirror")] == []
        assert publish(reopened, 2, run_id="again").mirror_state == ("copied" if with_mirror else "none")
        assert current_value(reopened) == 2
        assert reopened.sweep(older_than_s=0) is not None
        after = reopened.verify()
        assert after.intact
        assert not any("interrupted" in notice for notice in after.notices)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    else:
        pytest.fail("the publication never got through")
    # the pointer turns once, and never back
    assert outcomes == sorted(outcomes)
    assert outcomes[0] == 1
    assert outcomes[-1] == 2
    assert len(outcomes) > 8


def test_two_runs_of_one_partition_at_once_make_one_chain(tmp_path):
    script = """
import sys
import pyarrow as pa
from agristat_platform.catalogue import Partition
from resources.versioned_store import Store
base, name = sys.argv[1:]
store = Store(f"{base}/nas", scratch_dir=f"{base}/scratch-{name}")
for turn in range(8):
    with store.draft("composites", Partition("demo-valley", "2023-10"), stage="imagery") as draft:
        draft.write_table("layers", pa.table({"value": [turn]}))
    store.publish(draft, draft.manifest(run_id=f"{name}-{turn}"))
"""
    runs = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in ("a", "b")]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    store = Store(str(tmp_path / "nas"), scratch_dir=tmp_path / "scratch")
    assert current_value(store) == 7
    history = store.history("composites", HERE)
    assert len(history) == 16
    report = store.verify()
    assert report.intact
    assert report.notices == []  # every one of the 16 hangs on the chain
