"""Reading a CT volume and the painted seeds on its grid."""

from __future__ import annotations

import colorsys
from collections import Counter
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.dicom_files import is_dicom, why_no_seeds
from SAM2VolumeSegLib.volume.dicom_series import read_dicom_series
from SAM2VolumeSegLib.volume.image_file import read_image
from SAM2VolumeSegLib.volume.paths import check_file
from SAM2VolumeSegLib.volume.placement import Placement
from SAM2VolumeSegLib.volume.read_seg_nrrd import read_seg_nrrd, seg_nrrd_header
from SAM2VolumeSegLib.volume.segment import Segment
from SAM2VolumeSegLib.volume.volume import Volume

MAX_LABELS = 255


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Read a CT from NRRD, NIfTI, MHA, or a folder with one DICOM series.

    What is read is whole: a file holds as many voxels as its header declares, checksums of compressed voxels hold, and
    no slice of a series is left out.

    Args:
        path: the file or folder.
        series: series instance UID, to choose one when the folder holds several.

    Warns:
        InputWarning: the geometry is odd but can be read; one CT was chosen among other DICOM series.

    Raises:
        InputError: the path is missing or unreadable, the file is damaged, the image is not one scalar
            three-dimensional volume, its voxels or its geometry are unusable (see ``Volume``), or the DICOM series is
            not one even, upright stack.
    """
    path = Path(path)
    if path.is_dir():
        voxels, ijk_to_ras, name = read_dicom_series(path, series)
        return Volume(voxels, ijk_to_ras, name)
    check_file(path, or_folder=True)
    if seg_nrrd_header(path):
        raise InputError(_('"{path}" is a segmentation. Give the CT volume in its place.').format(path=path))
    return Volume(*read_image(path), name=_stem(path))


def read_seeds(path: str | Path, volume: Volume) -> dict[str, Segment]:
    """Read painted segments on the grid of ``volume`` from a ``.seg.nrrd`` of Slicer's or a label image.

    Seeds on a cropped or extended part of the CT's own lattice, its axes stored in any order and direction, are put in
    place exactly. A segment may be empty as long as another is not.

    Args:
        path: the file. Each label above zero of a label image becomes a segment "label 22".
        volume: the CT.

    Returns:
        Segments by name, in the file's order; a name that occurs again gets " (2)" in its key.

    Warns:
        InputWarning: something in a ``.seg.nrrd`` is no segment and is left out.

    Raises:
        InputError: the path is missing or unreadable, nothing is painted, the grid is not the CT's (what differs is
            said), or voxels are painted outside the CT.
    """
    path = Path(path)
    if path.is_dir() or path.is_file() and is_dicom(path):
        raise InputError(why_no_seeds(path))
    if not path.is_file():
        raise InputError(_('There is no file "{path}". Check the path.').format(path=path))
    if seg_nrrd_header(path):
        segments, ijk_to_ras = read_seg_nrrd(path)
    else:
        segments, ijk_to_ras = _read_labels(path)
    if all(segment.is_empty for segment in segments):
        raise InputError(
            _('Nothing is painted in "{path}": no voxel of it is in a structure. Give a file in which one is.').format(
                path=path
            )
        )
    shape = next(segment.found.shape for segment in segments if not segment.is_empty)
    placement = Placement.of(shape, ijk_to_ras, volume, path.name)
    seeds: dict[str, Segment] = {}
    copies: Counter[str] = Counter()
    for segment in segments:
        segment = segment.with_mask(placement.put(segment.mask, segment.name))
        key = segment.name
        while key in seeds:
            copies[segment.name] += 1
            key = f"{segment.name} ({copies[segment.name] + 1})"
        seeds[key] = segment
    return seeds


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _read_labels(path: Path) -> tuple[list[Segment], np.ndarray]:
    voxels, ijk_to_ras = read_image(path)
    found: set[float] = set()
    for part in voxels:  # slice by slice: the first slice of a CT already says that it is none
        found.update(np.unique(part).tolist())
        if len(found - {0}) > MAX_LABELS or not all(value >= 0 and value % 1 == 0 for value in found):  # also NaN, inf
            raise InputError(
                _(
                    '"{path}" is not a label image: labels are whole numbers above zero, at most {max_labels} of '
                    "them. Give a segmentation, not the CT."
                ).format(path=path, max_labels=MAX_LABELS)
            )
    values = sorted(int(value) for value in found - {0})
    return [Segment(f"label {value}", voxels == value, _label_color(value)) for value in values], ijk_to_ras


def _label_color(label: int) -> tuple[float, float, float]:
    # Steps of the golden ratio keep the hues of neighbouring labels far apart.
    return colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.6, 0.95)
