"""Painted slices found in real segmentation nodes, whatever their layout, grid and parent transforms."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.scene import (
    is_on_slice,
    mask_from_segment,
    masks_from_segments,
    seeds_from_segmentation,
    segment_names,
    volume_from_node,
)
from SAM2VolumeSegLib.seeds import find_seeds, paint_seeds
from SAM2VolumeSegLib.volume import Plane


def found(seeds):
    return [(seed.plane, seed.index, seed.mask.tolist()) for seed in seeds]


def test_seeds_are_those_of_the_painted_mask(nodes, cross, geometry, transforms):
    """Wrong here, and the model is shown a structure where there is none."""
    ct, segmentation = nodes.case(geometry, transforms)
    nodes.paint(segmentation, "id_bone", cross, ct)
    before = nodes.ids()
    seeds = seeds_from_segmentation(segmentation, ct)
    volume = volume_from_node(ct)
    assert found(seeds["id_bone"]) == found(find_seeds(cross, volume))
    np.testing.assert_array_equal(paint_seeds(seeds["id_bone"], volume), cross)
    assert nodes.ids() == before  # a temporary node would make the Data tree flicker at each stroke


def test_segments_in_one_layer_are_kept_apart(nodes, shapes):
    """Segmentations loaded from files share a labelmap: a neighbour must not become a seed."""
    ct, segmentation = nodes.case(names=("a", "b", "empty"))
    nodes.paint(segmentation, "id_a", shapes.ball, ct)
    nodes.paint(segmentation, "id_b", shapes.apart, ct)
    segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_a", ct), shapes.ball)
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_b", ct), shapes.apart)
    assert list(seeds_from_segmentation(segmentation, ct)) == ["id_a", "id_b"]
    assert segment_names(segmentation) == {"id_a": "a", "id_b": "b", "id_empty": "empty"}


def test_overlapping_segments_are_both_whole(nodes, shapes):
    ct, segmentation = nodes.case(names=("a", "b"))
    nodes.paint(segmentation, "id_a", shapes.ball, ct)
    nodes.paint(segmentation, "id_b", shapes.overlapping, ct)
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_a", ct), shapes.ball)
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_b", ct), shapes.overlapping)


def test_a_hidden_segment_has_its_seeds(nodes, cross):
    """Users hide a segment to see the bone below it; it is painted all the same."""
    ct, segmentation = nodes.case()
    nodes.paint(segmentation, "id_bone", cross, ct)
    segmentation.GetDisplayNode().SetSegmentVisibility("id_bone", False)
    segmentation.SetDisplayVisibility(False)
    assert len(seeds_from_segmentation(segmentation, ct)["id_bone"]) == 3


def test_named_segments_alone_and_a_gone_one_refused(nodes, cross, shapes):
    ct, segmentation = nodes.case(names=("a", "b"))
    nodes.paint(segmentation, "id_a", cross, ct)
    nodes.paint(segmentation, "id_b", shapes.apart, ct)
    assert list(seeds_from_segmentation(segmentation, ct, ["id_b"])) == ["id_b"]
    with pytest.raises(InputError, match='no segment "id_c"'):
        seeds_from_segmentation(segmentation, ct, ["id_c"])


def test_nothing_painted_gives_no_seeds(nodes):
    ct, segmentation = nodes.case()
    assert seeds_from_segmentation(segmentation, ct) == {}
    segmentation.GetSegmentation().RemoveAllSegments()
    assert seeds_from_segmentation(segmentation, ct) == {}


def test_surfaces_are_converted_only_when_the_user_agreed(nodes, shapes):
    ct, segmentation = nodes.case("RAS")
    nodes.paint(segmentation, "id_bone", shapes.ball, ct)
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationToClosedSurface()
    segmentation.RemoveBinaryLabelmapRepresentation()
    with pytest.raises(InputError, match="surfaces.*Convert"):
        seeds_from_segmentation(segmentation, ct)
    assert not segmentation.GetSegmentation().ContainsRepresentation("Binary labelmap")
    (seeds,) = seeds_from_segmentation(segmentation, ct, convert=True).values()
    painted = paint_seeds(seeds, volume_from_node(ct))
    overlap = 2 * np.count_nonzero(painted & shapes.ball) / (np.count_nonzero(painted) + np.count_nonzero(shapes.ball))
    assert overlap > 0.9  # the surface is smoothed
    assert segmentation.GetSegmentation().GetSourceRepresentationName() == "Binary labelmap"


def test_a_grid_stored_in_another_order_gives_the_same_mask(nodes, cross):
    """An atlas or a second reading of the series can be stored PIR where the CT is LPS."""
    ct, segmentation = nodes.case("oblique")
    matrix = nodes.matrix(ct)
    stored = cross.transpose(1, 2, 0)[:, ::-1]  # k, j, i hold j, i (reversed), k
    turned = np.eye(4)
    turned[:3, 0], turned[:3, 1], turned[:3, 2] = matrix[:3, 2], -matrix[:3, 0], matrix[:3, 1]
    turned[:3, 3] = (matrix @ [cross.shape[2] - 1, 0, 0, 1])[:3]
    nodes.paint_image(segmentation, "id_bone", nodes.image(stored, turned))
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_bone", ct), cross)
    np.testing.assert_array_equal(nodes.mask(segmentation, "id_bone", ct), cross)


def test_a_coarser_grid_is_read_as_slicer_reads_it(nodes, shapes):
    ct, segmentation = nodes.case("oblique")
    coarse = nodes.matrix(ct) @ np.diag([2.0, 2, 2, 1])
    coarse[:3, 3] = (nodes.matrix(ct) @ [0.4, 0.5, 0.45, 1])[:3]
    nodes.paint_image(segmentation, "id_bone", nodes.image(shapes.ball[::2, ::2, ::2], coarse))
    expected = nodes.mask(segmentation, "id_bone", ct)
    assert expected.any()
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_bone", ct), expected)


@pytest.mark.parametrize("layer", range(6, 12))
def test_one_thin_painted_layer_is_not_lost_between_two_slices(nodes, layer):
    """With oversampled segmentations (thin bones) half of the painted slices would silently be no seeds."""
    ct, segmentation = nodes.case("LPS")
    fine = nodes.matrix(ct) @ np.diag([1 / 3, 1 / 3, 1 / 3, 1])
    mask = np.zeros(tuple(3 * n for n in (11, 13, 17)), dtype=bool)
    mask[layer, 9:27, 12:36] = True
    nodes.paint_image(segmentation, "id_bone", nodes.image(mask, fine))
    read = mask_from_segment(segmentation, "id_bone", ct)
    slices = np.flatnonzero(read.any(axis=(1, 2)))
    assert slices.tolist() == [int(np.floor(layer / 3 + 0.5))]
    # as large as painted: 18 x 24 fine voxels are 6 x 8 of the CT's
    assert abs(np.count_nonzero(read) - 48) <= 14


def test_a_cropped_grid_with_paint_beyond_the_ct_gives_what_lies_in_it(nodes):
    ct, segmentation = nodes.case("PIR")
    shifted = nodes.matrix(ct)
    shifted[:3, 3] = (shifted @ [-5, 0, 0, 1])[:3]
    mask = np.zeros((11, 13, 17), dtype=bool)
    mask[4, 3:9, :] = True
    nodes.paint_image(segmentation, "id_bone", nodes.image(mask, shifted))
    expected = np.zeros_like(mask)
    expected[4, 3:9, :12] = True
    np.testing.assert_array_equal(mask_from_segment(segmentation, "id_bone", ct), expected)


def test_paint_beside_the_ct_is_said(nodes, cross):
    """The wrong CT chosen: without a word there would just be no seeds."""
    ct, segmentation = nodes.case()
    nodes.paint(segmentation, "id_bone", cross, ct)
    far = nodes.geometries["LPS"].copy()
    far[0, 3] += 500
    with pytest.raises(InputError, match='"bone" is painted beside "Other CT"'):
        seeds_from_segmentation(segmentation, nodes.ct(geometry=far, name="Other CT"))


def test_a_grid_turned_against_the_ct_is_refused(nodes, cross):
    """What was painted on the slices of one CT is no slice of the other."""
    ct, segmentation = nodes.case("LPS")
    nodes.paint(segmentation, "id_bone", cross, ct)
    other = nodes.ct(geometry=nodes.geometries["oblique"], name="Other CT")
    with pytest.raises(InputError, match='turned against "Other CT"'):
        seeds_from_segmentation(segmentation, other)


@pytest.mark.parametrize("which", ["CT", "Segmentation"])
@pytest.mark.parametrize("how", ["turned", "pushed"])
def test_what_is_moved_after_painting_can_be_put_together_again_as_the_message_says(nodes, cross, how, which):
    """It said "paint it anew", which failed again; and a CT that was pushed had its seeds on other bones, unseen."""
    ct, segmentation = nodes.case("LPS")
    nodes.paint(segmentation, "id_bone", cross, ct)
    expected = seeds_from_segmentation(segmentation, ct)
    move = nodes.ct_move.copy()
    if how == "pushed":
        move[:3, :3] = np.eye(3)
    transform = nodes.transform(move)
    moved, other = (ct, segmentation) if which == "CT" else (segmentation, ct)
    moved.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(InputError, match=f'"{which}" was moved by the transform "move" after') as refused:
        seeds_from_segmentation(segmentation, ct)
    if which == "CT":
        assert 'drag "Segmentation" onto "move"' in str(refused.value)
        other.SetAndObserveTransformNodeID(transform.GetID())
    else:
        assert 'transform of "Segmentation", and choose None' in str(refused.value)
        moved.SetAndObserveTransformNodeID(None)
    found = seeds_from_segmentation(segmentation, ct)
    assert [(seed.plane, seed.index) for seed in found["id_bone"]] == [
        (seed.plane, seed.index) for seed in expected["id_bone"]
    ]


def test_segments_are_masks_by_name_and_those_that_are_gone_are_left_out(nodes, shapes, geometry, transforms):
    ct, segmentation = nodes.case(geometry, transforms, names=("a", "empty"))
    nodes.paint(segmentation, "id_a", shapes.ball, ct)
    masks = masks_from_segments(segmentation, {"id_a": "L3", "id_empty": "L4", "id_gone": "L5"}, ct)
    assert list(masks) == ["L3", "L4"] and not masks["L4"].inside.any()
    np.testing.assert_array_equal(masks["L3"].whole(), shapes.ball)


def test_it_is_known_whether_a_segment_is_on_a_slice(nodes, shapes, geometry):
    ct, segmentation = nodes.case(geometry)
    nodes.paint(segmentation, "id_bone", shapes.ball, ct)
    view = volume_from_node(ct).view(Plane.CORONAL)
    for index in range(view.count):
        wanted = view.slice(shapes.ball, index).any()
        assert is_on_slice(segmentation, "id_bone", ct, Plane.CORONAL, index) == wanted
    with pytest.raises(InputError, match="has no coronal slice"):
        is_on_slice(segmentation, "id_bone", ct, Plane.CORONAL, view.count)
