"""Batches of units: every unit in one batch, neighbours together, what a run's log says of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.batches import BatchedAsset, UnitLog, batch_outputs, batches, finished_units, peak_memory_mib
from assets.errors import PlanChangedError


@given(count=st.integers(1, 3000), workers=st.integers(1, 64))
def test_batches_hold_every_unit_once_in_order_and_evenly(count, workers):
    cut = batches(count, workers)
    assert [unit for batch in cut for unit in batch] == list(range(count))
    assert len(cut) == max(1, min(count, 4 * workers))
    sizes = [len(batch) for batch in cut]
    assert max(sizes) - min(sizes) <= 1


def test_outputs_name_the_plan_and_sort_as_they_are_numbered():
    outputs = list(batch_outputs(10, "abc", 1, metadata={"units": 10}))
    assert [output.mapping_key for output in outputs] == ["batch_0000", "batch_0001", "batch_0002", "batch_0003"]
    assert [output.value for output in outputs][1] == {"first": 2, "stop": 5, "plan": "abc"}
    assert {output.metadata["units"].value for output in outputs} == {10}


def test_only_units_whose_counts_are_written_are_finished(tmp_path):
    for name in ("a.tif", "a.json", "b.tif", ".b.17.json", ".c.17.tif"):
        (tmp_path / name).touch()
    assert finished_units(tmp_path) == 1


def test_the_plan_step_names_folder_units_and_what_they_are(tmp_path):
    work, storage, log = (
        BatchedAsset("time_series", units="overpasses"),
        SimpleNamespace(scratch_dir=str(tmp_path)),
        Lines(),
    )
    (work.folder("f" * 64, storage) / "00000.json").touch()
    outputs = list(work.planned(SimpleNamespace(log=log), "f" * 64, 23, 2, storage))
    shown = {name: value.value for name, value in outputs[0].metadata.items()}
    assert shown == {
        "units": 23, "units_are": "overpasses", "finished_before": 1, "plan": "f" * 64, "batch_units": 2,
        "work_folder": str(work.folder("f" * 64, storage)),
    }  # fmt: skip
    assert len(outputs) == 8
    assert log == ["23 overpasses, of which 1 are finished"]
    work.published("f" * 64, "run", storage)
    assert not list((tmp_path / "unfinished" / "time_series").iterdir())


def test_a_run_does_not_go_on_with_another_plan():
    work, context = BatchedAsset("time_series", units="overpasses"), SimpleNamespace(partition_key="2023-10|valley")
    work.require_same_plan("one", {"plan": "one"}, context)
    with pytest.raises(PlanChangedError, match=r"plan of time_series .* Materialise time_series again"):
        work.require_same_plan("two", {"plan": "one"}, context)


class Lines(list):
    def info(self, text, *arguments):
        self.append(text % arguments)


def test_a_batch_says_how_far_it_is_and_counts_only_what_it_made_as_rate(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("assets.batches.time.monotonic", lambda: now[0])
    lines = Lines()
    log = UnitLog(lines, 12)
    log.count(made=False)
    for _ in range(4):
        now[0] += 3.0
        log.count(made=True)
    # twelve seconds for four made, seven more to come: at the second one (6 s) two were made and nine missing
    assert lines == ["unit 3 of 12, 27 s left", "unit 5 of 12, 21 s left"]
    for _ in range(7):
        log.count(made=False)
    assert lines[-1] == "unit 12 of 12"
    assert (log.done, log.made) == (12, 4)


def test_peak_memory_only_grows():
    before = peak_memory_mib()
    block = bytearray(before * 2**20 + 64 * 2**20)
    assert peak_memory_mib() >= before + 32
    assert len(block) > 0
