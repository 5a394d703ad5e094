"""Fetch one file of known size and SHA-256 over HTTP: resumable, verified, moved into place only when whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError

CHUNK = 1 << 20  # bytes between two progress reports: a second of a slow line, 900 steps of the largest model
TIMEOUT = 30  # seconds without a byte
NOT_SATISFIABLE = 416
PARTIAL = 206

_digests: dict[tuple[str, int, int], str] = {}


def download(url: str, target: Path, size: int, sha256: str) -> Iterator[tuple[int, int]]:
    """Fetch `url` to `target`; a generator that yields (bytes there, bytes in all) after every mebibyte.

    Bytes arrive in `<target>.part`. Closing the generator, or a line that breaks, keeps them, and the next call asks
    only for the rest (HTTP Range, RFC 9110 section 14). A server that ignores the range, or refuses it, is read from
    the start. `target` appears by one rename after `size` (bytes) and `sha256` (hex) were found right; else the part
    is removed.

    Raises InputError: no or another answer, broken line, wrong bytes, no space, a folder that cannot be written.
    """
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _bytes_in(part) > size:
            part.unlink()
        if _bytes_in(part) < size:
            _check_space(part, size)
            yield from _receive(url, target, size)
        if _digest(part) != sha256:
            part.unlink()
            raise InputError(
                f"What arrived from {url} is not the expected file (its SHA-256 differs) and was thrown away. "
                "Fetch it again; if that does not help, the address serves another file."
            )
        os.replace(part, target)
    except OSError as error:
        raise InputError(_disk_message(error, part)) from error


def part_of(target: Path) -> Path:
    """Where the bytes of an unfinished download of `target` wait."""
    return target.with_name(target.name + ".part")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; remembered in the process while the file's size and time stay. Raises OSError."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _digests:
        _digests[key] = _digest(path)
    return _digests[key]


def megabytes(count: int) -> str:
    """A number of bytes for people: "184 MB" (a megabyte is 1,000,000 bytes, as the models' tables have it)."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


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
            f"Not enough space in {part.parent}: {megabytes(needed)} are needed and {megabytes(free)} are free. "
            "Make room, or choose another folder with the environment variable SAM2VOLUMESEG_MODELS."
        )


def _receive(url: str, target: Path, size: int) -> Iterator[tuple[int, int]]:
    """Append what is missing to the part; InputError unless it then holds exactly `size` bytes."""
    part = part_of(target)
    response, done = _open(url, target, size)
    with response, part.open("ab" if done else "wb") as file:
        yield done, size
        while chunk := _read(response, done, size, url):
            file.write(chunk)
            file.flush()
            done += len(chunk)
            yield done, size
        os.fsync(file.fileno())
    if done < size:
        raise _broken_off(url, done, size)


def _open(url: str, target: Path, size: int) -> tuple[http.client.HTTPResponse, int]:
    """The answer to read, and the number of bytes of the part that it continues from (0: from the start)."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"The address {url} cannot be fetched: it must begin with http:// or https://.")
    part, otherwise = part_of(target), f"Or copy the file from another computer to {target}."
    done = _bytes_in(part)
    headers = {"User-Agent": "sam2-volume-seg", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == NOT_SATISFIABLE and done:
            part.unlink()
            return _open(url, target, size)
        raise InputError(
            f"The server answered {error.code} ({error.reason}) for {url}: has the file moved, or does a proxy "
            "refuse it? " + otherwise
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"No answer from {url} ({reason}): is this computer connected to the network? " + otherwise
        ) from error

    start, total = _offered(response)
    if total is not None and total != size:
        response.close()
        raise InputError(
            f"The address {url} serves another file: {megabytes(total)} instead of {megabytes(size)}. "
            "A network that asks to sign in first answers like this, too."
        )
    if start not in (0, done):
        response.close()
        part.unlink()
        return _open(url, target, size)
    return response, start


def _offered(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """First byte and size of the whole file, as the answer's headers state them (None: not stated)."""
    if response.status == PARTIAL:
        # Content-Range: bytes 1000-1999/2000
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = span.partition("-")[0]
        return (int(first) if first.isdigit() else -1), (int(total) if total.isdigit() else None)
    length = response.headers.get("Content-Length", "")
    return 0, (int(length) if length.isdigit() else None)


def _read(response: http.client.HTTPResponse, done: int, size: int, url: str) -> bytes:
    try:
        return response.read(min(CHUNK, size - done))
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(url, done, size) from error


def _broken_off(url: str, done: int, size: int) -> InputError:
    return InputError(
        f"The connection to {url} broke off after {megabytes(done)} of {megabytes(size)}. "
        "What has arrived is kept: fetch again to continue."
    )


def _disk_message(error: OSError, part: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk became full while writing {part}. Make room and fetch again: what has arrived is kept."
    return (
        f"The folder {part.parent} cannot be used to store models ({error.strerror or error}). "
        "Choose another one with the environment variable SAM2VOLUMESEG_MODELS."
    )
