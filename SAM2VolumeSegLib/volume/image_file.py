"""One image file as voxels and geometry: NRRD, NIfTI or MetaImage, or a sentence that says why not."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.dicom_files import is_dicom, what_dicom_file_is
from SAM2VolumeSegLib.volume.itk import quiet_itk
from SAM2VolumeSegLib.volume.lps import lps_to_ras
from SAM2VolumeSegLib.volume.nifti import is_nifti, read_nifti
from SAM2VolumeSegLib.volume.paths import check_file
from SAM2VolumeSegLib.volume.plausible import check_axes, check_scalar_volume
from SAM2VolumeSegLib.volume.text_header import Stored, find_meta_voxels, find_nrrd_voxels
from SAM2VolumeSegLib.volume.voxel_bytes import read_voxels

_TYPES = {
    sitk.sitkInt8: "i1",
    sitk.sitkUInt8: "u1",
    sitk.sitkInt16: "i2",
    sitk.sitkUInt16: "u2",
    sitk.sitkInt32: "i4",
    sitk.sitkUInt32: "u4",
    sitk.sitkInt64: "i8",
    sitk.sitkUInt64: "u8",
    sitk.sitkFloat32: "f4",
    sitk.sitkFloat64: "f8",
}


def read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an image file with one value a voxel and three dimensions.

    The file has to hold exactly the voxels that its header declares, and checksums of compressed data are checked.

    Returns:
        Voxels [k, j, i] and IJK to RAS (mm).

    Warns:
        InputWarning: a geometry is odd, and can be read all the same.

    Raises:
        InputError: no such file, no format that is read, damaged, or no plausible scalar volume.
    """
    check_file(path)
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(b"NRRD"):
        voxels, ijk_to_ras = _read_with_itk_header(path, "NrrdImageIO", find_nrrd_voxels(path))
    elif is_nifti(path):
        voxels, ijk_to_ras = read_nifti(path)
    elif path.suffix.lower() in (".mha", ".mhd") and b"NDims" in start:
        voxels, ijk_to_ras = _read_with_itk_header(path, "MetaImageIO", find_meta_voxels(path))
    elif is_dicom(path):
        raise InputError(what_dicom_file_is(path))
    else:
        raise InputError(
            _(
                '"{path}" cannot be read: it is no image of a known format (NRRD, NIfTI, MHA), or it is damaged. '
                "Export it again, or save it as NRRD in 3D Slicer."
            ).format(path=path)
        )
    check_axes(path, ijk_to_ras)
    return voxels, ijk_to_ras


def _read_with_itk_header(path: Path, reader_name: str, stored: Stored) -> tuple[np.ndarray, np.ndarray]:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    try:
        with quiet_itk():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            _(
                'The header of "{path}" cannot be read: it is damaged, or its axes are singular. Export it again.'
            ).format(path=path)
        ) from error
    size = reader.GetSize()
    check_scalar_volume(path, size, reader.GetNumberOfComponents())
    if reader.GetPixelID() not in _TYPES:
        raise InputError(
            _('"{path}" has voxels that are not plain numbers. Convert it to a scalar volume first.').format(path=path)
        )
    dtype = np.dtype((">" if stored.big_endian else "<") + _TYPES[reader.GetPixelID()])
    with stored.file.open("rb") as file:
        file.seek(stored.start)
        if stored.at_end:
            length = math.prod(size) * dtype.itemsize
            file.seek(max(stored.start, os.fstat(file.fileno()).st_size - length))
        voxels = read_voxels(path, file, stored.packing, 0, size[2::-1], dtype)
    dimensions = len(size)
    matrix = np.eye(4)
    direction = np.array(reader.GetDirection()).reshape(dimensions, dimensions)[:3, :3]
    with np.errstate(all="ignore"):
        matrix[:3, :3] = direction * reader.GetSpacing()[:3]
        matrix[:3, 3] = reader.GetOrigin()[:3]
    return voxels, lps_to_ras(matrix)
