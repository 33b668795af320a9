"""Files of saved models: written whole or not at all, and JSON under a seal that refuses a changed byte.

Belongs here: how such files are written, read and refused, whatever they hold. What is in them is in `model_files`,
`encoders/encoder_files` and `review/calibration_files`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agristat_platform.classification.errors import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: it takes the place of `path` at the end, and is gone after an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is complete and on the disk, or leave what was there before."""
    with whole_file(path) as partial, partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@dataclass(frozen=True, kw_only=True)
class SealedFormat:
    """One kind of sealed file, and the words in which it is refused.

    Attributes
    ----------
    name, version:
        What the keys `format` and `format_version` of a description must say.
    again:
        How another one is come by, as remedies say it: "train the model again".
    content:
        What JSON that is no object is not: "a model description"; None: it counts as another format.
    kind:
        What has the format: "model format is …".
    file_words:
        Stands before a file's name in messages, with its blank.
    restore:
        First half of the remedy for a changed file.
    seal:
        Key of the seal, the sha256 of the description without it.
    nan:
        Whether a description may hold NaN, which JSON proper has not.
    older:
        Versions before `version` that are read as well.
    """

    name: str
    version: int
    again: str
    content: str | None
    kind: str = "model"
    file_words: str = "model file "
    restore: str = "Restore the file from the store's mirror"
    seal: str = "description_sha256"
    nan: bool = True
    older: tuple[int, ...] = ()

    def sealed(self, body: dict[str, Any]) -> bytes:
        """The bytes of a description under its seal; the same description gives the same bytes."""
        seal = hashlib.sha256(self._canonical(body)).hexdigest()
        return self._canonical({**body, self.seal: seal})

    def read(self, path: Path) -> dict[str, Any]:
        """The description in a file, without its seal.

        Raises
        ------
        ModelFileMissingError
            The file isn't there.
        ModelFormatVersionError
            Another format, or another version of it.
        ModelFileTamperedError
            It is no JSON, or a byte changed since writing.
        """
        content = self.content_of(path)
        try:
            read = json.loads(content)
        except ValueError as reason:
            raise self.tampered(path, f"it is not JSON: {reason}") from reason
        if not isinstance(read, dict) and self.content is not None:
            raise self.tampered(path, f"it is not {self.content}")
        description = read if isinstance(read, dict) else {}
        found = description.get("format"), description.get("format_version")
        if found not in [(self.name, version) for version in (self.version, *self.older)]:
            raise ModelFormatVersionError(
                f"{self.kind} format is {found}, this platform reads {(self.name, self.version)}",
                where=str(path),
                remedy=f"{self.again[0].upper()}{self.again[1:]}, or load it with the version of the platform that wrote it",
            )
        body = {name: value for name, value in description.items() if name != self.seal}
        # Comparing the bytes as well finds a changed blank that parsing forgives.
        if self.sealed(body) != content:
            raise self.tampered(path, "its content is not what was written")
        return body

    def content_of(self, path: Path) -> bytes:
        """The bytes of a file.

        Raises
        ------
        ModelFileMissingError
            The file isn't there.
        """
        try:
            return path.read_bytes()
        except FileNotFoundError as reason:
            raise ModelFileMissingError(
                f"{self.file_words}{path.name} is missing",
                where=str(path.parent),
                remedy=f"Restore it or {self.again}",
            ) from reason

    def tampered(self, path: Path, reason: str) -> ModelFileTamperedError:
        """The error that refuses a file, for the caller to raise."""
        return ModelFileTamperedError(
            f"{self.file_words}{path.name} can't be trusted: {reason}",
            where=str(path),
            remedy=f"{self.restore} or {self.again}",
        )

    def stamped(self, body: dict[str, Any]) -> dict[str, Any]:
        """A description with format and version."""
        return {"format": self.name, "format_version": self.version, **body}

    def _canonical(self, body: dict[str, Any]) -> bytes:
        text = json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=self.nan)
        return (text + "\n").encode("utf-8")


@dataclass(frozen=True, kw_only=True)
class SealedModel(SealedFormat):
    """A model of two files: arrays, and their sealed description, which holds the sha256 of the arrays' file.

    Attributes
    ----------
    description_file, arrays_file:
        Their names within the model's directory.
    """

    description_file: str
    arrays_file: str

    def write(self, directory: Path | str, body: dict[str, Any], arrays: bytes) -> tuple[Path, Path]:
        """Write description and arrays, each complete or not at all, and return their paths.

        Parameters
        ----------
        directory:
            Is made where it isn't there.
        body:
            The description without format, version, sha256 and seal.
        arrays:
            Content of the arrays' file.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        description = {**self.stamped(body), "tensors_sha256": hashlib.sha256(arrays).hexdigest()}
        write_whole(folder / self.arrays_file, arrays)
        write_whole(folder / self.description_file, self.sealed(description))
        return folder / self.description_file, folder / self.arrays_file

    def read_both(self, directory: Path | str) -> tuple[dict[str, Any], bytes]:
        """Description and arrays of a model written by `write`.

        Raises
        ------
        ModelFileMissingError, ModelFormatVersionError, ModelFileTamperedError
            As `read`; tampered as well where the arrays are not those described.
        """
        folder = Path(directory)
        description = self.read(folder / self.description_file)
        content = self.content_of(folder / self.arrays_file)
        if hashlib.sha256(content).hexdigest() != description.get("tensors_sha256"):
            raise self.tampered(folder / self.arrays_file, f"its sha256 is not the one in {self.description_file}")
        return description, content
