"""Distances between surfaces: those of brute force, and signed by the side on which they lie."""

import math

import numpy as np
import pytest
from hypothesis import given
from mask_pairs import two_masks
from scipy import ndimage
from scipy.spatial.distance import cdist

from SAM2VolumeSegLib.review.agreement import Agreement, hausdorff95_mm, signed_distance_mm, surface_distance_mm
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume

SPACING = (3.0, 0.7, 1.1)  # mm along k, j, i
ONE_VOXEL = BoxMask.of(np.pad(np.ones((1, 1, 1), dtype=bool), 3))


def surface(mask):
    """Places of the voxels that have a face neighbour outside."""
    inside = ndimage.binary_erosion(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    return np.argwhere(mask & ~inside) * SPACING


@given(two_masks())
def test_the_surface_distance_is_the_mean_over_all_surface_voxels(masks):
    one, other = map(surface, masks)
    away = cdist(one, other)
    expected = np.concatenate([away.min(axis=1), away.min(axis=0)]).mean()
    # SimpleITK keeps distances as float32.
    assert surface_distance_mm(*masks, SPACING) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_mask_has_no_distance_to_nothing():
    """It would look perfect with 0, and infinity would spoil a table's mean."""
    nothing, something = np.zeros((4, 4, 4), dtype=bool), np.ones((4, 4, 4), dtype=bool)
    assert surface_distance_mm(nothing, nothing, SPACING) == 0
    assert math.isinf(surface_distance_mm(nothing, something, SPACING))


def test_two_masks_are_compared_wherever_they_lie():
    """Boxes of a result and of a reference overlap in part, or not at all."""
    volume = Volume(np.zeros((20, 20, 20), dtype=np.int16), np.diag([1.0, 1.0, 2.0, 1.0]))
    one, other = np.zeros((2, 20, 20, 20), dtype=bool)
    one[2:6, 2:6, 2:6] = other[3:7, 2:6, 2:6] = True
    found = Agreement.of(BoxMask.of(one), BoxMask.of(other), volume)
    assert found.dice == pytest.approx(0.75) and found.iou == pytest.approx(0.6)
    assert found.volume_difference_ml == 0 and found.hausdorff95_mm == hausdorff95_mm(one, other, (2.0, 1.0, 1.0))
    assert 0 < found.surface_mm < 2
    far = Agreement.of(BoxMask.of(one), BoxMask.of(np.roll(one, 10, axis=0)), volume)
    assert far.dice == 0 and far.hausdorff95_mm == pytest.approx(20)
    assert Agreement.of(BoxMask.of(one & False), BoxMask.of(one & False), volume).dice == 1


def test_the_signed_distance_is_negative_inside_of_the_reference():
    """On a surface in 3-D, too much and too little have colours of their own."""
    volume = Volume(np.zeros((20, 20, 20), dtype=np.int16), np.diag([1.0, 1.5, 2.0, 1.0]))
    reference = np.zeros((20, 20, 20), dtype=bool)
    reference[5:15, 5:15, 5:15] = True
    box = Box((0, 8, 8), (20, 12, 12))
    away = signed_distance_mm(BoxMask.of(reference), box, volume)
    assert away.shape == box.shape
    np.testing.assert_allclose(away[:5, 2, 2], [10, 8, 6, 4, 2])  # 2 mm along k, up to the outermost voxel
    assert abs(away[5, 2, 2]) == 0 and (away[6:14, 2, 2] < 0).all()
