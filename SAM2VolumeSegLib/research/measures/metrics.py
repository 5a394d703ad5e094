"""How well a mask agrees with a reference (arXiv:2603.23116, appendix B-B), measured by SimpleITK."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Box


def dice(result: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 |P and G| / (|P| + |G|) of two masks of one shape: 1 when both are empty, 0 when only one is."""
    return _overlap(result, reference, sitk.LabelOverlapMeasuresImageFilter.GetDiceCoefficient)


def iou(result: np.ndarray, reference: np.ndarray) -> float:
    """Return |P and G| / |P or G| of two masks of one shape: 1 when both are empty, 0 when only one is."""
    return _overlap(result, reference, sitk.LabelOverlapMeasuresImageFilter.GetJaccardCoefficient)


def unprompted_dice(result: np.ndarray, reference: np.ndarray, prompted: np.ndarray) -> float:
    """Return the Dice of two masks over the voxels on which nothing was given.

    prompted: bool, of the masks' shape: every voxel of the slices that were prompted, inside the structure and outside.
    """
    result, reference = _masks(result, reference)
    return dice(result & ~prompted, reference & ~prompted)


def hausdorff_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the symmetric Hausdorff distance in mm between the voxel centres of two masks.

    As in the paper it is the largest distance from any voxel of one mask to the nearest voxel of the other: a voxel
    inside the other mask counts 0.

    Args:
        result, reference: masks of one shape [k, j, i].
        spacing: mm between voxels in array order (k, j, i), that is ``volume.spacing[::-1]``.

    Returns:
        mm; 0 when both masks are empty, infinity when only one is.
    """
    result, reference = _masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    measure = sitk.HausdorffDistanceImageFilter()
    measure.Execute(*_images(result, reference, spacing))
    return measure.GetHausdorffDistance()


def hausdorff95_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the 95th percentile Hausdorff distance in mm between the surfaces of two masks.

    The larger of the two directed 95th percentiles, over the centres of the surface voxels (those with a face neighbour
    outside the mask). Arguments and the cases with empty masks are those of ``hausdorff_mm``.
    """
    result, reference = _masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    one, other = (sitk.LabelContour(image) for image in _images(result, reference, spacing))
    return max(_directed_95_mm(one, other), _directed_95_mm(other, one))


def volume_difference_ml(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the volume of ``result`` minus that of ``reference``, in ml; arguments are those of ``hausdorff_mm``."""
    result, reference = _masks(result, reference)
    return (np.count_nonzero(result) - np.count_nonzero(reference)) * math.prod(spacing) / 1000


def _directed_95_mm(surface: sitk.Image, other: sitk.Image) -> float:
    away = sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True)
    return float(np.percentile(sitk.GetArrayViewFromImage(away)[sitk.GetArrayViewFromImage(surface) != 0], 95))


def _overlap(result: np.ndarray, reference: np.ndarray, coefficient) -> float:
    result, reference = _masks(result, reference)
    if not (result.any() and reference.any()):
        return float(result.any() == reference.any())
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(*_images(result, reference))
    return coefficient(measure)


def _masks(result: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result, reference = np.asarray(result) != 0, np.asarray(reference) != 0
    if result.shape != reference.shape:
        raise InputError(
            f"The result has the shape {result.shape} and the reference {reference.shape}, so they cannot be compared. "
            "Resample one to the grid of the other."
        )
    return result, reference


def _without_distance(result: np.ndarray, reference: np.ndarray) -> float | None:
    """Return the distance where a mask is empty, None where there is one to measure."""
    empty = (not result.any(), not reference.any())
    if all(empty):
        return 0.0
    return math.inf if any(empty) else None


def _images(
    result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> list[sitk.Image]:
    """Cut both masks to the box that holds both, where the nearest voxel always is, as images with ``spacing``."""
    box = Box.of(result | reference).slices
    images = []
    for mask in (result, reference):
        # The rim keeps a mask that fills its box from losing its outer surface.
        image = sitk.GetImageFromArray(np.pad(mask[box], 1).astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        images.append(image)
    return images
