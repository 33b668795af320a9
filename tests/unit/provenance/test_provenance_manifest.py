"""Hashes, canonical bytes and the manifest's own rules."""

import hashlib
import json
import math
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import (
    ExternalRecord,
    FileRecord,
    InputRecord,
    Manifest,
    ManifestInvalidError,
    canonical_json,
    collect_environment,
    content_hash,
    parse_manifest,
    sha256_bytes,
    sha256_file,
    verify_version,
)
from agristat_platform.provenance.environment import _git_state

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256 of nothing, FIPS 180-4 example
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def file(name="a.txt", data=b"", rows=None):
    return FileRecord(name=name, sha256=sha256_bytes(data), bytes=len(data), rows=rows)


def manifest(**changes):
    files = changes.pop("files", (file(),))
    fields = {
        "asset": "crop_maps",
        "stage": "mapping",
        "region": "demo-valley",
        "season": "2023-10",
        "version": content_hash(files),
        "created": datetime(2024, 6, 1, 12, tzinfo=UTC),
        "run_id": "run-1",
        "code_version": "abc",
        "environment": collect_environment(),
        "parameters": {"trees": 300},
        "seeds": {"forest": 1},
        "simulated": True,
        "inputs": (),
        "external": (),
        "files": files,
    }
    return Manifest(**(fields | changes))


def test_content_hash_is_what_sha256sum_gives(tmp_path):
    for name, data in (("b.tif", b"two"), ("a.parquet", b"one"), ("C.json", b"three")):
        (tmp_path / name).write_bytes(data)
    records = [file(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    expected = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in (("C.json", b"three"), ("a.parquet", b"one"), ("b.tif", b"two"))
    )
    assert content_hash(records) == hashlib.sha256(expected.encode()).hexdigest()
    assert content_hash(reversed(records)) == content_hash(records)
    if shutil.which("sha256sum"):
        command = "sha256sum * | LC_ALL=C sort -k2 | sha256sum"
        shell = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert shell.stdout.split()[0] == content_hash(records)


@pytest.mark.parametrize("change", [{"name": "b.txt"}, {"data": b"x"}])
def test_content_hash_changes_with_name_and_bytes(change):
    assert content_hash([file(**change)]) != content_hash([file()])


def test_hash_of_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    assert sha256_file(tmp_path / "empty") == EMPTY


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_canonical_json_does_not_depend_on_order_and_reads_back(value):
    data = canonical_json(value)
    assert canonical_json(dict(reversed(value.items()))) == data
    assert json.loads(data) == value
    assert data.endswith(b"\n")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_canonical_json_refuses_what_json_has_not(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": value})


def test_manifest_reads_back_as_the_same_bytes():
    written = manifest(
        inputs=(
            InputRecord(
                asset="features",
                partition="demo-valley|2023-10",
                uri="file:///nas/x",
                version=EMPTY,
                manifest_sha256=EMPTY,
                run_id="r",
            ),
        ),
        external=(ExternalRecord(kind="scene", id="S2A", href="https://example.org/a.tif"),),
        files=(file("ñ.json", b"{}"), file("t.parquet", b"PAR1", rows=3)),
    )
    read = parse_manifest(written.to_bytes(), where="here")
    assert read == written
    assert read.sha256 == written.sha256 == sha256_bytes(written.to_bytes())
    assert read.file_name == f"manifest-{written.sha256[:16]}.json"
    assert read.partition == Partition("demo-valley", "2023-10")
    assert json.loads(written.to_bytes())["schema"] == "agristat-manifest/1"
    assert read.file("t.parquet").rows == 3
    assert read.file("none") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": EMPTY}, "version is not the content hash"),
        ({"files": (file(), file())}, "listed twice: a.txt"),
        ({"created": datetime(2024, 6, 1)}, "without a zone"),
        ({"seeds": {"forest": "one"}}, "seeds.forest"),
        ({"colour": "red"}, "colour"),
        ({"run_id": None}, "run_id"),
    ],
)
def test_impossible_manifests_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        manifest(**change)


def test_times_are_kept_in_utc():
    local = datetime(2024, 6, 1, 6, tzinfo=timezone(timedelta(hours=-6)))
    assert manifest(created=local).to_bytes() == manifest().to_bytes()


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"schema": "agristat-manifest/9"}', b"\xff"])
def test_unreadable_manifest_names_place_field_and_remedy(data):
    with pytest.raises(ManifestInvalidError, match=r"cannot be read.*\(/nas/m\.json\)\. Restore the file"):
        parse_manifest(data, where="/nas/m.json")


@pytest.mark.parametrize(
    ("href", "kept"),
    [
        ("https://host/a.tif?sig=SECRET&se=1", "https://host/a.tif"),
        ("https://host/a.tif?X-Amz-Signature=SECRET", "https://host/a.tif"),
        ("https://host/a.tif?AWSAccessKeyId=SECRET", "https://host/a.tif"),
        ("https://me:SECRET@host/a.tif", "https://host/a.tif"),
        ("https://host/a.tif?version=2", "https://host/a.tif?version=2"),
        ("s3://bucket/key.tif", "s3://bucket/key.tif"),
        ("/nas/archive/a b.tif", "/nas/archive/a b.tif"),
    ],
)
def test_credentials_in_links_are_not_recorded(href, kept):
    assert ExternalRecord(kind="scene", id="x", href=href).href == kept


def test_environment_names_what_can_change_a_figure():
    environment = collect_environment()
    assert {"numpy", "pyarrow", "scikit-learn", "agristat_platform"} <= set(environment.packages)
    assert set(environment.libraries) == {"gdal", "geos", "proj"}
    assert collect_environment() is environment


def test_commit_and_uncommitted_changes_are_seen(tmp_path):
    assert _git_state(tmp_path, {}) == (None, None)
    assert _git_state(tmp_path, {"AGRISTAT_GIT_COMMIT": "abc"}) == ("abc", None)
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init", "--quiet")
    assert _git_state(tmp_path, {})[0] is None
    (tmp_path / "f").write_text("1")
    git("add", "f")
    git("commit", "--quiet", "--message", "one")
    commit, dirty = _git_state(tmp_path, {})
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "f").write_text("2")
    assert _git_state(tmp_path, {}) == (commit, True)


@pytest.fixture
def version(tmp_path):
    """A version directory with one file and its manifest."""
    (tmp_path / "a.txt").write_bytes(b"wheat")
    written = manifest(files=(file("a.txt", b"wheat"),))
    (tmp_path / written.file_name).write_bytes(written.to_bytes())
    return tmp_path, written


def verified(version, **options):
    directory, written = version
    return verify_version(fsspec.filesystem("file"), str(directory), written.file_name, **options)


def test_version_as_recorded_has_no_problem(version):
    seen = []
    assert verified(version, manifest_sha256=version[1].sha256, on_bytes=seen.append) == []
    assert seen == [5]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda directory, name: (directory / "a.txt").write_bytes(b"wheaT"), "file_hash"),
        (lambda directory, name: (directory / "a.txt").write_bytes(b"whe"), "file_size"),
        (lambda directory, name: (directory / "a.txt").unlink(), "file_missing"),
        (lambda directory, name: (directory / "b.txt").touch(), "file_unknown"),
        (lambda directory, name: (directory / name).unlink(), "manifest_missing"),
        (lambda directory, name: (directory / name).write_bytes(b"{}"), "manifest_hash"),
    ],
)
def test_every_kind_of_damage_is_one_problem_with_path_and_remedy(version, damage, kind):
    damage(version[0], version[1].file_name)
    (problem,) = verified(version)
    assert problem.kind == kind
    assert problem.path.startswith(str(version[0]))
    assert problem.remedy
    assert problem.expected != problem.got


def test_manifest_with_another_recorded_hash_is_refused(version):
    (problem,) = verified(version, manifest_sha256="0" * 64)
    assert (problem.kind, problem.expected, problem.got) == ("manifest_hash", "0" * 64, version[1].sha256)
