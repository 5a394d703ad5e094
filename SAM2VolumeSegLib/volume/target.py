"""Where a result goes: nothing of somebody else's is replaced, and new files are there all together or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.paths import check_name
from SAM2VolumeSegLib.volume.provenance import to_json

PROGRAM = "SAM2VolumeSeg"
"""What a file that this program wrote says in its first bytes."""
_PREFIX = ".sam2volumeseg-"
_LEFT_BEHIND_SECONDS = 24 * 60 * 60
_HEAD_BYTES = 1 << 16


def check_target(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Check that a file may be written at ``path``, before any time is spent on what is to be in it.

    Args:
        path: the file; it may exist.
        inputs: files that are not to be replaced, under whatever name. They need not exist.

    Raises:
        InputError: no valid name, no such folder, no permission, write-protected; a folder; one of the inputs.
    """
    check_name(path)
    with said_in_words(path):
        if path.is_dir():
            raise InputError(_('"{path}" is a folder. Give the name of a file in it.').format(path=path))
        if not path.parent.is_dir():
            raise InputError(
                _('There is no folder "{parent}". Create it first, or write somewhere else.').format(parent=path.parent)
            )
        if path.exists():
            if not path.is_file():
                raise InputError(_('"{path}" is a pipe or a device, not a file. Give another name.').format(path=path))
            for given in inputs:
                if _same(path, given):
                    raise InputError(
                        _('"{path}" is read here and would be replaced by the result. Give another name.').format(
                            path=path
                        )
                    )
            if _is_protected(path):
                raise InputError(
                    _('"{path}" is there already and write-protected. Give another name, or remove it.').format(
                        path=path
                    )
                )
        with beside(path):
            pass


def names_this_program(path: Path) -> bool:
    """Say whether a file names this program in its first bytes, as all do that it wrote; False when there is none."""
    try:
        with path.open("rb") as file:
            return PROGRAM.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def check_own(path: Path) -> None:
    """Check that a file of a fixed name may be written, or replaced because this program wrote it.

    Raises:
        InputError: it is somebody else's, or as in ``check_target``.
    """
    check_target(path)
    if path.exists() and not names_this_program(path):
        raise InputError(
            _('"{path}" is there already, and not from this program. Choose another folder or name.').format(path=path)
        )


def make_folder(path: Path) -> None:
    """Make the folder for results, where it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            _('The folder "{path}" cannot be made ({reason}): choose another one.').format(
                path=path, reason=error.strerror
            )
        ) from error


@contextmanager
def no_empty_folder(path: Path) -> Iterator[None]:
    """Remove the folder, and those above it, that were made for results of which an error left none."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # something is in it, or it was not made
                folder.rmdir()
        raise


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, so on the same disk, that is gone afterwards whatever happens.

    Those of programs that were killed are removed when they are a day old.

    Raises:
        InputError: the system does not let it be made, or what is done with it.
    """
    with said_in_words(path):
        for old in path.parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # another program removes it too
                if time.time() - old.lstat().st_mtime > _LEFT_BEHIND_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        with TemporaryDirectory(prefix=_PREFIX, dir=path.parent, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def move_together(files: list[Path], folder: Path) -> None:
    """Move new files into ``folder``, on the same disk: all of them, or none and what was there stays.

    The last one is the one that counts: from its move on, which is one step for the system, the others stay as well.

    Raises:
        OSError: what the system says against it.
    """
    *others, last = files
    for file in files:
        with file.open("rb+") as opened:  # a disk that is full may say so only now
            os.fsync(opened.fileno())
    old = {file: file.with_name(f"{number}.old") for number, file in enumerate(others)}
    for file, kept in old.items():
        if (folder / file.name).exists():
            shutil.copy2(folder / file.name, kept)
    moved = []
    try:
        for file in others:
            moved.append(file)
            os.replace(file, folder / file.name)
        os.replace(last, folder / last.name)
    except BaseException:
        for file in moved if last.exists() else ():
            with suppress(OSError):
                if old[file].exists():
                    os.replace(old[file], folder / file.name)
                else:
                    (folder / file.name).unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all, with the line ends as they are; its folder is made.

    Raises:
        InputError: it cannot be written; what was there is kept.
    """
    with said_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    check_target(path)
    with beside(path) as folder:
        (folder / path.name).write_bytes(text.encode())
        move_together([folder / path.name], path.parent)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file as `write_text` does; what JSON cannot say becomes text (see `to_json`)."""
    write_text(path, to_json(content, indent=2))


@contextmanager
def said_in_words(path: Path) -> Iterator[None]:
    """Turn what the system says against writing ``path`` into an InputError.

    Raises:
        InputError: for any OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            _(
                '"{path}" cannot be written: {reason}. Choose another place or free some space; what was there is kept.'
            ).format(path=path, reason=error.strerror or error)
        ) from error


def _same(path: Path, other: Path) -> bool:
    """Say whether two names are one file: links, other spellings, letter case where the disk does not mind it."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # the other is not there
        return False


def _is_protected(path: Path) -> bool:
    """Say whether a file is not to be replaced, by its mode (root's word, too), or its folder's: the sticky bit."""
    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        return True
    folder = path.parent.stat()
    if not folder.st_mode & stat.S_ISVTX or not hasattr(os, "geteuid"):
        return False
    return os.geteuid() not in (0, folder.st_uid, path.lstat().st_uid)
