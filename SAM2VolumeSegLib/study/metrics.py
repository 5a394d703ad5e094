"""How well a mask agrees with a reference (arXiv:2603.23116, appendix B-B)."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.errors import InputError


def dice(result: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 |P and G| / (|P| + |G|) of two masks of one shape: 1 when both are empty, 0 when only one is."""
    result, reference = _masks(result, reference)
    total = np.count_nonzero(result) + np.count_nonzero(reference)
    return 2 * np.count_nonzero(result & reference) / total if total else 1.0


def iou(result: np.ndarray, reference: np.ndarray) -> float:
    """Return |P and G| / |P or G| of two masks of one shape: 1 when both are empty, 0 when only one is."""
    result, reference = _masks(result, reference)
    union = np.count_nonzero(result | reference)
    return np.count_nonzero(result & reference) / union if union else 1.0


def hausdorff_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the symmetric Hausdorff distance in mm between the voxel centres of two masks.

    As in the paper it is the largest distance from any voxel of one mask to the nearest voxel of the other, which is
    also what ITK's HausdorffDistanceImageFilter gives: a voxel inside the other mask counts 0.

    Args:
        result, reference: masks of one shape [k, j, i].
        spacing: mm between voxels in array order (k, j, i), that is ``volume.spacing[::-1]``.

    Returns:
        mm; 0 when both masks are empty, infinity when only one is.
    """
    result, reference = _masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    result, reference = _cropped(result, reference)
    return max(
        float(ndimage.distance_transform_edt(~reference, sampling=spacing)[result].max()),
        float(ndimage.distance_transform_edt(~result, sampling=spacing)[reference].max()),
    )


def hausdorff95_mm(result: np.ndarray, reference: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the 95th percentile Hausdorff distance in mm between the surfaces of two masks.

    The larger of the two directed 95th percentiles, over the centres of the surface voxels (those with a face neighbour
    outside the mask). Arguments and the cases with empty masks are those of ``hausdorff_mm``.
    """
    result, reference = _masks(result, reference)
    if (trivial := _without_distance(result, reference)) is not None:
        return trivial
    # The rim keeps a mask that fills its box from losing its outer surface.
    result, reference = (_surface(np.pad(mask, 1)) for mask in _cropped(result, reference))
    return max(
        float(np.percentile(ndimage.distance_transform_edt(~reference, sampling=spacing)[result], 95)),
        float(np.percentile(ndimage.distance_transform_edt(~result, sampling=spacing)[reference], 95)),
    )


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


def _cropped(result: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut both masks to the box that holds both: the nearest voxel is always in it, and the distance maps get small."""
    (box,) = ndimage.find_objects((result | reference).astype(np.uint8))
    return result[box], reference[box]


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)
