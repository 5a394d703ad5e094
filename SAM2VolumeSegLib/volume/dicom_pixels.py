"""The pixels of DICOM slices in HU, each checked to be all there before it is decoded."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.dicom_files import DicomImage, read_dataset
from SAM2VolumeSegLib.volume.itk import quiet_itk

if TYPE_CHECKING:
    from pydicom import Dataset

_RLE_LOSSLESS = "1.2.840.10008.1.2.5"
_RLE_MOST_PER_BYTE = 64  # two bytes stand for 128 at most (DICOM PS3.5, annex G)


def read_slices(images: Sequence[DicomImage]) -> np.ndarray:
    """Read slices of one size, rescaled slice by slice to HU.

    Args:
        images: at least one slice, in the order of k.

    Returns:
        Voxels [k, j, i] of the smallest of int16, int32 and float64 that holds those of every slice.

    Raises:
        InputError: pixels are missing or cannot be decoded, or there are several values a pixel.
    """
    first = _read_plane(images[0])
    voxels = np.empty((len(images), *first.shape), first.dtype)
    voxels[0] = first
    for k, image in enumerate(images[1:], 1):
        plane = _read_plane(image)
        voxels = voxels.astype(np.result_type(voxels, plane), copy=False)  # a later slice may need a wider type
        voxels[k] = plane
    return voxels


def _read_plane(image: DicomImage) -> np.ndarray:
    """Read the pixels of one slice, in HU.

    Uncompressed ones are counted. Compressed ones have to be complete up to their end mark; they have no checksum.
    pydicom decodes what needs no codec, GDCM the rest (it takes gigabytes for a damaged length).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom converts values, and warns, when they are asked for
            data = read_dataset(image.path)
            if int(data.get("SamplesPerPixel", 1)) != 1:
                raise InputError(
                    _('"{path}" has several values a pixel (colour?). Choose a CT series.').format(path=image.path)
                )
            pixels = data["PixelData"]
            is_packed = pixels.is_undefined_length
            is_rle = is_packed and data.file_meta.TransferSyntaxUID == _RLE_LOSSLESS
            most = _RLE_MOST_PER_BYTE if is_rle else math.inf if is_packed else 1
            if not pixels.value or math.prod(image.size) * int(data.BitsAllocated) > 8 * len(pixels.value) * most:
                raise ValueError(_("fewer pixels than declared"))
            with_gdcm = is_packed and not is_rle
            plane = _decode_with_gdcm(image) if with_gdcm else _rescale(data.pixel_array, data)
            return plane.reshape(image.size[::-1])
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pydicom raises whatever a damaged file makes it stumble over
        raise InputError(
            _(
                '"{path}" is damaged or cut off: the {columns} x {rows} pixels that its header declares cannot be '
                "read. Copy or export the series again."
            ).format(path=image.path, columns=image.size[0], rows=image.size[1])
        ) from error


def _rescale(plane: np.ndarray, data: Dataset) -> np.ndarray:
    slope, intercept = (data.get(tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = float(1 if slope is None else slope), float(intercept or 0)
    with np.errstate(all="ignore"):  # what is no number then is refused by Volume
        values = plane.astype(np.float64) * slope + intercept
    if slope.is_integer() and intercept.is_integer():
        for kind in (np.int16, np.int32):
            if values.min() >= np.iinfo(kind).min and values.max() <= np.iinfo(kind).max:
                return values.astype(kind)
    return values


def _decode_with_gdcm(image: DicomImage) -> np.ndarray:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(image.path))
    with quiet_itk():
        return sitk.GetArrayFromImage(reader.Execute())
