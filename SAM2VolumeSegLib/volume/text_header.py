"""Where the voxels of NRRD and MetaImage files are: the fields of their text headers that say so.

SimpleITK reads these headers, too, for size, type and geometry; but what it then makes of the voxels is not checked:
it takes a compressed MetaImage or NRRD with an altered bit for another image.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.paths import check_file, check_name

_MAX_LINES, _MAX_BYTES = 10_000, 4 << 20  # ITK takes time that grows with the square: a second for so many
NRRD_PACKING = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
"""What ``read_voxels`` calls an encoding of a NRRD. Those that are not here (text, hex) are not read."""


@dataclass(frozen=True)
class Stored:
    """Where voxels are.

    Attributes:
        file: holds them.
        start: first byte.
        at_end: whether they are the file's last bytes instead.
        packing: as in ``read_voxels``.
        big_endian: their byte order.
    """

    file: Path
    start: int
    at_end: bool
    packing: str
    big_endian: bool


def find_nrrd_voxels(path: Path) -> Stored:
    """Read the header of a NRRD file.

    Raises:
        InputError: no voxel is as large as it says; or as in ``_stored``.
    """
    fields, end = _fields(path, ":", lambda key, line: not line.strip())
    fields = {key.replace(" ", "").lower(): value for key, value in fields.items()}
    lengths = [float(number) for number in re.findall(r"[-+.\d]+[eE]\+?\d+", fields.get("spacedirections", ""))]
    if any(abs(length) > 1e6 for length in lengths):  # ITK takes 1 mm where it cannot square a number
        raise InputError(
            _('The geometry of "{path}" is damaged: no voxel is that large. Correct it, or export it again.').format(
                path=path
            )
        )
    return _stored(
        path,
        name=fields.get("datafile"),
        end=end,
        skip=fields.get("byteskip", "0") if fields.get("lineskip", "0") == "0" else "lines",
        packing=NRRD_PACKING.get(fields.get("encoding", "").lower()),
        big_endian=fields.get("endian", "").lower() == "big",
    )


def find_meta_voxels(path: Path) -> Stored:
    """Read the header of a MetaImage file (.mha, .mhd).

    Raises:
        InputError: a field is missing or no number; or as in ``_stored``.
    """
    fields, end = _fields(path, "=", lambda key, line: key == "ElementDataFile")
    size = fields.get("DimSize", "").split()
    if (  # ITK would print complaints
        not {"ElementType", "ElementDataFile"} <= set(fields)
        or not all(count.isdigit() for count in size)
        or fields.get("NDims") != str(len(size))
    ):
        raise InputError(_('The header of "{path}" is damaged or cut off. Copy or export it again.').format(path=path))
    name = fields["ElementDataFile"]
    order = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB"))
    packed = "zlib" if _is_true(fields.get("CompressedData")) else "raw"
    return _stored(
        path,
        name=None if name.lower() == "local" else name,
        end=end,
        skip=fields.get("HeaderSize", "0"),
        packing=packed if _is_true(fields.get("BinaryData")) else None,
        big_endian=_is_true(order),
    )


def _is_true(text: str | None) -> bool:
    return (text or "")[:1] in ("T", "t", "1")


def _stored(path: Path, name: str | None, end: int, skip: str, packing: str | None, big_endian: bool) -> Stored:
    """Put together what a header says.

    Args:
        path: of the header.
        name: of the file with the voxels; None when they follow the header.
        end: of the header, in bytes.
        skip: bytes to skip before the voxels, as written; -1 where they are the last ones.
        packing: as in ``read_voxels``; None for any other.
        big_endian: their byte order.

    Raises:
        InputError: the voxels are spread over several files, stored as text or in a rare way, or their file is missing.
    """
    again = _("Load it in 3D Slicer, save it as one .nrrd file and use that.")
    if packing is None:
        raise InputError(
            _(
                'The header of "{path}" cannot be read: it is damaged, or the voxels are stored as text or in '
                "another rare way. {again}"
            ).format(path=path, again=again)
        )
    if not (skip.isascii() and skip.removeprefix("-").isdigit() and len(skip) < 16 and int(skip) >= -1):
        raise InputError(
            _('The header of "{path}" skips a part of the data in a way that is not read here. {again}').format(
                path=path, again=again
            )
        )
    if int(skip) and packing != "raw":
        raise InputError(
            _('The header of "{path}" skips a part of compressed data, which is not read here. {again}').format(
                path=path, again=again
            )
        )
    file = path
    if name is not None:
        if not name or "%" in name or name.upper().startswith("LIST"):
            raise InputError(
                _('The voxels of "{path}" are spread over several files. {again}').format(path=path, again=again)
            )
        file, end = path.parent / name, 0
        check_name(file)
        if not file.exists():
            raise InputError(
                _(
                    '"{path}" is a header only: its voxels are in "{name}", which is not beside it. Copy both, or '
                    "save the image as one .nrrd file."
                ).format(path=path, name=name)
            )
        check_file(file)
    return Stored(file, end + max(0, int(skip)), int(skip) < 0, packing, big_endian)


def _fields(path: Path, separator: str, is_last: Callable[[str, bytes], bool]) -> tuple[dict[str, str], int]:
    """Return the fields, the first of each name, and where the header ends (bytes)."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _line in range(_MAX_LINES):
            line = file.readline(_MAX_BYTES)
            key, _separator, value = line.decode("utf-8", "replace").partition(separator)
            key = key.strip()
            if not value.startswith("="):  # NRRD's "name:=value" is for people, and may be called like a field
                fields.setdefault(key, value.strip())
            if not line or is_last(key, line):
                return fields, file.tell()
            if file.tell() > _MAX_BYTES:
                break
    raise InputError(
        _('The header of "{path}" is damaged: it does not end. Copy or export it again.').format(path=path)
    )
