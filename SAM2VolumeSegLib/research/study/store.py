"""results.jsonl: what the tasks gave, one JSON object per line, written so that a kill at any moment costs one line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record, is_record
from SAM2VolumeSegLib.research.study.shape import fits, is_count

FORMAT = 1
FILE = "results.jsonl"
_BEGINNING = b'{"format": '


def read_results(folder: Path) -> tuple[dict[str, Record], dict[str, FailedRecord]]:
    """Return the records of finished tasks, and those of tasks that failed and have not succeeded since, by key.

    A key counts once: the first result stays. What a killed run left half-written at the end of the file is not read.

    Args:
        folder: of the study.

    Raises:
        InputError: there are no results in the folder, they have another format, or a line is damaged.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f'There are no results in "{folder}": make some with sam2-volume-seg study run.') from None
    except OSError as error:
        raise InputError(f'"{path}" cannot be read ({error.strerror}).') from error
    return _by_key(_parse(path, content)[0])


class ResultsFile:
    """The file while a run appends to it: one writer at a time, results that are on the disk once `append` returns.

    A context manager. Makes the folder and the file where they are missing, and cuts off what a killed run left
    half-written.

    Attributes:
        path: of the file.
        finished: records by key, those of `append` among them.
        failed: as `read_results` gives them.

    Raises:
        InputError: another run has the file open, it has another format, or it cannot be written.
    """

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self.finished: dict[str, Record] = {}
        self.failed: dict[str, FailedRecord] = {}

    def __enter__(self) -> ResultsFile:
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(f"{self.path}.lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f'Another run writes to "{self.path}". Wait until it has ended, or choose another results folder.'
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *exception) -> None:
        try:
            self._file.close()
        except OSError as error:  # what the buffer still holds does not fit on the disk either
            raise self._unwritable(error) from error
        finally:
            self._lock.release()

    def append(self, record: Record | FailedRecord) -> bool:
        """Write one record.

        Returns:
            False where its task is finished already, and nothing was written.

        Raises:
            InputError: the disk is full, or the file cannot be written.
        """
        record = dict(record)
        if record["key"] in self.finished:
            return False
        self._write(record)
        if "error" in record:
            self.failed[record["key"]] = record
        else:
            self.finished[record["key"]] = record
            self.failed.pop(record["key"], None)
        return True

    def _open(self) -> None:
        try:
            self._file = self.path.open("ab")
            records, whole = _parse(self.path, self.path.read_bytes())
            self._file.truncate(whole)
            if whole == 0:
                self._write({"format": FORMAT, "program": f"SAM2VolumeSeg {__version__}"})
        except OSError as error:
            raise self._unwritable(error) from error
        self.finished, self.failed = _by_key(records)

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f'"{self.path}" cannot be written ({error.strerror or error}). Make room, or choose another results '
            "folder; what was written before is kept."
        )


def _parse(path: Path, content: bytes) -> tuple[list[Record | FailedRecord], int]:
    """Return the records below the header, and the number of bytes up to where the last whole line ends."""
    content = content.rstrip(b"\0")  # a power cut can leave zeros where the end was to be
    lines = content.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    if not lines:
        if not content.startswith(_BEGINNING[: len(content)]):
            raise _not_results(path)
        return [], 0
    header = _load(lines[0])
    if header is None or not fits(header, {"format": is_count}):
        raise _not_results(path)
    if header["format"] != FORMAT:
        age = "an older" if header["format"] < FORMAT else "a newer"
        raise InputError(
            f'"{path}" has {age} format ({header["format"]}, written by {header.get("program", "another version")}; '
            f"this version reads {FORMAT}). Choose another results folder, or use the version that wrote it."
        )
    records = []
    for number, line in enumerate(lines[1:], 2):
        record = _load(line)
        if not is_record(record):
            raise InputError(f'Line {number} of "{path}" is damaged. Remove that line: its task is run again.')
        records.append(record)
    return records, sum(map(len, lines))


def _by_key(
    records: Sequence[Record | FailedRecord],
) -> tuple[dict[str, Record], dict[str, FailedRecord]]:
    finished: dict[str, Record] = {}
    failed: dict[str, FailedRecord] = {}
    for record in records:
        if "error" in record:
            failed[record["key"]] = record
        else:
            finished.setdefault(record["key"], record)
    return finished, {key: record for key, record in failed.items() if key not in finished}


def _load(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _not_results(path: Path) -> InputError:
    return InputError(f'"{path}" is not a results file of this program. Choose another results folder.')
