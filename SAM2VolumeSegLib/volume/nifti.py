"""NIfTI files. nibabel reads the header; what it says is held against the bytes that are there."""

from __future__ import annotations

import gzip
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.plausible import check_scalar_volume
from SAM2VolumeSegLib.volume.volume import GRID_TOLERANCE_VOXELS, grid_distance
from SAM2VolumeSegLib.volume.voxel_bytes import read_voxels

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

_GZIP = b"\x1f\x8b"
_UNIT_MM = {1: 1e3, 3: 1e-3}  # metre, micron; 2 is mm, 0 is unknown


def is_nifti(path: Path) -> bool:
    """Say whether a file, or what a ``.gz`` unpacks to, begins as NIfTI 1 or 2 does."""
    start = _start(path, 348)
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a NIfTI file.

    The sform gives the geometry where its code is above zero, else the qform, as in nibabel and ITK.

    Returns:
        Voxels [k, j, i], scaled as the header says, and IJK to RAS (mm). Voxels that are not scaled keep their type;
        scaled ones become float32, or stay float64.

    Warns:
        InputWarning: sform and qform are not the same place, or there is neither; sizes of voxels are given twice.

    Raises:
        InputError: damaged, cut off, or not one scalar volume.
    """
    from nibabel.spatialimages import HeaderDataError  # here: 3D Slicer has its own reader, and not this package

    try:
        header = _header(path)
        size, dtype, skip = header.get_data_shape(), header.get_data_dtype(), header.get_data_offset()
        slope, inter = header.get_slope_inter()
        ijk_to_ras = _ijk_to_ras(path, header)
    except (HeaderDataError, KeyError, ValueError, OverflowError) as error:
        raise InputError(_damaged(path)) from error
    check_scalar_volume(path, size, len(dtype.names or [0]))
    if header["magic"].item().startswith(b"ni"):
        raise InputError(
            _('"{path}" is one of a pair of files (.hdr, .img). Save the image as one .nii.gz.').format(path=path)
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(
            _('"{path}" has voxels of type {dtype}. Convert it to a scalar volume first.').format(
                path=path, dtype=dtype
            )
        )
    if skip < header.single_vox_offset or min(size) < 1 or np.isinf(header["scl_slope"]):
        raise InputError(_damaged(path))
    with path.open("rb") as file:
        packing = "gzip" if file.read(2) == _GZIP else "raw"
        file.seek(0)
        voxels = read_voxels(path, file, packing, skip, size[2::-1], dtype)
    if (slope or 1.0, inter or 0.0) != (1.0, 0.0):
        voxels = _scaled(voxels, slope, inter)
    return voxels, ijk_to_ras


def _damaged(path: Path) -> str:
    return _('The header of "{path}" is damaged. Copy or export it again.').format(path=path)


def _start(path: Path, count: int) -> bytes:
    """Return the first bytes, unpacked; fewer when there are not so many."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        try:
            return (gzip.open(file) if packed else file).read(count)
        except (EOFError, OSError, zlib.error):
            return b""


def _header(path: Path) -> Nifti1Header:
    """Read the header.

    Raises:
        ValueError: the file ends before it does.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.wrapstruct import WrapStructError

    start = _start(path, Nifti2Header.sizeof_hdr)
    kind = Nifti2Header if start[4:8] in (b"n+2\0", b"ni2\0") else Nifti1Header
    try:
        # check=False: nibabel's checks repair what they can, without a word.
        return kind(start[: kind.sizeof_hdr], check=False)
    except WrapStructError as error:
        raise ValueError(str(error)) from error


def _ijk_to_ras(path: Path, header: Nifti1Header) -> np.ndarray:
    """Return the matrix in mm.

    Raises:
        ValueError: the header holds none.
        HeaderDataError: likewise.
    """
    header["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1  # the standard: 0 stands for 1
    size = header.get_data_shape()
    sform, qform = header.get_sform(), None
    if header["qform_code"] > 0:
        try:
            qform = header.get_qform()
        except ValueError:
            if header["sform_code"] <= 0:
                raise
    if header["sform_code"] > 0:
        matrix = sform
        if qform is not None and not _same_place(sform, qform, size):
            _warn(
                _('"{file}" holds two geometries that differ (sform and qform). The sform is used.').format(
                    file=path.name
                )
            )
        with np.errstate(all="ignore"):
            stretch = np.linalg.norm(sform[:3, :3], axis=0) / header["pixdim"][1:4] - 1
        if (np.abs(stretch) * size[:3] > GRID_TOLERANCE_VOXELS).any():
            _warn(
                _(
                    '"{file}" says two things about the size of its voxels (sform and pixdim). The sform is used.'
                ).format(file=path.name)
            )
    elif qform is not None:
        matrix = qform
    else:
        # ITK's way, so 3D Slicer's. The standard says to the right and forwards, which nobody does.
        matrix = np.diag([*(np.abs(header["pixdim"][1:4]) * [-1.0, -1.0, 1.0]), 1.0])
        _warn(
            _(
                '"{file}" does not say how it lies in the patient (no sform, no qform). Its axes are taken to go '
                "to the left, backwards and up, as in 3D Slicer: check left and right."
            ).format(file=path.name)
        )
    unit = _UNIT_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    return np.diag([unit, unit, unit, 1.0]) @ matrix


def _same_place(sform: np.ndarray, qform: np.ndarray, size: tuple[int, ...]) -> bool:
    """Say whether two matrices mean the same; so do absurd ones, on which `check_axes` has the word."""
    with np.errstate(all="ignore"):
        try:
            return not grid_distance(sform, qform, size[2::-1]) > GRID_TOLERANCE_VOXELS
        except np.linalg.LinAlgError:
            return True


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=2)


def _scaled(voxels: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """Scale in double precision as ITK does, a slice at a time: no second copy of the volume in float64."""
    kind = np.float64 if voxels.dtype == np.float64 else np.float32
    scaled = voxels if voxels.dtype == kind else np.empty(voxels.shape, kind)
    with np.errstate(all="ignore"):  # what is no number then is refused by Volume
        for k, plane in enumerate(voxels):
            scaled[k] = plane.astype(np.float64) * slope + inter
    return scaled
