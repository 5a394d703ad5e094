"""Colours over the CT and on surfaces: at the right place, read by everybody, and gone without a trace."""

from types import SimpleNamespace

import numpy as np
import pytest
import vtk.util.numpy_support

from SAM2VolumeSegLib.scene import Overlay, Scale, restore_views, volume_from_node
from SAM2VolumeSegLib.scene.overlay import surface_of
from SAM2VolumeSegLib.volume import Box

SCALE = Scale("Chance of an error (%)", ((0, 0, 100), (100, 100, 100), (255, 255, 0)), 0.0, 100.0, 10.0)
BOX = Box((0, 1, 2), (11, 12, 13))


@pytest.fixture
def make(nodes, shapes):
    """Makes a ball whose one half (low i) is likely wrong, and one view of it that has a foreground of its own."""
    made = []

    def make(geometry="LPS", transforms="no transform"):
        ct, segmentation = nodes.case(geometry, transforms)
        nodes.paint(segmentation, "id_bone", shapes.ball, ct)
        view = nodes.scene.AddNewNodeByClass("vtkMRMLSliceNode", "view")
        view.SetLayoutName("view")
        composite = nodes.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "view")
        composite.SetLayoutName("view")
        made.extend((view, composite))
        other = nodes.ct(name="PET")
        composite.SetBackgroundVolumeID(ct.GetID())
        composite.SetForegroundVolumeID(other.GetID())
        composite.SetForegroundOpacity(0.25)
        values = np.zeros(BOX.shape, np.uint8)
        values[:, :, : 7 - BOX.lower[2]] = 80
        volume = volume_from_node(ct)
        return SimpleNamespace(
            ct=ct, segmentation=segmentation, composite=composite, other=other, volume=volume, values=values
        )

    yield make
    for node in made:  # views are singletons: clearing the scene keeps them
        nodes.scene.RemoveNode(node)


def test_numbers_lie_on_their_voxels_and_go_without_a_trace(nodes, make, geometry, transforms):
    shown = make(geometry, transforms)
    before, overlay = nodes.ids(), Overlay(SCALE)
    overlay.show_in_slices(shown.ct, shown.volume, BOX, shown.values)
    node = nodes.scene.GetNodeByID(shown.composite.GetForegroundVolumeID())
    matrix = nodes.matrix(node)
    corner = matrix @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner, shown.volume.ijk_to_ras @ [*BOX.lower[::-1], 1], atol=1e-9)
    np.testing.assert_array_equal(nodes.slicer.util.arrayFromVolume(node), shown.values)
    display = node.GetDisplayNode()
    assert (display.GetLowerThreshold(), display.GetApplyThreshold()) == (10, 1)  # what is sure is not coloured
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 100)
    made = [nodes.scene.GetNodeByID(name) for name in nodes.ids() - before]
    assert {each.GetClassName() for each in made} == {
        "vtkMRMLScalarVolumeNode",
        "vtkMRMLScalarVolumeDisplayNode",
        "vtkMRMLColorTableNode",
        "vtkMRMLColorLegendDisplayNode",
    }
    assert not any(each.GetSaveWithScene() for each in made)
    overlay.hide()
    assert nodes.ids() == before and not overlay.is_shown
    assert shown.composite.GetForegroundVolumeID() == shown.other.GetID()
    assert shown.composite.GetForegroundOpacity() == 0.25


def test_the_surface_has_the_colour_of_its_voxels_and_the_segmentation_is_left_alone(nodes, make, geometry, transforms):
    shown = make(geometry, transforms)
    before, overlay, segmentation = nodes.ids(), Overlay(SCALE), shown.segmentation.GetSegmentation()
    overlay.show_on_surface(shown.segmentation, [("id_bone", BOX, shown.values)], shown.volume)
    model = next(nodes.scene.GetNodeByID(name) for name in nodes.ids() - before if "ModelNode" in name)
    points = vtk.util.numpy_support.vtk_to_numpy(model.GetPolyData().GetPoints().GetData())
    values = vtk.util.numpy_support.vtk_to_numpy(model.GetPolyData().GetPointData().GetScalars())
    i = (points @ np.linalg.inv(shown.volume.ijk_to_ras)[:3, :3].T)[:, 0]
    i += np.linalg.inv(shown.volume.ijk_to_ras)[0, 3]
    assert (values[i < 5.9] > 79).all() and (values[i > 7.1] < 1).all() and (i < 5.9).any() and (i > 7.1).any()
    display = model.GetDisplayNode()
    assert display.GetScalarVisibility() and display.GetScalarRange() == (0, 100) and not display.GetVisibility2D()
    table = display.GetColorNode()
    color = [0.0] * 4
    assert table.GetNumberOfColors() == 256 and table.GetColor(255, color) and color[:3] == [1, 1, 0]
    legends = [model.GetNthDisplayNode(n) for n in range(model.GetNumberOfDisplayNodes())]
    assert [each.GetTitleText() for each in legends if each.IsA("vtkMRMLColorLegendDisplayNode")] == [SCALE.title]
    names = {segmentation.GetNthSegment(0).GetName()}
    assert names == {"bone"} and not segmentation.ContainsRepresentation("Closed surface")  # no trace in the node
    overlay.hide()
    assert nodes.ids() == before


def test_a_surface_is_where_the_segment_is(shapes, make, geometry, transforms):
    shown = make(geometry, transforms)
    points = vtk.util.numpy_support.vtk_to_numpy(surface_of(shown.segmentation, "id_bone").GetPoints().GetData())
    k, j, i = (index.mean() for index in np.nonzero(shapes.ball))
    centre = (shown.volume.ijk_to_ras @ [i, j, k, 1])[:3]
    assert np.abs((points.max(axis=0) + points.min(axis=0)) / 2 - centre).max() < min(shown.volume.spacing)


def test_a_view_that_is_opened_later_gets_it_and_what_the_user_puts_in_front_stays(nodes, make):
    shown, overlay = make(), Overlay(SCALE)
    overlay.show_in_slices(shown.ct, shown.volume, BOX, shown.values)
    shown.composite.SetForegroundVolumeID(shown.other.GetID())
    view = nodes.scene.AddNewNodeByClass("vtkMRMLSliceNode", "later")
    view.SetLayoutName("later")
    composite = nodes.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "later")
    composite.SetLayoutName("later")
    composite.SetBackgroundVolumeID(shown.ct.GetID())
    overlay.follow_views()
    assert composite.GetForegroundVolumeID() and shown.composite.GetForegroundVolumeID() == shown.other.GetID()
    overlay.hide()
    assert composite.GetForegroundVolumeID() is None and shown.composite.GetForegroundVolumeID() == shown.other.GetID()
    for node in (view, composite):
        nodes.scene.RemoveNode(node)


def test_a_scene_that_is_saved_meanwhile_does_not_hold_it(nodes, make, tmp_path):
    shown, overlay = make(), Overlay(SCALE)
    overlay.show_in_slices(shown.ct, shown.volume, BOX, shown.values)
    overlay.show_on_surface(shown.segmentation, [("id_bone", BOX, shown.values)], shown.volume)
    nodes.save_and_load(tmp_path, shown.ct, shown.segmentation, shown.other)
    restore_views(nodes.scene)
    text = (tmp_path / "scene.mrml").read_text()
    assert SCALE.title not in text and "ColorLegend" not in text and "<Model" not in text
    overlay.hide()
