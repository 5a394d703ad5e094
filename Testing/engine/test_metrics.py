"""Dice, IoU and Hausdorff: equal to ITK's on real bones, defined where masks are empty."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.distance import cdist

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.study.metrics import dice, hausdorff95_mm, hausdorff_mm, iou

SPACING = (3.0, 0.7, 1.1)  # mm along k, j, i


@pytest.fixture(scope="module")
def two_bones(a_ct_labels):
    """A real vertebra, and the same moved and eroded."""
    bone = a_ct_labels == 22
    return np.roll(ndimage.binary_erosion(bone), (1, 2, -1), axis=(0, 1, 2)), bone


def as_image(mask):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(SPACING[::-1])
    return image


def test_overlap_agrees_with_itk(two_bones):
    """Our tables are compared with others' numbers, which come from such libraries."""
    itk = sitk.LabelOverlapMeasuresImageFilter()
    itk.Execute(*map(as_image, two_bones))
    assert dice(*two_bones) == pytest.approx(itk.GetDiceCoefficient(), abs=1e-12)
    assert iou(*two_bones) == pytest.approx(itk.GetJaccardCoefficient(), abs=1e-12)
    assert 0.2 < iou(*two_bones) < dice(*two_bones) < 0.95


def test_hausdorff_agrees_with_itk_on_anisotropic_voxels(two_bones):
    """Swapped spacings change the distance on any grid that is not cubic."""
    itk = sitk.HausdorffDistanceImageFilter()
    itk.Execute(*map(as_image, two_bones))
    assert hausdorff_mm(*two_bones, SPACING) == pytest.approx(itk.GetHausdorffDistance(), rel=1e-5)
    assert hausdorff_mm(*two_bones, SPACING) == hausdorff_mm(*two_bones[::-1], SPACING)


def test_hausdorff_95_is_the_percentile_of_all_surface_distances():
    """Checked against every pair of surface voxels, with a mask that reaches the border of the volume."""
    rng = np.random.default_rng(3)
    masks = [ndimage.gaussian_filter(rng.normal(size=(9, 14, 12)), 2) > 0 for _ in range(2)]
    rims = [np.argwhere(m & ~ndimage.binary_erosion(np.pad(m, 1))[1:-1, 1:-1, 1:-1]) * SPACING for m in masks]
    between = cdist(*rims)
    expected = max(np.percentile(between.min(axis=0), 95), np.percentile(between.min(axis=1), 95))
    assert hausdorff95_mm(*masks, SPACING) == pytest.approx(expected)


def test_one_stray_voxel_moves_hausdorff_but_not_its_95th_percentile(two_bones):
    """That is what the second number is for."""
    bone = two_bones[1]
    stray = bone.copy()
    stray[0, 0, 0] = True
    assert hausdorff_mm(stray, bone, SPACING) > 10
    assert hausdorff95_mm(stray, bone, SPACING) == 0
    assert hausdorff_mm(bone, bone, SPACING) == 0


def test_empty_masks_have_defined_scores():
    """One failed structure must not turn the mean of a table into NaN, nor count as perfect."""
    empty, full = np.zeros((4, 4, 4), dtype=bool), np.ones((4, 4, 4), dtype=bool)
    assert (dice(empty, empty), iou(empty, empty), dice(empty, full), iou(full, empty)) == (1, 1, 0, 0)
    for distance in (hausdorff_mm, hausdorff95_mm):
        assert distance(empty, empty, SPACING) == 0
        assert distance(empty, full, SPACING) == distance(full, empty, SPACING) == math.inf


def test_masks_of_two_grids_are_refused():
    """numpy would broadcast some shapes and score nonsense."""
    with pytest.raises(InputError, match="cannot be compared"):
        dice(np.ones((4, 4, 4)), np.ones((1, 4, 4)))
