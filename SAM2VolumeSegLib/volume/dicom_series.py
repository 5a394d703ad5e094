"""One DICOM series as a volume, and clear refusals of series that are not an even, upright stack of slices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError

_DESCRIPTION, _POSITION, _ORIENTATION, _SPACING = "0008|103e", "0020|0032", "0020|0037", "0028|0030"
_MAX_TILT_DEGREES = 0.2
_MAX_GAP_DEVIATION = 0.05
"""As a part of the usual slice distance: headers round positions, often to a hundredth of a millimetre."""

_RESAMPLE = (
    "Load it in 3D Slicer with acquisition geometry regularization on (Application Settings, DICOM), "
    "harden the transform, save the volume as NRRD and use that."
)


@dataclass(frozen=True)
class _Slice:
    file: str
    position: np.ndarray
    orientation: np.ndarray
    pixel_mm: np.ndarray
    size: tuple[int, ...]


def read_dicom_series(folder: Path, series: str | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Read the one image series in ``folder`` (or its subfolders): voxels [k, j, i], IJK to RAS in mm, description.

    The series instance UID ``series`` chooses among several. Slices are ordered by their position
    (ImagePositionPatient), never by file name or instance number; pixel values are rescaled to HU by GDCM.

    Raises:
        InputError: no DICOM images; several series and none chosen; slices with different sizes or directions; several
            slices at one place; a tilted gantry; uneven gaps; a multi-frame file.
    """
    found = _find_series(folder)
    if not found:
        raise InputError(f'There are no DICOM images in "{folder}". Choose the folder that holds one CT series.')
    if series is None and len(found) > 1 or series is not None and series not in found:
        listing = "; ".join(f"{_title(files[0])}, {len(files)} slices, UID {uid}" for uid, files in found.items())
        problem = f'has no DICOM series "{series}"' if series else f"holds {len(found)} DICOM series"
        raise InputError(
            f'The folder "{folder}" {problem}. Choose one by its series UID, or keep one series per folder: {listing}.'
        )
    files = found[series] if series else next(iter(found.values()))
    title = _title(files[0])
    slices = [_read_header(file) for file in files]
    slices, step = _stack(slices, title)
    image = _read_image([s.file for s in slices], title)
    matrix = np.eye(4)
    first = slices[0]
    matrix[:3, 0] = (
        first.orientation[:3] * first.pixel_mm[1]
    )  # PixelSpacing is row distance first, column distance second
    matrix[:3, 1] = first.orientation[3:] * first.pixel_mm[0]
    matrix[:3, 2] = step
    matrix[:3, 3] = first.position
    return sitk.GetArrayFromImage(image), np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix, title


def _find_series(folder: Path) -> dict[str, list[str]]:
    """Return the files of each image series in the folder and its subfolders, by series instance UID."""
    found: dict[str, list[str]] = {}
    warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # GDCM prints a warning for each folder without DICOM
    try:
        for place in [folder, *sorted(p for p in folder.rglob("*") if p.is_dir())]:
            for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(place)):
                files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), uid)
                if _header(files[0]) is not None:  # reports, plans and structure sets are DICOM without an image
                    found.setdefault(uid, []).extend(files)
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warnings)
    return found


def _header(file: str) -> sitk.ImageFileReader | None:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(file)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader


def _text(reader: sitk.ImageFileReader, tag: str) -> str:
    return reader.GetMetaData(tag).strip(" \0") if reader.HasMetaDataKey(tag) else ""


def _title(file: str) -> str:
    return _text(_header(file), _DESCRIPTION) or "series without a description"


def _read_header(file: str) -> _Slice:
    reader = _header(file)
    if reader is None:
        raise InputError(f'"{file}" cannot be read as a DICOM image: it may be damaged. Export the series again.')
    if len(reader.GetSize()) > 2 and reader.GetSize()[2] > 1:
        raise InputError(
            f'"{file}" is a multi-frame DICOM file, which is not read here. Save it as NRRD in 3D Slicer and use that.'
        )
    try:
        position, orientation, spacing = (
            np.array([float(part) for part in _text(reader, tag).split("\\")])
            for tag in (_POSITION, _ORIENTATION, _SPACING)
        )
    except ValueError:
        position = orientation = spacing = np.empty(0)
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2):
        raise InputError(
            f'"{file}" does not say where its slice lies in the patient. Choose a CT series with positions.'
        )
    return _Slice(file, position, orientation, spacing, tuple(reader.GetSize()[:2]))


def _stack(slices: list[_Slice], title: str) -> tuple[list[_Slice], np.ndarray]:
    """Return the slices in the order of their position, and the step from one to the next in mm (LPS)."""
    first = slices[0]
    for s in slices:
        if s.size != first.size or not np.allclose(s.pixel_mm, first.pixel_mm, rtol=1e-3):
            raise InputError(
                f'The slices of "{title}" differ in size or pixel spacing. Export one reconstruction only.'
            )
        if not np.allclose(s.orientation, first.orientation, atol=1e-3):
            raise InputError(
                f'The slices of "{title}" point different ways (a scout view among them?). Leave those out.'
            )
    if len(slices) < 2:
        raise InputError(f'"{title}" has one slice only: a single slice is not a volume. Choose the whole series.')
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    offsets = np.array([s.position - slices[0].position for s in slices])
    heights = offsets @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.min() < 0.01 * usual or usual <= 0:
        raise InputError(
            f'"{title}" has several slices at the same place (time points or reconstructions in one series). '
            "Export one of them as a series of its own."
        )
    distances = np.linalg.norm(np.diff(offsets, axis=0), axis=1)
    uneven = ""
    if np.abs(gaps - usual).max() > _MAX_GAP_DEVIATION * usual:
        uneven = f", with gaps from {distances.min():.2f} to {distances.max():.2f} mm"
    sideways = np.linalg.norm(offsets - heights[:, None] * normal, axis=1)
    tilt = float(np.degrees(np.arctan2(sideways[1:], heights[1:]).max()))
    if tilt > _MAX_TILT_DEGREES:
        raise InputError(
            f'"{title}" was taken with a tilted gantry: its slices are sheared by {tilt:.1f} degrees{uneven}. '
            + _RESAMPLE
        )
    if uneven:
        raise InputError(f'The slices of "{title}" are unevenly spaced{uneven}: some may be missing. {_RESAMPLE}')
    return slices, normal * heights[-1] / (len(slices) - 1)


def _read_image(files: list[str], title: str) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames(files)
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f'The pixels of "{title}" cannot be read: a file may be damaged. Export the series again.'
        ) from error
