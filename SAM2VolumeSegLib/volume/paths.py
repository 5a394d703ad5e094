"""Which names and files are looked at at all."""

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


def check_file(path: Path) -> None:
    """Check that ``path`` is a file that can be opened, with a name that every library takes.

    Raises:
        InputError: no valid name (see ``check_name``), nothing there, a pipe or a device, or no permission.
    """
    check_name(path)
    try:
        if not path.exists():
            raise InputError(_('There is no file or folder "{path}". Check the path.').format(path=path))
        if not path.is_file():
            raise InputError(
                _('"{path}" is no file with an image, but a folder, a pipe or a device. Check the path.').format(
                    path=path
                )
            )
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(
            _('"{path}" cannot be read: {strerror}.').format(path=path, strerror=error.strerror)
        ) from error
