"""Compare a version's files, byte for byte, with what its manifest recorded.

Belongs here: the comparison of one version directory, local or remote. Walking a whole store is `resources`' business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import fsspec

from agristat_platform.provenance.errors import ManifestInvalidError
from agristat_platform.provenance.hashing import sha256_bytes, sha256_stream
from agristat_platform.provenance.manifest import Manifest, is_manifest_name, parse_manifest

ProblemKind = Literal[
    "manifest_missing",
    "manifest_hash",
    "manifest_invalid",
    "file_missing",
    "file_size",
    "file_hash",
    "file_unknown",
    "pointer_invalid",
    "pointer_dangling",
    "version_misplaced",
    "chain_broken",
    "mirror_missing",
    "mirror_differs",
    "mirror_unavailable",
]
RESTORE = "Restore the file from the mirror, or materialise the partition again"


@dataclass(frozen=True)
class Problem:
    """One difference between the record and what is there.

    `path` names the file, `expected` and `got` what the record says and what was found (hash, size, "present", …).
    """

    kind: ProblemKind
    path: str
    expected: str
    got: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: expected {self.expected}, got {self.got}. {self.remedy}"


def verify_version(
    filesystem: fsspec.AbstractFileSystem,
    directory: str,
    manifest_name: str,
    *,
    manifest_sha256: str | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> list[Problem]:
    """All differences between a version directory and one of its manifests.

    Parameters
    ----------
    filesystem, directory:
        Where the version lies: an fsspec file system and the path in it.
    manifest_name:
        File name of the manifest to compare with.
    manifest_sha256:
        Hash that the pointer or a later version recorded for the manifest; without it the file name's own digits are
        compared.
    on_bytes:
        Called with the number of bytes after each file, for a progress display.

    Returns
    -------
    One `Problem` per missing, changed or unknown file; empty when everything is as recorded.
    """
    directory = directory.rstrip("/")
    manifest_path = f"{directory}/{manifest_name}"
    if not filesystem.exists(manifest_path):
        return [Problem("manifest_missing", manifest_path, "present", "absent", RESTORE)]
    data: bytes = filesystem.cat_file(manifest_path)
    got = sha256_bytes(data)
    expected = manifest_sha256 or manifest_name.removeprefix("manifest-").removesuffix(".json")
    if not got.startswith(expected):
        return [Problem("manifest_hash", manifest_path, expected, got, RESTORE)]
    try:
        manifest = parse_manifest(data, where=manifest_path)
    except ManifestInvalidError as error:
        return [Problem("manifest_invalid", manifest_path, "a valid manifest", error.what, RESTORE)]
    return _compare_files(filesystem, directory, manifest, on_bytes)


def _compare_files(
    filesystem: fsspec.AbstractFileSystem,
    directory: str,
    manifest: Manifest,
    on_bytes: Callable[[int], None] | None,
) -> list[Problem]:
    listed = filesystem.ls(directory, detail=True)
    sizes = {str(entry["name"]).rstrip("/").rpartition("/")[2]: entry["size"] for entry in listed}
    problems = []
    for file in manifest.files:
        path = f"{directory}/{file.name}"
        if file.name not in sizes:
            problems.append(Problem("file_missing", path, "present", "absent", RESTORE))
        elif sizes[file.name] != file.bytes:
            problems.append(Problem("file_size", path, f"{file.bytes} bytes", f"{sizes[file.name]} bytes", RESTORE))
        else:
            with filesystem.open(path, "rb") as stream:
                digest, length = sha256_stream(stream)
            if digest != file.sha256:
                problems.append(Problem("file_hash", path, file.sha256, digest, RESTORE))
            if on_bytes:
                on_bytes(length)
    known = {file.name for file in manifest.files}
    problems += [
        Problem("file_unknown", f"{directory}/{name}", "absent", "present", "Find out who put it there and remove it")
        for name in sorted(set(sizes) - known)
        if not is_manifest_name(name)
    ]
    return problems
