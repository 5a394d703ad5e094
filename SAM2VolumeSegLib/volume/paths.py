"""Which names and files are looked at at all, and reading files of text."""

from __future__ import annotations

from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.text import valid_text


def check_name(path: Path) -> None:
    """Check that a name is valid Unicode: ITK ends the whole program when it is given another.

    Python keeps the bytes of such names (from a disk or an archive of another language) as lone surrogates.

    Raises:
        InputError: it is not.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        shown = valid_text(str(path))
        raise InputError(
            _('The name "{shown}" has letters that are not valid text (UTF-8). Rename it.').format(shown=shown)
        ) from error


def check_file(path: Path, or_folder: bool = False) -> None:
    """Check that ``path`` is a file that can be opened, with a name that every library takes.

    Args:
        path: the file.
        or_folder: whether it could have been a folder, for the words.

    Raises:
        InputError: no valid name (see ``check_name``), nothing there, a folder, a pipe or a device, no bytes in it, or
            no permission.
    """
    check_name(path)
    try:
        if not path.exists():
            text = _('There is no file or folder "{path}". Check the path.')
            one = _('There is no file "{path}". Check the path.')
            raise InputError((text if or_folder else one).format(path=path))
        if path.is_dir():
            raise InputError(_('"{path}" is a folder. Give the file itself.').format(path=path))
        if not path.is_file():
            raise InputError(_('"{path}" is no file, but a pipe or a device. Check the path.').format(path=path))
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(_('"{path}" is empty. Copy it, or save it, again.').format(path=path))
    except OSError as error:
        raise InputError(
            _('"{path}" cannot be read: {strerror}.').format(path=path, strerror=error.strerror)
        ) from error


def read_text(path: Path) -> str:
    """Return what is in a file of text, without the mark of the encoding that some programs put first.

    Raises:
        InputError: as ``check_file``; it is not text in UTF-8.
    """
    check_file(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            _(
                '"{path}" is not text in UTF-8. Open it in the program that it was written with, and save it with the '
                "encoding UTF-8."
            ).format(path=path)
        ) from error
