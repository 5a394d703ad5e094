"""The slice views: at an angle to the CT, or not there."""

from SAM2VolumeSegLib.volume import Plane


def test_views_at_an_angle_are_told_and_turned(a_panel, a_painted_scene, a_desktop):
    slicer = a_desktop.slicer
    a_painted_scene.volume.SetIJKToRASDirections(1, 0, 0, 0, 0.9, -0.436, 0, 0.436, 0.9)
    a_panel.views.update()
    assert a_panel.ui.rotateViewsButton.visible and "angle" in a_panel.ui.viewsLabel.text
    a_panel.ui.rotateViewsButton.click()
    assert not a_panel.ui.rotateViewsButton.visible
    assert slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode") is not None and a_desktop.errors == []


def test_a_view_that_somebody_else_turns_is_noticed(a_panel, a_desktop, stand_in):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert not a_panel.ui.viewsLabel.visible
    matrix = red.GetSliceToRAS()
    matrix.SetElement(1, 2, 0.3)
    red.UpdateMatrices()
    red.Modified()
    stand_in.process_events(2)
    assert a_panel.ui.viewsLabel.visible and "angle" in a_panel.ui.viewsLabel.text
    red.SetOrientation("Axial")
    stand_in.process_events(2)
    assert not a_panel.ui.viewsLabel.visible


def test_a_view_that_shows_no_slice_of_the_ct_is_told(a_panel, a_desktop):
    a_desktop.slicer.mrmlScene.RemoveNode(a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode"))
    a_panel.ui.absentButton.click()
    assert "no such slice view" in a_desktop.errors[0]
    a_panel.views.goTo(Plane.AXIAL, 3)
    assert "No view shows axial" in a_desktop.errors[1]
