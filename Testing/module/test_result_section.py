"""What is seen after a run: one result, painted slices when asked for, and another one as an outline."""

import pytest

from SAM2VolumeSegLib.panel import choices as ch


@pytest.fixture
def a_result(a_panel, a_painted_scene, run_to_end):
    run_to_end()
    return a_panel.state.parameters.result


def look(node):
    """(seen, filled, in 3D) of a segmentation."""
    display = node.GetDisplayNode()
    return display.GetVisibility(), bool(display.GetVisibility2DFill()), bool(display.GetVisibility3D())


HIDDEN = 0


def test_after_a_run_the_result_is_seen_alone_and_named_by_its_preset(a_panel, a_painted_scene, a_result):
    ui = a_panel.ui
    assert a_result.GetName() == "Painted (Changed)"  # the fixture has chosen forward alone
    assert look(a_result) == (1, True, True) and look(a_painted_scene.painted)[0] == HIDDEN
    assert (ui.showResultCheckBox.checked, ui.showPaintedCheckBox.checked) == (True, False)
    ui.showPaintedCheckBox.click()
    assert look(a_painted_scene.painted)[0] == 1 and look(a_result)[0] == 1
    ui.showResultCheckBox.click()
    assert look(a_result)[0] == HIDDEN


def test_the_result_before_is_kept_as_an_outline_to_compare(a_panel, a_result, run_to_end):
    run_to_end()
    p = a_panel.state.parameters
    assert p.result is not a_result and p.result.GetName() == "Painted (Changed) 2"
    assert p.compared is a_result and look(a_result)[0] == HIDDEN
    a_panel.ui.showComparedCheckBox.click()
    assert look(a_result) == (1, False, False)  # a line, and not a second body in 3D
    colour = a_result.GetDisplayNode().GetSegmentOverrideColor("bone")
    assert tuple(colour) == (1.0, 1.0, 0.0)
    run_to_end()
    assert look(a_result)[0] == HIDDEN and p.compared is not a_result  # a third run compares with the second


def test_a_reference_of_the_users_stays_what_is_compared(a_panel, a_painted_scene, a_desktop, a_result, run_to_end):
    reference = a_desktop.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Reference")
    reference.GetSegmentation().AddEmptySegment("bone", "Bone", [0.9, 0.8, 0.6])
    a_panel.ui.comparedComboBox.setCurrentNode(reference)
    a_panel.ui.showComparedCheckBox.click()
    assert look(reference) == (1, False, False)
    run_to_end()
    assert a_panel.state.parameters.compared is reference and look(a_result)[0] == HIDDEN
    a_panel.ui.comparedComboBox.setCurrentNode(None)
    assert look(reference)[0] == HIDDEN
    assert reference.GetDisplayNode().GetSegmentOverrideColor("bone")[0] < 0  # its own colour again


def test_a_new_result_takes_the_place_of_the_last_where_the_user_says_so(
    a_panel, a_painted_scene, a_result, run_to_end, segmentations
):
    a_panel.state.parameters.target = ch.Target.REPLACE
    a_panel.ui.editResultButton.click()  # it is in the editor, even
    before = segmentations()
    run_to_end()
    assert segmentations() == before and a_result.GetScene() is None
    assert a_panel.state.parameters.result.GetName() == "Painted (Changed) 2"
    assert a_panel.editor.widget.segmentationNode() is a_panel.state.parameters.result


def test_a_segmentation_of_the_users_is_never_replaced(a_panel, a_painted_scene, a_desktop, run_to_end):
    own = a_desktop.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    a_panel.state.parameters.result = own
    a_panel.state.parameters.target = ch.Target.REPLACE
    run_to_end()
    assert own.GetScene() is not None


def test_what_is_hidden_by_other_means_stays_hidden(a_panel, a_painted_scene, a_result):
    a_result.SetDisplayVisibility(False)
    a_panel.state.parameters.radius = 0.5
    a_panel.exit()
    a_panel.enter()
    assert look(a_result)[0] == HIDDEN


def test_painted_slices_come_back_when_the_result_is_deleted(a_panel, a_painted_scene, a_desktop, stand_in, a_result):
    a_desktop.slicer.mrmlScene.RemoveNode(a_result)
    stand_in.process_events(2)
    assert look(a_painted_scene.painted)[0] == 1
