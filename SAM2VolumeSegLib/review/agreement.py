"""How well a mask agrees with a reference: Dice, IoU, distances and volume, measured by SimpleITK.

The one place that computes them, for the review and for the study (arXiv:2603.23116, appendix B-B).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume


def dice(result: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 |P and G| / (|P| + |G|) of two masks of one shape: 1 when both are empty, 0 when only one is."""
    return _overlap(result, reference, sitk.LabelOverlapMeasuresImageFilter.GetDiceCoefficient)


def iou(result: np.ndarray, reference: np.ndarray) -> float:
    """Return |P and G| / |P or G| of two masks of one shape: 1 when both are empty, 0 when only one is."""
    return _overlap(result, reference, sitk.LabelOverlapMeasuresImageFilter.GetJaccardCoefficient)


def hausdorff_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the symmetric Hausdorff distance in mm between the voxel centres of two masks.

    As in the paper it is the largest distance from any voxel of one mask to the nearest voxel of the other: a voxel
    inside the other mask counts 0.

    Args:
        result: mask [k, j, i].
        reference: mask of the same shape.
        spacing: mm between voxels in array order (k, j, i), that is ``volume.spacing[::-1]``.

    Returns:
        mm; 0 when both masks are empty, infinity when only one is.
    """
    result, reference = as_masks(result, reference)
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
    result, reference = as_masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    return max(float(np.percentile(away, 95)) for away in _between_surfaces(result, reference, spacing))


def surface_distance_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the mean distance in mm between the surfaces of two masks: of all surface voxels, of both masks.

    Surfaces, arguments and the cases with empty masks are those of ``hausdorff95_mm``.
    """
    result, reference = as_masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    return float(np.concatenate(_between_surfaces(result, reference, spacing)).mean())


def volume_difference_ml(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the volume of ``result`` minus that of ``reference``, in ml; arguments are those of ``hausdorff_mm``."""
    result, reference = as_masks(result, reference)
    return (np.count_nonzero(result) - np.count_nonzero(reference)) * math.prod(spacing) / 1000


class Agreement(NamedTuple):
    """How well a mask agrees with another, which is taken for the truth.

    Attributes:
        dice: 0..1.
        iou: 0..1.
        hausdorff95_mm: see there; infinite where one of them is empty, as the next one.
        surface_mm: mean distance of the surfaces.
        volume_difference_ml: of the mask, minus that of the other.
    """

    dice: float
    iou: float
    hausdorff95_mm: float
    surface_mm: float
    volume_difference_ml: float

    @classmethod
    def of(cls, found: BoxMask, reference: BoxMask, volume: Volume) -> Agreement:
        """Compare two masks on the grid of a volume."""
        both, spacing = on_common_box(found, reference), volume.spacing[::-1]
        return cls(
            dice(*both),
            iou(*both),
            hausdorff95_mm(*both, spacing),
            surface_distance_mm(*both, spacing),
            volume_difference_ml(*both, spacing),
        )


def on_common_box(one: BoxMask, other: BoxMask) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of one grid on the box that holds what is True in them."""
    used = [mask.trimmed().box for mask in (one, other) if mask.inside.any()]
    box = Box.around_boxes(used) if used else Box((0, 0, 0), (0, 0, 0))
    return one.on(box), other.on(box)


def signed_distance_mm(reference: BoxMask, box: Box, volume: Volume) -> np.ndarray:
    """Distance of voxels to the surface of a mask, for the surface of another: negative inside of the mask.

    Args:
        reference: the mask, not empty; its surface are its outermost voxels.
        box: the voxels.
        volume: on whose grid they are.

    Returns:
        float32 [k, j, i], mm, on the box.
    """
    whole = Box.around_boxes([box, reference.trimmed().box])
    image = sitk.GetImageFromArray(np.pad(reference.on(whole), 1).astype(np.uint8))
    image.SetSpacing(volume.spacing)
    away = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayFromImage(away)[1:-1, 1:-1, 1:-1][whole.index_of(box)]


def _between_surfaces(
    result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each surface voxel of the one mask to the nearest of the other, and the other way round."""
    one, other = (sitk.LabelContour(image) for image in _images(result, reference, spacing))
    return _to_surface(one, other), _to_surface(other, one)


def _to_surface(surface: sitk.Image, other: sitk.Image) -> np.ndarray:
    away = sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayViewFromImage(away)[sitk.GetArrayViewFromImage(surface) != 0]


def _overlap(
    result: np.ndarray,
    reference: np.ndarray,
    coefficient: Callable[[sitk.LabelOverlapMeasuresImageFilter], float],
) -> float:
    result, reference = as_masks(result, reference)
    if not (result.any() and reference.any()):
        return float(result.any() == reference.any())
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(*_images(result, reference))
    return coefficient(measure)


def as_masks(result: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two masks as bool.

    Raises:
        InputError: they are of different shapes.
    """
    result, reference = np.asarray(result) != 0, np.asarray(reference) != 0
    if result.shape != reference.shape:
        raise InputError(
            _(
                "The result has the shape {ours} and the reference {theirs}, so they cannot be compared. Resample one "
                "to the grid of the other."
            ).format(ours=result.shape, theirs=reference.shape)
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
