"""Sealed files: the same bytes for the same content, changed ones refused in the words of their kind, writes whole."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from agristat_platform.classification.errors import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
)
from agristat_platform.classification.sealed_files import SealedFormat, SealedModel, whole_file, write_whole

RULER = SealedFormat(name="ruler", version=3, again="measure the rod again", content="a ruler")
STRICT = SealedFormat(
    name="ruler",
    version=3,
    again="measure again",
    content=None,
    kind="ruler",
    file_words="",
    restore="Restore the file",
    seal="sha256",
    nan=False,
)
ROD = SealedModel(
    name="rod",
    version=1,
    again="measure again",
    content="a rod",
    description_file="rod.json",
    arrays_file="rod.arrays",
)
BODY = {"format": "ruler", "format_version": 3, "ñame": [1.5, 0.1]}


def test_the_seal_is_the_sha256_of_the_sorted_content() -> None:
    text = '{\n "format": "ruler",\n "format_version": 3,\n "ñame": [\n  1.5,\n  0.1\n ]\n}\n'
    sealed = json.loads(STRICT.sealed(BODY))
    assert sealed == {**BODY, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    assert json.loads(RULER.sealed(BODY))["description_sha256"] == sealed["sha256"]
    assert RULER.sealed(dict(reversed(BODY.items()))) == RULER.sealed(BODY)


@pytest.mark.parametrize("form", [RULER, STRICT])
def test_what_was_sealed_is_read_without_its_seal_and_no_changed_byte_is(form: SealedFormat, tmp_path: Path) -> None:
    path = tmp_path / "ruler.json"
    content = form.sealed(BODY)
    write_whole(path, content)
    assert form.read(path) == BODY
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises((ModelFileTamperedError, ModelFormatVersionError)):
            form.read(path)
    path.write_bytes(content.replace(b": 3", b":  3"))
    with pytest.raises(ModelFileTamperedError, match="not what was written"):
        form.read(path)


def test_each_kind_is_refused_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "ruler.json"
    with pytest.raises(ModelFileMissingError, match=r"^model file ruler\.json is missing") as missing:
        RULER.read(path)
    assert missing.value.where == str(tmp_path)
    assert missing.value.remedy == "Restore it or measure the rod again"
    with pytest.raises(ModelFileMissingError, match=r"^ruler\.json is missing"):
        STRICT.content_of(path)
    path.write_text("[1]")
    with pytest.raises(
        ModelFileTamperedError, match=r"^model file ruler\.json can't be trusted: it is not a ruler"
    ) as no:
        RULER.read(path)
    assert no.value.remedy == "Restore the file from the store's mirror or measure the rod again"
    with pytest.raises(
        ModelFormatVersionError, match=r"^ruler format is \(None, None\), this platform reads .*3"
    ) as other:
        STRICT.read(path)
    assert other.value.remedy == "Measure again, or load it with the version of the platform that wrote it"
    path.write_bytes(RULER.sealed({**BODY, "format_version": 4}))
    with pytest.raises(ModelFormatVersionError, match=r"^model format is \('ruler', 4\)"):
        RULER.read(path)
    path.write_text("no JSON")
    with pytest.raises(ModelFileTamperedError, match=r"^ruler\.json can't be trusted: it is not JSON"):
        STRICT.read(path)


def test_nan_only_where_the_format_has_it() -> None:
    assert b"NaN" in RULER.sealed({"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        STRICT.sealed({"loss": float("nan")})


def test_a_model_of_two_files_is_read_as_it_was_written(tmp_path: Path) -> None:
    description, arrays = ROD.write(tmp_path / "made", {"length": 2.5}, b"\x00\x01")
    assert (description.name, arrays.name) == ("rod.json", "rod.arrays")
    body, content = ROD.read_both(tmp_path / "made")
    sha256 = hashlib.sha256(b"\x00\x01").hexdigest()
    assert body == {"format": "rod", "format_version": 1, "length": 2.5, "tensors_sha256": sha256}
    assert content == b"\x00\x01"


def test_arrays_that_the_description_does_not_know_are_refused(tmp_path: Path) -> None:
    description, arrays = ROD.write(tmp_path, {}, b"arrays")
    arrays.write_bytes(b"others")
    with pytest.raises(ModelFileTamperedError, match=r"^model file rod\.arrays .* not the one in rod\.json"):
        ROD.read_both(tmp_path)
    description.write_bytes(ROD.sealed(ROD.stamped({})))
    with pytest.raises(ModelFileTamperedError, match=r"^model file rod\.arrays .* not the one in rod\.json"):
        ROD.read_both(tmp_path)
    arrays.unlink()
    with pytest.raises(ModelFileMissingError, match=r"^model file rod\.arrays is missing"):
        ROD.read_both(tmp_path)


def test_a_failed_write_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ruler.json"
    write_whole(path, b"before")

    def half_written() -> None:
        with whole_file(path) as partial:
            partial.write_bytes(b"half")
            raise OSError("no such rod")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="no such rod"):
        half_written()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["ruler.json"]
    monkeypatch.undo()
    write_whole(path, b"after")
    assert path.read_bytes() == b"after"


def test_older_versions_are_read_where_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ruler.json"
    path.write_bytes(RULER.sealed(BODY))
    newer = SealedFormat(name="ruler", version=4, again="measure again", content="a ruler")
    with pytest.raises(ModelFormatVersionError, match="3"):
        newer.read(path)
    both = SealedFormat(name="ruler", version=4, again="measure again", content="a ruler", older=(3,))
    assert both.read(path) == BODY
