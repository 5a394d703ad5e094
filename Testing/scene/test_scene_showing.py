"""What is seen: filled, as an outline, or not; and where the 3D views look."""

import numpy as np
import pytest

from SAM2VolumeSegLib.scene import centre_3d, empty_like, is_label_volume, label_volumes, segmentation_from_labels, show


@pytest.fixture
def painted(nodes):
    """A segmentation with a box of voxels, on a CT that lies under no transform."""
    ct, segmentation = nodes.case()
    mask = np.zeros(nodes.shape, bool)
    mask[4:8, 3:9, 5:12] = True
    nodes.paint(segmentation, "id_bone", mask, ct)
    return segmentation


def test_an_outline_can_be_told_from_a_fill_and_goes_without_a_trace(painted):
    display = painted.GetDisplayNode()
    own = display.GetVisibility3D(), display.GetVisibility2DFill(), display.GetSliceIntersectionThickness()
    color = painted.GetSegmentation().GetSegment("id_bone").GetColor()
    show(painted, True, outline=True)
    assert (display.GetVisibility3D(), display.GetVisibility2DFill(), display.GetVisibility()) == (0, 0, 1)
    assert tuple(display.GetSegmentOverrideColor("id_bone")) != color
    show(painted, False)
    assert not display.GetVisibility()
    assert own == (display.GetVisibility3D(), display.GetVisibility2DFill(), display.GetSliceIntersectionThickness())
    assert display.GetSegmentOverrideColor("id_bone")[0] < 0  # none
    assert painted.GetSegmentation().GetSegment("id_bone").GetColor() == color


def test_what_the_user_has_set_stays_while_a_segmentation_is_shown_and_hidden(painted):
    """Slicer keeps fill, outline and opacity for each segmentation; only an outline of ours changes them."""
    display = painted.GetDisplayNode()
    display.SetVisibility2DFill(False)
    for visible in (False, True):
        show(painted, visible)
        assert display.GetVisibility() == visible and not display.GetVisibility2DFill()


def test_a_segmentation_without_a_display_gets_one_and_none_is_no_error(nodes):
    node = nodes.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    show(node, True)
    assert node.GetDisplayNode().GetVisibility()
    show(None, True)


def test_3d_views_look_at_the_whole_of_a_segmentation_from_where_they_were(nodes, painted):
    camera = nodes.scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetPosition(0, 500, 0)
    camera.SetFocalPoint(0, 0, 0)
    centre_3d(painted)
    bounds = [0.0] * 6
    painted.GetRASBounds(bounds)
    lower, upper = np.array(bounds[::2]), np.array(bounds[1::2])
    np.testing.assert_allclose(camera.GetFocalPoint(), (lower + upper) / 2, atol=1e-9)  # the same sum in double
    away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    np.testing.assert_allclose(away / np.linalg.norm(away), (0, 1, 0), atol=1e-9)
    angle = 2 * np.degrees(np.arcsin(np.linalg.norm(upper - lower) / 2 / np.linalg.norm(away)))
    assert 0.7 * camera.GetViewAngle() < angle < camera.GetViewAngle()  # as large as it can be, and all of it
    before = camera.GetPosition()
    centre_3d(nodes.scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))  # empty
    assert camera.GetPosition() == before


# --------------------------------------------------------------------------------------------------------------- labels


def test_a_ct_is_not_taken_for_labels_and_a_mask_that_slicer_loads_as_a_scan_is(nodes):
    ct = nodes.ct()
    mask = np.zeros(nodes.shape, np.int16)
    mask[4:8, 3:9, 5:12] = 2
    assert not is_label_volume(ct) and is_label_volume(nodes.ct(mask))
    assert not is_label_volume(nodes.ct((np.arange(mask.size).reshape(mask.shape) % 251).astype(np.uint8)))  # 8 bits
    assert not is_label_volume(nodes.ct(np.zeros(nodes.shape, np.int16)))  # empty
    assert not is_label_volume(nodes.ct(mask * np.float32(0.3)))
    assert not is_label_volume(nodes.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_labels_become_segments_where_they_lie_also_under_a_transform(nodes):
    """Slicer's own import applies the difference of transforms twice."""
    mask = np.zeros(nodes.shape, np.int16)
    mask[4:8, 3:9, 5:12], mask[1:3, 1:3, 1:3] = 2, 7
    label = nodes.ct(mask, geometry=nodes.geometries["oblique"], move=nodes.ct_move, name="Teeth")
    assert label_volumes() == [label]
    node = segmentation_from_labels(label)
    assert node.GetName() == "Teeth" and label_volumes() == []  # not offered twice
    for value in (2, 7):
        assert np.array_equal(nodes.mask(node, f"label_{value}", label), mask == value)


def test_corrections_have_the_segments_and_nothing_in_them(nodes, painted):
    ct = nodes.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    node = empty_like(painted, ct, "Corrections")
    source, own = (each.GetSegmentation().GetSegment("id_bone") for each in (painted, node))
    assert (own.GetName(), own.GetColor()) == (source.GetName(), source.GetColor())
    assert not nodes.mask(node, "id_bone", ct).any() and nodes.mask(painted, "id_bone", ct).any()
