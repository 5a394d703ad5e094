"""Reading Slicer's segmentation file, ``.seg.nrrd``, and nothing else than what is really in it.

pynrrd parses the fields of the NRRD. `read_voxels` reads the voxels, which have to be in the file itself.
"""

from __future__ import annotations

import io
import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.box_mask import BoxMask
from SAM2VolumeSegLib.volume.lps import lps_to_ras
from SAM2VolumeSegLib.volume.seg_nrrd import PROVENANCE_KEY, unescape
from SAM2VolumeSegLib.volume.segment import BONE_COLOR, Segment
from SAM2VolumeSegLib.volume.text_header import NRRD_PACKING
from SAM2VolumeSegLib.volume.voxel_bytes import read_voxels

_LPS, _RAS = ("left-posterior-superior", "lps"), ("right-anterior-superior", "ras")
_ELSEWHERE = ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip")
_HEADER_BYTES = 1 << 24
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_SEGMENTATION_LINE = re.compile(rb"^(Segmentation|Segment\d+)_[^\n]*?:=", re.MULTILINE)
_SEGMENT_FIELD = re.compile(r"Segment(\d{1,9})_", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,9}(\.0*)?", re.ASCII)


def seg_nrrd_header(path: Path) -> dict[str, Any] | None:
    """Return the header fields of a ``.seg.nrrd``; None when ``path`` is another kind of file.

    Raises:
        InputError: the file cannot be read, or its header is damaged.
    """
    with _opened(path) as file:
        return _read_header(path, file)


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance stored in a ``.seg.nrrd``; empty when there is none.

    Raises:
        InputError: the file cannot be read or is damaged.
    """
    with _opened(path) as file:
        return dict(json.loads((_read_header(path, file) or {}).get(PROVENANCE_KEY, "{}")))


def read_seg_nrrd(path: Path) -> tuple[list[Segment], np.ndarray]:
    """Read the segments of a ``.seg.nrrd``.

    Shared layers (label values), overlapping segments in layers (a leading list axis), cropped extents (the origin of
    the file is that of the crop) and empty segments are all read; so are files before Slicer 4.11, one layer a segment.

    Returns:
        The segments on the file's own grid, whose masks may share memory, and the file's IJK to RAS matrix (mm).

    Warns:
        InputWarning: what is no segment is left out: a background (label value 0), voxels that no segment claims.

    Raises:
        InputError: the file is damaged, has no segments, holds fractional labelmaps, or has its voxels elsewhere.
    """
    with _opened(path) as file:
        header = _read_header(path, file) or {}
        master = header.get("Segmentation_MasterRepresentation", "Binary labelmap")
        if master != "Binary labelmap":
            raise InputError(
                _('"{path}" holds a {kind}. Convert it to a binary labelmap in 3D Slicer and save it again.').format(
                    path=path, kind=master.lower()
                )
            )
        numbers = sorted({int(match[1]) for key in header if (match := _SEGMENT_FIELD.match(key))})
        if not numbers:
            raise InputError(
                _(
                    'There are no segments in "{path}". Paint at least one slice of one segment and save it again.'
                ).format(path=path)
            )
        data = _read_voxels(path, header, file)
        if data.dtype.kind == "f" and not np.array_equal(data, np.rint(data)):
            raise InputError(
                _(
                    '"{path}" holds fractions, not labels. Convert it to a binary labelmap in 3D Slicer and save it '
                    "again."
                ).format(path=path)
            )
        ijk_to_ras, list_axis = _geometry(path, header, data.ndim)
        layers = [data] if list_axis is None else list(np.moveaxis(data, data.ndim - 1 - list_axis, 0))
        return _segments(path, header, numbers, layers), ijk_to_ras


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file in which no byte is trusted: whatever goes wrong with them is an InputError."""
    try:
        with open(path, "rb") as file, np.errstate(all="ignore"):
            yield file
    except (InputError, MemoryError):
        raise
    except Exception as error:  # odd bytes make pynrrd, numpy, gzip and json raise nearly every kind there is
        if isinstance(error, OSError) and error.strerror:
            raise InputError(
                _('"{path}" cannot be read: {strerror}.').format(path=path, strerror=error.strerror)
            ) from error
        raise _damaged(path) from error


def _damaged(path: Path, what: str = "") -> InputError:
    return InputError(
        _('"{path}" is damaged or not complete{what}. Save the segmentation again in 3D Slicer.').format(
            path=path, what=what
        )
    )


def _read_header(path: Path, file: BinaryIO) -> dict[str, Any] | None:
    """Read the header and leave ``file`` at the first byte of the data; None when it is no segmentation."""
    import nrrd  # here: 3D Slicer has its own reader, and not this package

    head = file.read(_HEADER_BYTES)
    end = _BLANK_LINE.search(head)
    if end:
        file.seek(end.end())
        head = head[: end.start()]
    if not head.startswith(b"NRRD") or not _SEGMENTATION_LINE.search(head):
        return None
    said = (line.rstrip() for line in _text(path, head).split("\n"))
    lines = list(dict.fromkeys(line for line in said if line and line[0] != "#"))  # to say a thing twice is no harm
    ((key, times),) = Counter(line.split(":", 1)[0].strip() for line in lines).most_common(1)
    if times > 1:  # Slicer would take the last one, and a name or what was painted under the first would be lost
        raise _damaged(path, _(': its header gives {times} values for "{key}"').format(times=times, key=key[:80]))
    header = nrrd.read_header(lines)
    return {key: unescape(value) if isinstance(value, str) else value for key, value in header.items()}


def _text(path: Path, head: bytes) -> str:
    """Return the header as text: UTF-8, as Slicer writes it, or Latin-1, as other programs do."""
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError:
        warnings.warn(
            _('The names in "{file}" are not written in UTF-8. They are read as Latin-1: check their letters.').format(
                file=path.name
            ),
            InputWarning,
            stacklevel=2,
        )
        return head.decode("latin-1")


def _read_voxels(path: Path, header: dict[str, Any], file: BinaryIO) -> np.ndarray:
    """Read the labels, array axes in reverse order of the file's: [k, j, i], or with the list axis somewhere."""
    import nrrd

    packing = NRRD_PACKING.get(header["encoding"].lower())
    if packing is None or any(header.get(key) for key in _ELSEWHERE):
        raise InputError(
            _(
                '"{path}" does not hold its voxels right behind its header, raw or compressed by gzip or bzip2. '
                "Save the segmentation again in 3D Slicer, as .seg.nrrd."
            ).format(path=path)
        )
    # pynrrd knows the names of the types: it reads one voxel of the type from as many zeros as the largest needs.
    one = header | {"dimension": 1, "sizes": np.ones(1, dtype=int), "encoding": "raw"}
    dtype = nrrd.read_data(one, io.BytesIO(bytes(8))).dtype
    shape = tuple(int(size) for size in header["sizes"][::-1])
    if min(shape) < 1 or len(shape) != header["dimension"]:
        raise _damaged(path)
    return read_voxels(path, file, packing, 0, shape, dtype)


def _geometry(path: Path, header: dict[str, Any], dimensions: int) -> tuple[np.ndarray, int | None]:
    """Return IJK to RAS (mm), and which axis of the file lists the layers."""
    space = str(header.get("space", "")).lower()
    directions = np.asarray(header.get("space directions", ()), dtype=np.float64)
    origin = np.asarray(header.get("space origin", ()), dtype=np.float64)
    if space not in _LPS + _RAS or directions.shape != (dimensions, 3) or origin.shape != (3,):
        raise InputError(
            _('"{path}" does not say where it lies in the patient. Save the segmentation again in 3D Slicer.').format(
                path=path
            )
        )
    spatial = ~np.isnan(directions).all(axis=1)
    if spatial.sum() != 3 or len(directions) > 4:
        raise InputError(
            _(
                '"{path}" has {spatial} axes in space and {directions} in all, which no segmentation has. Save it '
                "again in 3D Slicer."
            ).format(path=path, spatial=spatial.sum(), directions=len(directions))
        )
    matrix = np.eye(4)
    matrix[:3, :3] = directions[spatial].T
    matrix[:3, 3] = origin
    if not np.isfinite(matrix).all():
        raise _damaged(path, _(": its place in the patient is not a number"))
    ijk_to_ras = lps_to_ras(matrix) if space in _LPS else matrix
    return ijk_to_ras, None if spatial.all() else int(np.flatnonzero(~spatial)[0])


def _segments(path: Path, header: dict[str, Any], numbers: list[int], layers: list[np.ndarray]) -> list[Segment]:
    present = [set(np.unique(layer).tolist()) - {0} for layer in layers]
    masks: dict[tuple[int, int], BoxMask] = {}
    nothing = BoxMask.of(np.broadcast_to(False, layers[0].shape))
    segments = []
    for number in numbers:
        field = f"Segment{number}_"
        name = header.get(f"{field}Name") or header.get(f"{field}ID") or f"Segment {number + 1}"
        # Before Slicer 4.11 neither was written: layer N was segment N.
        legacy = len(layers) > 1 or not header.get(f"{field}LabelValue")
        layer = _whole_number(path, header, f"{field}Layer", number if legacy else 0)
        value = _whole_number(path, header, f"{field}LabelValue", 1)
        if not 0 <= layer < len(layers):
            raise _damaged(path, _(': layer {layer}, of segment "{name}", is missing').format(layer=layer, name=name))
        if value < 0:
            raise _damaged(path, _(': the label value of segment "{name}" is {value}').format(name=name, value=value))
        if value == 0:
            warnings.warn(
                _('"{name}" in "{file}" has label value 0, which is the background: it is left out.').format(
                    name=name, file=path.name
                ),
                InputWarning,
                stacklevel=2,
            )
            continue
        if value in present[layer] and (layer, value) not in masks:
            masks[layer, value] = BoxMask.of(layers[layer] == value)
        segments.append(
            Segment(
                name=name,
                mask=masks.get((layer, value), nothing),
                color=_color(header.get(f"{field}Color", "") or header.get(f"{field}DefaultColor", "")),
                id=header.get(f"{field}ID", ""),
                tags=header.get(f"{field}Tags", ""),
            )
        )
    if unclaimed := sorted({value for n, values in enumerate(present) for value in values if (n, value) not in masks}):
        listed = ", ".join(f"{value:g}" for value in unclaimed[:5]) + (", ..." if len(unclaimed) > 5 else "")
        warnings.warn(
            _('"{file}" has voxels that belong to none of its segments (label {listed}): they are left out.').format(
                file=path.name, listed=listed
            ),
            InputWarning,
            stacklevel=2,
        )
    return segments


def _whole_number(path: Path, header: dict[str, Any], key: str, default: int) -> int:
    """Return a field as a whole number, also where it is written as "1.0"; ``default`` where it is missing or empty."""
    text = header.get(key, "")
    if not text:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise _damaged(path, _(': "{key}" is "{text}" and not a whole number').format(key=key, text=text[:20]))
    return int(float(text))


def _color(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in text.split())
    except ValueError:
        return BONE_COLOR
    if any(map(math.isnan, (red, green, blue))):
        return BONE_COLOR
    return min(1.0, max(0.0, red)), min(1.0, max(0.0, green)), min(1.0, max(0.0, blue))
