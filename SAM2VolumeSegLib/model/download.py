"""Fetch one file of known size and SHA-256 over HTTP: resumable, verified, moved into place only when whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.answer import ask, megabytes, told_apart

CHUNK = 1 << 20  # bytes between two progress reports: a second of a slow line, 900 steps of the largest model
PATIENCE = 1.0  # seconds between two of them where fewer bytes come: so often a program can cancel
SLOW_SECONDS = 60.0  # of waiting for bytes ...
SLOWEST = 1000  # ... that have to bring this many per second: a model of 156 MB takes 43 hours then

_digests: dict[tuple[str, int, int], str] = {}


def download(url: str, target: Path, size: int, sha256: str) -> Iterator[tuple[int, int]]:
    """Fetch one file.

    Bytes arrive in `<target>.part`. Closing the generator, or a line that breaks, keeps them, and the next call asks
    only for the rest. A server that cannot continue is read from the start where it offers a file of the right size;
    any other answer leaves the part as it is. `target` appears by one rename after `size` (bytes) and `sha256` (hex)
    were found right; else the part is removed. One program at a time does this, held by a lock beside the part.

    Args:
        url: Where from.
        target: Where to.
        size: Bytes.
        sha256: In hex.

    Yields:
        (bytes there, bytes in all), after every mebibyte and second.

    Raises:
        InputError: Another program is at it, no or another answer, a broken or far too slow line, wrong bytes, no
            space, a folder that cannot be written.
    """
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(target):
            if os.path.lexists(part) and (part.is_symlink() or not part.is_file() or part.stat().st_size > size):
                part.unlink()  # never through a link, to a file of somebody else
            if _bytes_in(part) < size:
                _check_space(part, size)
                yield from _receive(url, target, size)
            if _digest(part) != sha256:
                part.unlink()
                raise InputError(
                    _(
                        "What arrived from {url} is not the expected file (its SHA-256 differs) and was thrown away. "
                        "Fetch it again; if that does not help, the address serves another file."
                    ).format(url=url)
                )
            os.replace(part, target)
    except OSError as error:
        raise InputError(_disk_message(error, part)) from error


@contextmanager
def only_writer(target: Path) -> Iterator[None]:
    """While it is open no other program fetches or deletes `target`.

    Raises:
        InputError: Another program does.
        OSError: The folder cannot be written.
    """
    try:
        from filelock import FileLock, Timeout  # torch needs it as well, so Slicer has it after Set up
    except ImportError:
        raise InputError(_("Models are fetched with the package filelock. Install it: pip install filelock")) from None
    lock = FileLock(f"{target}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            _("Another program is fetching this model to {parent}. Wait until it is done, or end it there.").format(
                parent=target.parent
            )
        ) from None
    try:
        yield
    finally:
        lock.release()


def part_of(target: Path) -> Path:
    """Where the bytes of an unfinished download of `target` wait."""
    return target.with_name(target.name + ".part")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; remembered in the process while the file's size and time stay.

    Raises:
        OSError: It cannot be read.
    """
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _digests:
        _digests[key] = _digest(path)
    return _digests[key]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()  # hashlib.file_digest needs Python 3.11
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _bytes_in(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_space(part: Path, size: int) -> None:
    needed, free = size - _bytes_in(part), shutil.disk_usage(part.parent).free
    if free < needed:
        raise InputError(
            _(
                "Not enough space in {parent}: {needed} are needed and {free} are free. Make room, or "
                "choose another folder with the environment variable SAM2VOLUMESEG_MODELS."
            ).format(parent=part.parent, needed=megabytes(needed), free=megabytes(free))
        )


def _receive(url: str, target: Path, size: int) -> Iterator[tuple[int, int]]:
    """Append what is missing to the part; InputError unless it then holds exactly `size` bytes."""
    part = part_of(target)
    response, done = ask(
        url, _bytes_in(part), size, _("Or copy the file from another computer to {target}.").format(target=target)
    )
    with response, open(part, "ab" if done else "wb", opener=_open_no_link) as file:
        yield done, size
        told, told_at = done, time.monotonic()
        waited, at_first = 0.0, done
        while done < size:
            asked = time.monotonic()
            piece = _read(response, min(told + CHUNK, size) - done, done, url, size)
            if not piece:
                raise _broken_off(url, done, size)
            file.write(piece)
            done += len(piece)
            waited += time.monotonic() - asked
            if waited > SLOW_SECONDS:
                if done - at_first < SLOWEST * waited:
                    raise _broken_off(url, done, size, _("is too slow"))
                waited, at_first = 0.0, done
            if done == size or done - told == CHUNK or time.monotonic() - told_at > PATIENCE:
                file.flush()
                yield done, size
                told, told_at = done, time.monotonic()
        os.fsync(file.fileno())


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _read(response: http.client.HTTPResponse, count: int, done: int, url: str, size: int) -> bytes:
    try:
        return response.read1(count)
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(url, done, size) from error


def _broken_off(url: str, done: int, size: int, what: str = "broke off") -> InputError:
    arrived, wanted = told_apart(done, size)
    return InputError(
        _(
            "The connection to {url} {what} after {arrived} of {wanted}. What has arrived is kept: fetch "
            "again to continue."
        ).format(url=url, what=what, arrived=arrived, wanted=wanted)
    )


def _disk_message(error: OSError, part: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _(
            "The disk became full while writing {part}. Make room and fetch again: what has arrived is kept."
        ).format(part=part)
    return _(
        "The folder {parent} cannot be used to store models ({reason}). Choose another one with the "
        "environment variable SAM2VOLUMESEG_MODELS."
    ).format(parent=part.parent, reason=error.strerror or error)
