"""The slice views: which one buttons act on, at an angle to the CT, or not there."""

from types import SimpleNamespace

import pytest

from SAM2VolumeSegLib.panel.hint import NO_VIEWS
from SAM2VolumeSegLib.volume import Plane


def test_views_at_an_angle_are_all_told_and_turned(a_panel, a_painted_scene, a_desktop, stand_in):
    a_painted_scene.volume.SetIJKToRASDirections(1, 0, 0, 0, 0.9, -0.436, 0, 0.436, 0.9)
    stand_in.process_events(2)
    assert a_panel.ui.hintBar.visible and "Red, Green lie at an angle" in a_panel.ui.hintLabel.text
    assert a_panel.ui.hintButton.text == "Turn the views to the CT"
    a_panel.ui.hintButton.click()
    assert "angle" not in a_panel.ui.hintLabel.text or not a_panel.ui.hintBar.visible
    assert a_desktop.errors == a_desktop.told == []


def test_a_view_that_somebody_else_turns_is_noticed(a_panel, a_desktop, stand_in):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert not a_panel.ui.hintBar.visible
    matrix = red.GetSliceToRAS()
    matrix.SetElement(1, 2, 0.3)
    red.UpdateMatrices()
    red.Modified()
    stand_in.process_events(2)
    assert a_panel.ui.hintBar.visible and "view Red lies at an angle" in a_panel.ui.hintLabel.text
    red.SetOrientation("Axial")
    stand_in.process_events(2)
    assert not a_panel.ui.hintBar.visible


def test_a_plane_that_no_view_shows_is_told(a_panel, a_desktop):
    a_desktop.slicer.mrmlScene.RemoveNode(a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode"))
    a_panel.views.goTo(Plane.AXIAL, 3)
    assert "No view shows axial" in a_desktop.told[0]


def test_buttons_act_on_the_view_that_the_mouse_was_in_last(a_panel, some_views, stand_in):
    """On the way to the button the mouse leaves the view."""
    assert a_panel.views.shownSlice()[0] is Plane.AXIAL
    for name, plane in (("Yellow", Plane.SAGITTAL), ("Green", Plane.CORONAL)):
        some_views.point_at(name)
        some_views.point_at(None)
        assert a_panel.views.shownSlice()[0] is plane and a_panel.views.shown()[0][0] is plane
        assert a_panel.seeds.advice.next[0] is plane  # both planes have no painted slice yet


def test_the_line_of_the_slice_in_sight_is_marked(a_panel, a_painted_scene, a_desktop, stand_in):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    for offset, row in ((14.0, 1), (24.0, 2), (20.0, -1)):
        red.SetSliceOffset(offset)
        stand_in.process_events(2)
        assert a_panel.ui.seedsTable.currentRow() == row
        assert abs(red.GetSliceOffset() - offset) < 1e-6  # marking a line moves no view


def test_a_slice_that_was_gone_to_is_what_buttons_act_on(a_panel, a_painted_scene, some_views, stand_in, a_desktop):
    """By a key in the table, too: the mark must not jump back to what another view shows."""
    a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(14.0)
    some_views.point_at("Red")
    mask = a_painted_scene.bone.copy()
    mask[:, [n for n in range(20) if n != 9]] = False
    mask |= (
        a_desktop.slicer.util.arrayFromSegmentBinaryLabelmap(a_painted_scene.painted, "bone", a_painted_scene.volume)
        > 0
    )
    a_desktop.slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.astype("uint8"), a_painted_scene.painted, "bone", a_painted_scene.volume
    )
    stand_in.process_events(2)
    table = a_panel.ui.seedsTable
    assert [row[1] for row in table.texts()] == ["axial"] * 3 + ["coronal"]
    table.setCurrentCell(3, 1)
    stand_in.process_events(2)
    assert table.currentRow() == 3 and a_panel.views.shownSlice() == (Plane.CORONAL, 9)
    some_views.point_at("Red")
    assert table.currentRow() == 1


@pytest.fixture
def a_layout(a_desktop, a_panel, monkeypatch, stand_in):
    """A window; set shows these views and no others."""
    slicer, chosen = a_desktop.slicer, []
    manager = SimpleNamespace(setLayout=chosen.append)
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager)

    def show(*names):
        for name in ("Red", "Green", "Yellow"):
            slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode").SetMappedInLayout(name in names)
        stand_in.process_events(2)
        a_panel.state.viewChanged.emit()

    return SimpleNamespace(set=show, chosen=chosen)


def test_a_layout_without_slice_views_is_told_wherever_something_would_do_nothing(
    a_panel, a_desktop, a_layout, stand_in
):
    a_layout.set()
    assert a_panel.ui.hintLabel.text == NO_VIEWS.sentence
    a_panel.ui.seedsTable.setCurrentCell(1, 1)
    a_panel.ui.absentButton.click()
    assert a_desktop.told[0] == NO_VIEWS.sentence and "no slice view" in a_desktop.told[1]
    a_panel.ui.showWindowCheckBox.click()
    stand_in.process_events(3)
    assert NO_VIEWS.sentence in a_panel.ui.previewLabel.text
    a_panel.ui.hintButton.click()
    assert a_layout.chosen == [a_desktop.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView]


def test_a_view_that_the_layout_hides_is_not_judged(a_panel, a_desktop, a_layout):
    a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(14.0)
    a_layout.set("Yellow")
    assert a_panel.views.shownSlice()[0] is Plane.SAGITTAL
    assert a_panel.ui.seedsTable.currentRow() == -1
