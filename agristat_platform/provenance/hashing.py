"""SHA-256 of files and of a version's whole content, and the one byte form of JSON that is hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

CHUNK_BYTES = 1 << 20


class NamedHash(Protocol):
    """Anything with a file name and the sha256 of its bytes."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes in memory."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: BinaryIO) -> tuple[str, int]:
    """Hexadecimal SHA-256 and length in bytes of what is left in an open binary stream."""
    digest = hashlib.sha256()
    length = 0
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        length += len(chunk)
    return digest.hexdigest(), length


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a local file."""
    with path.open("rb") as stream:
        return sha256_stream(stream)[0]


def content_hash(files: Iterable[NamedHash]) -> str:
    """The version of a set of files: SHA-256 over one line `<sha256>  <name>` per file, sorted by name.

    The lines are those of the `sha256sum` command, so that an auditor needs no software of ours to recompute it:
    `sha256sum <files> | LC_ALL=C sort -k2 | sha256sum`.
    """
    lines = sorted((file.name, file.sha256) for file in files)
    return sha256_bytes("".join(f"{digest}  {name}\n" for name, digest in lines).encode())


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, one space of indentation, UTF-8, a final newline; NaN and infinity are refused.

    Raises
    ------
    ValueError
        The value holds NaN or an infinity, which JSON does not know.
    TypeError
        The value holds an object JSON has no form for.
    """
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
