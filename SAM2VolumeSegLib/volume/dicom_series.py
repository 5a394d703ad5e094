"""One DICOM series as a volume, and clear refusals of series that are not an even, upright stack of slices."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.dicom_files import DicomFolder, DicomImage, find_dicom, multi_frame
from SAM2VolumeSegLib.volume.dicom_pixels import read_slices
from SAM2VolumeSegLib.volume.lps import lps_to_ras
from SAM2VolumeSegLib.volume.paths import check_name
from SAM2VolumeSegLib.volume.plausible import check_axes

CT = "CT Image"
_MAX_TILT_DEGREES = 0.2
_MAX_GAP_DEVIATION = 0.05
"""As a part of the usual slice distance: headers round positions, often to a hundredth of a millimetre."""

_RESAMPLE = _(
    "Load it in 3D Slicer with acquisition geometry regularization on (Application Settings, DICOM), "
    "harden the transform, save the volume as NRRD and use that."
)


def read_dicom_series(folder: Path, series: str | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Read one image series.

    Slices are ordered by their position (ImagePositionPatient), never by file name or instance number; pixel values are
    rescaled to HU slice by slice.

    Args:
        folder: holds the series, also in subfolders.
        series: series instance UID, to choose one of several. Without it the only CT with positions is chosen, or the
            only series with positions where none is a CT; scout views, doses and screenshots are none.

    Returns:
        Voxels [k, j, i], IJK to RAS (mm), and the description of the series.

    Warns:
        InputWarning: one series was chosen among others, or what is read is no CT.

    Raises:
        InputError: no DICOM images; files that cannot be read or are cut off; several series and none chosen; slices
            with different sizes or directions; several slices at one place; a tilted gantry; uneven gaps; a
            multi-frame file.
    """
    check_name(folder)
    images = _choose(folder, find_dicom(folder), series)
    title = _title(images)
    for image in images:
        _check_single(image)
    if (kind := images[0].kind) != CT:
        warnings.warn(
            _(
                '"{title}" is no CT ({kind}), so its values may be no HU. Choose the window min-max, or one that fits '
                "these values."
            ).format(title=title, kind=kind),
            InputWarning,
            stacklevel=2,
        )
    with np.errstate(all="ignore"):  # absurd numbers are refused by check_axes
        images, step = _stack(images, title)
        first = images[0]
        matrix = np.eye(4)
        # PixelSpacing is row distance first, column distance second
        matrix[:3, 0] = first.orientation[:3] * first.pixel_mm[1]
        matrix[:3, 1] = first.orientation[3:] * first.pixel_mm[0]
        matrix[:3, 2] = step
        matrix[:3, 3] = first.position
    check_axes(folder, matrix)
    return read_slices(images), lps_to_ras(matrix), title


def _choose(folder: Path, found: DicomFolder, series: str | None) -> list[DicomImage]:
    if found.unreadable:
        names = ", ".join(path.name for path in found.unreadable[:5])
        more = ", ..." if len(found.unreadable) > 5 else ""
        count = len(found.unreadable)
        raise InputError(
            _(
                'In "{folder}", {count} of the files cannot be read and may be slices: {names}{more}. Copy or '
                "export the series again, or move out of the folder what does not belong to it."
            ).format(count=count, folder=folder, names=names, more=more)
        )
    if not found.images:
        others = f" It holds: {', '.join(sorted(found.others))}." if found.others else ""
        raise InputError(
            _('There are no DICOM images in "{folder}".{others} Choose the folder that holds one CT series.').format(
                folder=folder, others=others
            )
        )
    by_uid: dict[str, list[DicomImage]] = {}
    for image in sorted(found.images, key=lambda image: image.series):
        by_uid.setdefault(image.series, []).append(image)
    if series is None:
        if len(by_uid) == 1:
            return found.images
        placed = [uid for uid, images in by_uid.items() if any(map(_is_placed, images))]
        cts = [uid for uid in placed if any(image.kind == CT for image in by_uid[uid])]
        meant = cts or placed
        if len(meant) == 1:
            images = by_uid[meant[0]]
            sentence = (
                _(
                    '"{folder}" holds {number} DICOM series. The only CT with positions is read: {title}, '
                    "{number_of_slices} slices, UID {uid}."
                )
                if cts
                else _(
                    '"{folder}" holds {number} DICOM series. The only one with positions is read: {title}, '
                    "{number_of_slices} slices, UID {uid}."
                )
            )
            warnings.warn(
                sentence.format(
                    folder=folder.name,
                    number=len(by_uid),
                    title=_title(images),
                    number_of_slices=len(images),
                    uid=meant[0],
                ),
                InputWarning,
                stacklevel=2,
            )
            return images
    elif series in by_uid:
        return by_uid[series]
    listing = "; ".join(f"{_title(images)}, {len(images)} slices, UID {uid}" for uid, images in by_uid.items())
    problem = (
        _('has no DICOM series "{series}"').format(series=series)
        if series
        else _("holds {number} DICOM series").format(number=len(by_uid))
    )
    raise InputError(
        _(
            'The folder "{folder}" {problem}. Choose one by its series UID, or keep one series per folder: {listing}.'
        ).format(folder=folder, problem=problem, listing=listing)
    )


def _is_placed(image: DicomImage) -> bool:
    return "LOCALIZER" not in image.image_type and image.position.size > 0


def _title(images: list[DicomImage]) -> str:
    return images[0].description or _("series without a description")


def _check_single(image: DicomImage) -> None:
    if image.frames > 1:
        raise InputError(multi_frame(image))
    if not (image.position.size and image.orientation.size and image.pixel_mm.size):
        raise InputError(
            _('"{path}" does not say where its slice lies in the patient. Choose a CT series with positions.').format(
                path=image.path
            )
        )


def _pair(slices: list[DicomImage], first: np.intp) -> str:
    """Return the names of two slices that follow each other."""
    return f"{slices[first].path.name} and {slices[first + 1].path.name}"


def _stack(slices: list[DicomImage], title: str) -> tuple[list[DicomImage], np.ndarray]:
    """Return the slices in the order of their position, and the step from one to the next in mm (LPS)."""
    first = slices[0]
    for s in slices:
        if s.size != first.size or not np.allclose(s.pixel_mm, first.pixel_mm, rtol=1e-3):
            raise InputError(
                _('The slices of "{title}" differ in size or pixel spacing. Export one reconstruction only.').format(
                    title=title
                )
            )
        if not np.allclose(s.orientation, first.orientation, atol=1e-3):
            raise InputError(
                _('The slices of "{title}" point different ways (a scout view among them?). Leave those out.').format(
                    title=title
                )
            )
    if len(slices) < 2:
        raise InputError(
            _('"{title}" has one slice only: a single slice is not a volume. Choose the whole series.').format(
                title=title
            )
        )
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    offsets = np.array([s.position - slices[0].position for s in slices])
    heights = offsets @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.min() < 0.01 * usual or usual <= 0:
        raise InputError(
            _(
                '"{title}" has several slices at the same place, such as {pair}: copies of a file, time points, '
                "or reconstructions in one series. Keep one of each, or export one as its own series."
            ).format(title=title, pair=_pair(slices, gaps.argmin()))
        )
    distances = np.linalg.norm(np.diff(offsets, axis=0), axis=1)
    uneven = ""
    if np.abs(gaps - usual).max() > _MAX_GAP_DEVIATION * usual:
        uneven = _(", with gaps from {smallest:.2f} to {largest:.2f} mm").format(
            smallest=distances.min(), largest=distances.max()
        )
    sideways = np.linalg.norm(offsets - heights[:, None] * normal, axis=1)
    tilt = float(np.degrees(np.arctan2(sideways[1:], heights[1:]).max()))
    if tilt > _MAX_TILT_DEGREES:
        raise InputError(
            _(
                '"{title}" was taken with a tilted gantry: its slices are sheared by {tilt:.1f} degrees{uneven}. '
            ).format(title=title, tilt=tilt, uneven=uneven)
            + _RESAMPLE
        )
    if uneven:
        raise InputError(
            _(
                'The slices of "{title}" are unevenly spaced{uneven}, the largest between {pair}. Where slices '
                "are missing there, export the series again. Where it was taken like that: {resample}"
            ).format(title=title, uneven=uneven, pair=_pair(slices, gaps.argmax()), resample=_RESAMPLE)
        )
    return slices, normal * heights[-1] / (len(slices) - 1)
