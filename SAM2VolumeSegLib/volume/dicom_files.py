"""DICOM files one by one: which of a folder's files are images, what they say, and whether their pixels are all there.

pydicom reads the headers: it decodes text by its character set, and takes nothing for granted about a damaged file.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.paths import check_name
from SAM2VolumeSegLib.volume.text import valid_text

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS = [
    "SOPClassUID",
    "ImageType",
    "Modality",
    "SeriesDescription",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "NumberOfFrames",
    "Rows",
    "Columns",
]
_NO_PICTURES = {"RT Dose Storage", "Segmentation Storage", "Parametric Map Storage"}
"""They have rows and columns, but are no pictures of the patient."""

_WITHOUT_PREAMBLE = (b"\x02\0", b"\x08\0")
"""Some old files begin with their first element, of group 0002 or 0008."""
_DIRECTORY = "Media Storage Directory Storage"
"""The index of a disc, DICOMDIR: it alone has no SOP class of its own."""


@dataclass(frozen=True)
class DicomImage:
    """What the header of one DICOM image says; arrays are empty where it does not say.

    Attributes:
        path: the file.
        kind: name of its SOP class, such as "CT Image".
        image_type: such as ("ORIGINAL", "PRIMARY", "AXIAL").
        series: series instance UID.
        description: of the series.
        frames: number of pictures in the file.
        size: columns, rows.
        position: of the first pixel in mm (LPS).
        orientation: direction of the rows, then of the columns (LPS).
        pixel_mm: distance of rows, then of columns.
    """

    path: Path
    kind: str
    image_type: tuple[str, ...]
    series: str
    description: str
    frames: int
    size: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    pixel_mm: np.ndarray


@dataclass
class DicomFolder:
    """What a folder holds.

    Attributes:
        images: the DICOM images.
        others: the kinds of what else is DICOM.
        unreadable: files that may be slices and cannot be read.
    """

    images: list[DicomImage] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    unreadable: list[Path] = field(default_factory=list)


def find_dicom(folder: Path) -> DicomFolder:
    """Look at every file in a folder and its subfolders, each once, wherever links lead.

    Hidden files, pipes and devices are no slices. A file is counted as unreadable where it begins as DICOM, cannot be
    opened, or has a name like those of the images beside it.

    Raises:
        InputError: the folder cannot be opened; a file has a name that is not valid text.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise InputError(
            _('The folder "{folder}" cannot be opened: {strerror}.').format(folder=folder, strerror=error.strerror)
        ) from error
    found = DicomFolder()
    unknown: list[Path] = []
    for path in files_below(folder, found.unreadable):
        try:
            with path.open("rb") as file:
                start = file.read(132)
        except OSError:
            found.unreadable.append(path)
            continue
        has_preamble = start[128:] == b"DICM"
        if not has_preamble and start[:2] not in _WITHOUT_PREAMBLE:
            unknown.append(path)
            continue
        check_name(path)
        image = _header(path)
        if isinstance(image, DicomImage):
            found.images.append(image)
        elif image:
            found.others.add(image)
        else:
            (found.unreadable if has_preamble else unknown).append(path)
    names = {_pattern(image.path) for image in found.images}
    endings = {image.path.suffix.lower() for image in found.images} & {".dcm", ".ima", ".dicom"}
    found.unreadable += [p for p in unknown if _pattern(p) in names or p.suffix.lower() in endings]
    for path in found.unreadable:
        check_name(path)
    return found


def is_dicom(path: Path) -> bool:
    """Say whether a file that can be opened is DICOM, with its preamble or without."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or start[:2] in _WITHOUT_PREAMBLE and _header(path) is not None


def what_dicom_file_is(path: Path) -> str:
    """Say in a sentence what a single DICOM file that was given as an image is, and what to give in its place."""
    image = _header(path)
    if isinstance(image, DicomImage):
        if image.frames > 1:
            return multi_frame(image)
        return _(
            '"{path}" is one file of a DICOM series ({kind}). Give the folder that holds the whole series.'
        ).format(path=path, kind=image.kind)
    return _('"{path}" is a DICOM file without an image that is read here ({kind}). Give the folder of a CT.').format(
        path=path, kind=image or _("damaged")
    )


def why_no_seeds(path: Path) -> str:
    """Say in a sentence what a DICOM file or folder is that was given as a segmentation, and how to make one of it."""
    if path.is_dir():
        return _(
            '"{path}" is a folder. A segmentation is one file, a .seg.nrrd or a label image. Load what a folder of '
            "DICOM holds in 3D Slicer and save it as .seg.nrrd."
        ).format(path=path)
    image = _header(path)
    kind = image.kind if isinstance(image, DicomImage) else image
    if kind == "RT Structure Set":
        return _(
            '"{path}" is an RT structure set: it holds contours and no painted voxels. Load it with its CT in 3D '
            "Slicer (extension SlicerRT), make a binary labelmap its source representation (module Segmentations), "
            "and save it as .seg.nrrd."
        ).format(path=path)
    if kind == "Segmentation":
        return _(
            '"{path}" is a DICOM segmentation, which is not read here. Load it with its CT in 3D Slicer (extension '
            "QuantitativeReporting) and save it as .seg.nrrd."
        ).format(path=path)
    return _('"{path}" is a DICOM file ({kind}) and no segmentation. Give a .seg.nrrd or a label image.').format(
        path=path, kind=kind or _("damaged")
    )


def multi_frame(image: DicomImage) -> str:
    """Say in a sentence what to do with a file that holds several pictures."""
    return _(
        '"{path}" is a multi-frame DICOM file ({kind}), which is not read here. Save it as NRRD in 3D Slicer and use '
        "that."
    ).format(path=image.path, kind=image.kind)


def read_dataset(path: Path, **options: Any) -> Dataset:
    """Read a file with or without DICOM's preamble; ``options`` are those of `pydicom.dcmread`.

    pydicom raises any kind of exception for a damaged one.
    """
    from pydicom import dcmread  # here: 3D Slicer has its own reader

    return dcmread(path, force=True, **options)


def files_below(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    """Yield each regular file of a folder and its subfolders once, and links to nothing; hidden files are none.

    Args:
        folder: where to look.
        unreadable: gets the folders that cannot be opened.
    """
    seen = {os.path.realpath(folder)}

    def is_new(path: str) -> bool:
        before = len(seen)
        seen.add(os.path.realpath(path))
        return len(seen) > before

    def failed(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=failed, followlinks=True):
        folders[:] = [name for name in sorted(folders) if is_new(os.path.join(place, name))]
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if path.is_symlink() and not path.exists() or path.is_file() and is_new(str(path)):
                yield path


def _pattern(path: Path) -> tuple[Path, str]:
    """Return the folder, and the name with its numbers left out: slices differ in nothing else."""
    return path.parent, re.sub(r"\d+", "0", path.name)


def _header(path: Path) -> DicomImage | str | None:
    """Return the image, the kind of another DICOM object ("RT Structure Set"), or None for a damaged file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values are converted, and warned of, when they are asked for
            data = read_dataset(path, stop_before_pixels=True, specific_tags=_TAGS)
            if _directory(data):
                return _DIRECTORY.removesuffix(" Storage")
            kind = data.SOPClassUID.name
            if _is_no_picture(data):
                return kind.removesuffix(" Storage")
            return DicomImage(
                path,
                kind.removesuffix(" Storage"),
                tuple(data.get("ImageType") or ()),
                str(data.SeriesInstanceUID),
                _text(data.get("SeriesDescription")),
                int(data.get("NumberOfFrames") or 1),
                (int(data.Columns), int(data.Rows)),
                _numbers(data, "ImagePositionPatient", 3),
                _numbers(data, "ImageOrientationPatient", 6),
                _numbers(data, "PixelSpacing", 2),
            )
    except Exception:  # pydicom raises whatever a damaged file makes it stumble over
        return None


def _directory(data: Dataset) -> bool:
    kind = data.file_meta.get("MediaStorageSOPClassUID")
    return kind is not None and kind.name == _DIRECTORY


def _is_no_picture(data: Dataset) -> bool:
    """Say whether a file is a plan, a report, a dose. Where it says two kinds, it may be a damaged picture."""
    kind = data.SOPClassUID
    if data.file_meta.get("MediaStorageSOPClassUID", kind) != kind:
        return False
    return kind.name in _NO_PICTURES or not kind.name.endswith("Image Storage") and "Rows" not in data


def _text(value: object) -> str:
    """Return valid Unicode whatever the header holds: the text goes into results."""
    return valid_text(str(value or "")).strip(" \0")


def _numbers(data: Dataset, tag: str, count: int) -> np.ndarray:
    """Return finite numbers, as many as there have to be; else an empty array."""
    try:
        numbers = np.array([float(part) for part in data.get(tag) or ()])
    except (TypeError, ValueError):
        return np.empty(0)
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else np.empty(0)
