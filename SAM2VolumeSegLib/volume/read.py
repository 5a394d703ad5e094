"""Reading a CT volume and the painted seeds on its grid."""

from __future__ import annotations

import colorsys
import gzip
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume.dicom_series import read_dicom_series
from SAM2VolumeSegLib.volume.placement import Placement
from SAM2VolumeSegLib.volume.read_seg_nrrd import read_seg_nrrd, seg_nrrd_header
from SAM2VolumeSegLib.volume.segment import Segment
from SAM2VolumeSegLib.volume.volume import Volume

MAX_LABELS = 255
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Read a CT from NRRD, NIfTI (or another image file of SimpleITK's), or a folder with one DICOM series.

    Args:
        path: the file or folder.
        series: series instance UID, to choose one when the folder holds several.

    Raises:
        InputError: the path is missing or unreadable, the image is not one scalar three-dimensional volume, its voxels
            or its geometry are unusable (see ``Volume``), or the DICOM series is not one even, upright stack.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f'There is no file or folder "{path}". Check the path.')
    if path.is_dir():
        voxels, ijk_to_ras, name = read_dicom_series(path, series)
        return Volume(voxels, ijk_to_ras, name)
    if seg_nrrd_header(path):
        raise InputError(f'"{path}" is a segmentation. Give the CT volume here and the segmentation as seeds.')
    return Volume(*_read_image(path), name=_stem(path))


def read_seeds(path: str | Path, volume: Volume) -> dict[str, Segment]:
    """Read painted segments on the grid of ``volume`` from a ``.seg.nrrd`` of Slicer's or a label image.

    Each non-zero label of a label image becomes a segment "label 22". Returns segments by name, in the file's order; a
    name that occurs again gets " (2)" in its key. A segment may be empty as long as another is not. Seeds on a cropped
    or extended part of the CT's own lattice are put in place exactly.

    Raises:
        InputError: the path is missing or unreadable, nothing is painted, the grid is not the CT's (what differs is
            said), or voxels are painted outside the CT.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'There is no file "{path}". Check the path of the seeds.')
    if seg_nrrd_header(path):
        segments, ijk_to_ras = read_seg_nrrd(path)
    else:
        segments, ijk_to_ras = _read_labels(path)
    if not any(segment.mask.any() for segment in segments):
        raise InputError(
            f'Nothing is painted in "{path}". Paint the structure on at least one slice and save it again.'
        )
    shape = next(segment.mask.shape for segment in segments if segment.mask.any())
    placement = Placement.of(shape, ijk_to_ras, volume, path.name)
    seeds: dict[str, Segment] = {}
    for segment in segments:
        segment.mask = placement.put(segment.mask, segment.name)
        key, copies = segment.name, 1
        while key in seeds:
            copies += 1
            key = f"{segment.name} ({copies})"
        seeds[key] = segment
    return seeds


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels [k, j, i] and IJK to RAS (mm) of a scalar image file with three dimensions."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        dimensions = len(size) - (len(size) == 4 and size[3] == 1)
        if dimensions != 3 or reader.GetNumberOfComponents() != 1:
            raise InputError(_not_scalar_volume(path, dimensions, reader.GetNumberOfComponents()))
        image = reader.Execute()
        _check_whole(path)
    except RuntimeError as error:
        raise InputError(_why_unreadable(path, str(error))) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), _LPS_TO_RAS @ matrix


def _check_whole(path: Path) -> None:
    """Raise InputError where a .nii.gz is cut off or altered: ITK fills up the rest with zeros, without a word."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f'"{path}" is damaged: it is cut off, or altered. Copy or export it again.') from error


def _not_scalar_volume(path: Path, dimensions: int, components: int) -> str:
    if components > 1:
        return f'"{path}" is a colour or vector image ({components} values a voxel). Give a CT, with one.'
    if dimensions < 3:
        return f'"{path}" is a single slice, not a volume. Load the whole series and try again.'
    return (
        f'"{path}" has {dimensions} dimensions (several time points?). Save one of its volumes by itself and use that.'
    )


def _why_unreadable(path: Path, error: str) -> str:
    if "determinant" in error or "orthonormal" in error:
        return (
            f'The geometry of "{path}" is singular or sheared: its axes are not at right angles. '
            "Correct the direction in its header, or resample the image in 3D Slicer, and save it again."
        )
    return (
        f'"{path}" cannot be read: it is no image of a known format (NRRD, NIfTI), or it is damaged. Export it again.'
    )


def _read_labels(path: Path) -> tuple[list[Segment], np.ndarray]:
    voxels, ijk_to_ras = _read_image(path)
    values = np.unique(voxels)
    values = values[values != 0]
    if not np.isfinite(values).all() or (values < 0).any() or (values % 1).any() or len(values) > MAX_LABELS:
        raise InputError(
            f'"{path}" is not a label image: labels are whole numbers above zero, at most {MAX_LABELS} of them. '
            "Give the painted segmentation as seeds, not the CT."
        )
    segments = [Segment(f"label {int(value)}", voxels == value, _label_color(int(value))) for value in values]
    return segments, ijk_to_ras


def _label_color(label: int) -> tuple[float, float, float]:
    # Steps of the golden ratio keep the hues of neighbouring labels far apart.
    return colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.6, 0.95)
