"""Values between steps and work folders under scratch."""

from __future__ import annotations

import os
import time

import dagster as dg
import pytest

from resources.errors import StorageError
from resources.step_io import StepIOManager
from resources.work_folders import WorkFolders


def context_of(step, output="result", mapping_key=None, run_id="r1"):
    return dg.build_output_context(step_key=step, name=output, run_id=run_id, mapping_key=mapping_key)


def test_a_value_arrives_as_it_was_written_by_another_manager_too(tmp_path):
    value = {"first": 0, "names": ["a", "ü"], "share": 0.25, "none": None}
    written = context_of("composites.plan", mapping_key="batch_0001")
    StepIOManager(scratch_dir=str(tmp_path)).handle_output(written, value)
    read = dg.build_input_context(name="batch", upstream_output=written)
    assert StepIOManager(scratch_dir=str(tmp_path)).load_input(read) == value
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), {"x": float("inf")}])
def test_what_is_no_json_is_refused_and_names_the_step(tmp_path, value):
    with pytest.raises(StorageError, match=r"cannot be written as JSON.*step composites\.plan"):
        StepIOManager(scratch_dir=str(tmp_path)).handle_output(context_of("composites.plan"), value)
    assert not list(tmp_path.rglob("*.json"))


def test_names_of_steps_neither_meet_nor_leave_the_folder(tmp_path):
    manager = StepIOManager(scratch_dir=str(tmp_path / "scratch"))
    steps = ["a[b_1]", "a.b_1", "a~b_1", "../../a", "a/b"]
    for number, step in enumerate(steps):
        manager.handle_output(context_of(step), number)
    for number, step in enumerate(steps):
        read = dg.build_input_context(name="x", upstream_output=context_of(step))
        assert manager.load_input(read) == number
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
    assert len(list(tmp_path.rglob("*.json"))) == len(steps)


def test_a_missing_value_says_what_to_do_and_an_assets_values_of_a_run_can_be_forgotten(tmp_path):
    manager = StepIOManager(scratch_dir=str(tmp_path))
    kept = [("r2", "a.plan"), ("r1", "ab.plan"), ("r1", "b.plan")]
    for run_id, step in [("r1", "a.plan"), ("r1", "a.compose[b_1]"), *kept]:
        manager.handle_output(context_of(step, run_id=run_id), 1)
    manager.forget("r1", "a")
    for step in ("a.plan", "a.compose[b_1]"):
        with pytest.raises(StorageError, match=r"value for input 'x' is missing.*Materialise the whole asset again"):
            manager.load_input(dg.build_input_context(name="x", upstream_output=context_of(step)))
    for run_id, step in kept:
        read = dg.build_input_context(name="x", upstream_output=context_of(step, run_id=run_id))
        assert manager.load_input(read) == 1


def test_only_work_nobody_touched_is_swept(tmp_path):
    folders = WorkFolders(tmp_path)
    old, touched, new = (folders.folder("composites", key) for key in ("old", "touched", "new"))
    (touched / "files").mkdir()
    month_ago = time.time() - 30 * 24 * 3600
    for path in (old, touched):
        os.utime(path, (month_ago, month_ago))
    assert folders.sweep() == ("unfinished/composites/old",)
    assert (old.exists(), touched.exists(), new.exists()) == (False, True, True)
    folders.remove("composites", "touched")
    assert not touched.exists()
