"""Dice, IoU, Hausdorff and volumes: equal to brute force on small masks, defined where masks are empty."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_pairs import two_masks
from scipy import ndimage
from scipy.spatial.distance import cdist

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.measures.metrics import (
    METRICS,
    Measured,
    contact_dice,
    dice,
    hausdorff95_mm,
    hausdorff_mm,
    iou,
    swapped_percent,
    unprompted_dice,
    volume_difference_ml,
)

SPACING = (3.0, 0.7, 1.1)  # mm along k, j, i


@pytest.fixture(scope="module")
def two_bones(a_ct_labels):
    """A real vertebra, and the same moved and eroded."""
    bone = a_ct_labels == 22
    return np.roll(ndimage.binary_erosion(bone), (1, 2, -1), axis=(0, 1, 2)), bone


spacings = st.tuples(*[st.floats(0.3, 5.0)] * 3)


@given(two_masks())
def test_overlap_is_the_papers_formula(masks):
    """Tables of this project are laid beside the paper's."""
    result, reference = masks
    both, either = (result & reference).sum(), (result | reference).sum()
    assert dice(result, reference) == pytest.approx(2 * both / (result.sum() + reference.sum()))
    assert iou(result, reference) == pytest.approx(both / either)


@given(two_masks(), spacings)
def test_hausdorff_is_that_of_all_pairs_of_voxels(masks, spacing):
    """Swapped spacings change the distance on any grid that is not cubic."""
    between = cdist(*(np.argwhere(mask) * spacing for mask in masks))
    expected = max(between.min(axis=0).max(), between.min(axis=1).max())
    assert hausdorff_mm(*masks, spacing) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert hausdorff_mm(*masks[::-1], spacing) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(two_masks(), spacings)
def test_hausdorff_95_is_the_percentile_of_all_surface_distances(masks, spacing):
    """A mask that fills the volume has its surface at the border."""
    rims = [np.argwhere(m & ~ndimage.binary_erosion(np.pad(m, 1))[1:-1, 1:-1, 1:-1]) * spacing for m in masks]
    between = cdist(*rims)
    expected = max(np.percentile(between.min(axis=0), 95), np.percentile(between.min(axis=1), 95))
    assert hausdorff95_mm(*masks, spacing) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_far_from_the_border_nothing_changes(two_bones):
    """Masks are cut to their common box, because a CT is a hundred times larger than a bone."""
    inside = [np.pad(mask, 5) for mask in two_bones]
    for distance in (hausdorff_mm, hausdorff95_mm):
        assert distance(*inside, SPACING) == pytest.approx(distance(*two_bones, SPACING))
        assert 1 < distance(*inside, SPACING) < 10
    assert dice(*inside) == dice(*two_bones)


def test_what_was_given_does_not_count_as_found():
    """A prompted slice is right by definition; with many of them a poor method looks good."""
    reference = np.zeros((6, 4, 4), dtype=bool)
    reference[1:5] = True
    prompted = np.zeros_like(reference)
    prompted[[1, 4]] = True
    result = reference & prompted
    result[0] = True
    assert unprompted_dice(result, reference, prompted) == 0 < dice(result, reference)
    result[2] = True
    assert unprompted_dice(result, reference, prompted) == pytest.approx(2 * 16 / (32 + 32))
    assert unprompted_dice(reference, reference, np.ones_like(reference)) == 1


def test_the_volume_difference_is_signed_and_in_ml():
    """A method that always gives too little must not look unbiased."""
    small, large = np.zeros((10, 10, 10), dtype=bool), np.ones((10, 10, 10), dtype=bool)
    small[:5] = True
    assert volume_difference_ml(small, large, (2.0, 1.0, 0.5)) == pytest.approx(-0.5)
    assert volume_difference_ml(large, small, (2.0, 1.0, 0.5)) == pytest.approx(0.5)


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


@pytest.fixture
def two_neighbours():
    """Two blocks of 20 x 6 x 6 mm side by side along k with 2 mm between them, voxels of 2 x 1 x 1 mm."""
    masks = np.zeros((2, 24, 12, 12), bool)
    masks[0, 1:11, 3:9, 3:9] = masks[1, 12:22, 3:9, 3:9] = True
    return masks


def test_the_contact_zone_is_where_the_neighbour_is_near(two_neighbours):
    """A fault at the far end does not count, one beside the neighbour does."""
    spacing, (one, other) = (2.0, 1.0, 1.0), two_neighbours
    assert contact_dice(one, one, other, spacing) == 1
    far, near = one.copy(), one.copy()
    far[1], near[10] = False, False
    assert contact_dice(far, one, other, spacing) == 1
    # Slice 12 is the neighbour's first, 4 mm from slice 10: that one is all of the reference in the zone.
    assert contact_dice(near, one, other, spacing) == 0
    far_off = np.zeros_like(one)
    far_off[-1] = True
    assert math.isnan(contact_dice(one, one, far_off, spacing)) and math.isnan(contact_dice(one, one, None, spacing))


def test_swapped_voxels_are_those_of_neighbours_alone(two_neighbours):
    """Too much is one fault, too much in the neighbour another: only that one moves a fragment to the wrong bone."""
    one, other = two_neighbours
    result = one.copy()
    result[11] = True  # nobody's
    assert swapped_percent(result, one, other) == 0
    result[12, 3:9, 3:9] = True
    assert swapped_percent(result, one, other) == pytest.approx(10)
    assert math.isnan(swapped_percent(result, one, None))


def test_without_neighbours_there_is_no_figure_of_contact(two_neighbours):
    one, other = two_neighbours
    for name in ("contact_dice", "swapped_percent"):
        assert METRICS[name].of(Measured(one, one)) is None
        assert METRICS[name].of(Measured(one, one, (2.0, 1.0, 1.0), neighbours=other)) is not None
